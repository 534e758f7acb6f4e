"""The burst: ten thousand buyers press the button at one moment, for as many codes and for a tenth of them; and the server is
killed at the peak of it. A fast form runs always, the whole by `make drill`; the controls take a guard out and must fail.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kashop.catalog import reads as catalog
from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.stress import epay, plan, proof
from kashop.stress.copying import Sale
from kashop.stress.crowd import percentile
from kashop.stress.plan import Plan
from kashop.stress.rush import Rush, Tally
from tests.cast import add_epay, add_product, config
from tests.planting import planted
from tests.races.test_races import COUNT, HOLD
from tests.serving import Served

MANY, FEW = 10_000, 300


def furnish(data: Path, codes: int, **options: str) -> Sale:
    """A shop with so many codes, and an account whose vendor the crowd plays; `options` are more of the account's."""

    async def furnished() -> Sale:
        shop = await Shop.open(config(data), is_server=True)
        await add_epay(shop, key=epay.KEY, pid=epay.PID, **options)
        await add_product(shop, "steam-50", codes=codes, hold_minutes=60)
        await settings.change(shop, {"risk.captcha": "off"}, CLI)  # as before a planned sale: the crowd could not compute
        offer = await shop.db.read(catalog.find_offer, "steam-50")
        await shop.close()
        assert offer is not None
        return Sale(
            shop_name="",
            locale="zh_Hans",
            timezone="UTC",
            product=offer.product,
            sku_code="steam-50",
            sku_name="",
            sku_id=offer.sku.sku_id,
            quantity=1,
            codes=codes,
            gateway="epay-main",
            method="alipay",
            fields={},
            made_up=frozenset(f"STEAM-50-{n:05}" for n in range(codes)),
        )

    return asyncio.run(furnished())


def served(data: Path, tree: Path | None = None) -> Served:
    """The shop at work, believing this machine's own proxy about who its buyers are."""
    return Served(data, tree=tree, KASHOP_TRUSTED_PROXIES="127.0.0.1")


@dataclass
class Killer:
    """Kills the server once so many orders are acknowledged, and starts it again."""

    server: Served
    at: int
    rush: Rush | None = None
    acknowledged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    again: "asyncio.Task[None] | None" = None

    def hear(self, stage: str, done: int, of: int) -> None:
        assert self.rush is not None
        if stage == "rush" and self.again is None and self.rush.tally.answers["201"] >= self.at:
            self.server.kill()
            self.acknowledged = [b.placed.order_no for b in self.rush.tally.buyers if b.placed]
            self.again = asyncio.get_running_loop().create_task(self.start_again())

    async def start_again(self) -> None:
        await asyncio.to_thread(self.server.start)
        self.kept = [no for (no,) in self.server.rows("SELECT order_no FROM orders")]


def burst(server: Served, sale: Sale, buyers: int, *, kill_at: int = 0, seconds: int = 240) -> tuple[Tally, Killer]:
    """Everybody at once; the killer has what was acknowledged before and what was there afterwards."""
    wanted, _ = plan.fitted(Plan(buyers=buyers, codes=sale.codes, connections=buyers, paying=0.3, seconds=seconds))
    killer = Killer(server, kill_at or 2**60)

    async def rushed() -> Tally:
        killer.rush = rush = Rush(server.port, wanted, sale, killer.hear)
        tally = await rush.run()
        if killer.again is not None:
            await killer.again
        return tally

    return asyncio.run(rushed()), killer


def prove(server: Any, sale: Sale, tally: Tally, *, is_killed: bool = False) -> None:
    """Exactly what there was is sold, everybody else is told so, nothing is lost, and nothing is broken."""
    buyers, sold = len(tally.buyers), min(len(tally.buyers), sale.codes)
    ends = Counter(b.end for b in tally.buyers)
    shown = asyncio.run(proof.reveal_some(server, tally))
    found = proof.books(server, sale, shown)
    broken = {c.id: c.witness for c in proof.claims(tally, sale, found) if not c.holds}
    if is_killed:
        assert broken.pop("errors", "").startswith(f"{tally.answers['broken']} × broken")
    assert not broken, broken
    assert ends == Counter({"sold": sold, "sold_out": buyers - sold}), "not sold out cleanly"
    strange = {what for what in tally.answers if what not in ("201", "409 sold_out", "broken") and not what.startswith("503 ")}
    assert not strange, tally.answers
    assert server.count("SELECT COUNT(*) FROM orders") == sold
    assert server.count("SELECT COUNT(*) FROM codes WHERE status IN ('held', 'sold')") == sold
    assert server.count("SELECT COUNT(*) FROM receipts") == sum(bool(b.txn) for b in tally.buyers) > 0
    server.check()


@pytest.mark.parametrize("codes", [FEW, FEW // 10])
def test_a_small_burst_sells_exactly_what_there_is(data: Path, codes: int) -> None:
    sale = furnish(data, codes)
    with served(data) as server:
        tally, _ = burst(server, sale, FEW)
        prove(server, sale, tally)


def test_killed_in_a_small_burst_nothing_acknowledged_is_lost(data: Path) -> None:
    kill(data, buyers=FEW, codes=FEW * 2 // 3, at=FEW // 15)


@pytest.mark.parametrize(
    ("fault", "broken"),
    [(HOLD, "oversold"), (COUNT, "not sold out cleanly|errors")],
    ids=["the hold takes what is not free", "the count is not asked"],
)
def test_control_without_a_guard_the_burst_is_not_clean(
    data: Path, tmp_path: Path, fault: tuple[str, str, str], broken: str
) -> None:
    sale = furnish(data, FEW // 10)
    with served(data, planted(tmp_path, fault)) as server:
        tally, _ = burst(server, sale, FEW, seconds=20)
        with pytest.raises(AssertionError, match=broken):
            prove(server, sale, tally)


@pytest.mark.drill
@pytest.mark.parametrize("codes", [MANY, MANY // 10])
def test_ten_thousand_buyers_at_once(data: Path, codes: int) -> None:
    sale = furnish(data, codes)
    with served(data) as server:
        tally, _ = burst(server, sale, MANY)
        tell(tally)
        prove(server, sale, tally)


@pytest.mark.drill
@pytest.mark.parametrize("codes", [MANY, MANY // 10])
def test_ten_thousand_buyers_and_the_server_killed_at_the_peak(data: Path, codes: int) -> None:
    kill(data, buyers=MANY, codes=codes, at=codes // 3)


def kill(data: Path, *, buyers: int, codes: int, at: int) -> None:
    """Kill it when so many orders are acknowledged; each of them is there again, unknown ones come to one each."""
    sale = furnish(data, codes)
    with served(data) as server:
        tally, killer = burst(server, sale, buyers, kill_at=at)
        tell(tally)
        assert killer.again is not None
        assert tally.answers["broken"] > buyers // 20, "it was not killed at the peak"
        assert len(killer.acknowledged) >= at
        lost = set(killer.acknowledged) - set(killer.kept)
        assert not lost, f"{len(lost)} acknowledged orders are gone, such as {min(lost)}"
        prove(server, sale, tally, is_killed=True)


def tell(tally: Tally) -> None:
    """For whoever runs the drill."""
    waited = sorted(b.waited for b in tally.buyers)
    print(dict(tally.answers), dict(tally.callback_answers))
    print(f"{tally.at_once} at once; half waited {waited[len(waited) // 2]:.1f} s, all {waited[-1]:.1f} s")
    seen = {"answers": tally.latencies, "pages": tally.pages, "pages in quiet": tally.quiet_pages, "callbacks": tally.callbacks}
    for what, seconds in seen.items():
        print(f"{what}: p50 {percentile(seconds, 0.5) * 1000:.0f} ms, p99 {percentile(seconds, 0.99) * 1000:.0f} ms")
