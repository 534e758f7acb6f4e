"""Two servers and a proxy: a crowd buys at both, one is killed in the middle of it, and the other goes on: nothing is sold twice,
nothing acknowledged is lost, and what the dead one had to do is done.

A fast form runs always, ten thousand buyers by `make drill`; the control takes away the turn in which servers write.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kashop.flows import settings
from kashop.jobs.turns import LEASE
from kashop.lib.actor import CLI
from kashop.notices import writes as notices
from kashop.shop import Shop
from kashop.stress import epay, plan
from kashop.stress.copying import Sale
from kashop.stress.crowd import Reply
from kashop.stress.plan import Plan
from kashop.stress.rush import Rush, Tally
from tests import beside
from tests.cast import config
from tests.crash.test_burst import furnish, prove, tell
from tests.nodes.pair import Pair, behind_a_proxy, until
from tests.nodes.vendor import MONEY, Vendor, vendor
from tests.planting import planted

pytestmark = pytest.mark.sqlite  # it brings its own server

MANY, FEW = 10_000, 240
DUE = 4
"""Orders of each kind that are due when their server dies."""

TURNS, SCHEDULED = "src/kashop/jobs/turns.py", "src/kashop/jobs/schedule.py"
SOON = (
    (TURNS, "LEASE = 30 * SECOND", "LEASE = 2 * SECOND"),
    (SCHEDULED, 'Job("expire_orders", 10', 'Job("expire_orders", 1'),
    (SCHEDULED, 'Job("query_attempts", 10', 'Job("query_attempts", 1'),
    (SCHEDULED, 'Job("read_callbacks", 20', 'Job("read_callbacks", 1'),
    (SCHEDULED, 'Job("reload_settings", 10', 'Job("reload_settings", 1'),
    (SCHEDULED, 'Job("send_notices", 5', 'Job("send_notices", 1'),
)
"""The same program, in more of a hurry."""

SMALL = (("src/kashop/db/queue.py", "MAX_GROUP, MIN_GROUP = 512, 64", "MAX_GROUP, MIN_GROUP = 4, 4"),)
"""And in many small groups: a few hundred orders would be two of them."""

NO_TURN = ("src/kashop/db/postgres.py", "BEGIN; SELECT version FROM versions WHERE name = 'writer' FOR UPDATE", "BEGIN")


class Behind(Rush):
    """A crowd that meets a proxy. When that says itself that a server is gone (RFC 9110, 15.6.3 and 15.6.5), nobody knows what
    became of the order: the buyer comes back with the same key."""

    def _read(self, buyer, reply: Reply) -> float:  # type: ignore[no-untyped-def]
        if reply.status in (502, 504) or (reply.status == 503 and not reply.retry_after):
            self.tally.answers["broken"] += 1
            return 1.0
        return super()._read(buyer, reply)


@dataclass
class Burst:
    """What was seen of one: the crowd's tally, and which orders were acknowledged when the server was killed."""

    tally: Tally
    acknowledged: list[str] = field(default_factory=list)


def burst(
    pair: Pair, sale: Sale, buyers: int, *, at: int = 0, kill: Callable[[], None] | None = None, seconds: int = 240
) -> Burst:
    """Everybody at once; `kill` is called when so many orders are acknowledged."""
    wanted, _ = plan.fitted(Plan(buyers=buyers, codes=sale.codes, connections=buyers, paying=0.3, seconds=seconds))
    known: list[str] = []

    def hear(stage: str, _done: int, _of: int) -> None:
        if kill and not known and stage == "rush" and rush.tally.answers["201"] >= at:
            kill()
            known.extend(b.placed.order_no for b in rush.tally.buyers if b.placed)

    rush = Behind(pair.port, wanted, sale, hear)
    return Burst(asyncio.run(rush.run()), known)


def sell_and_kill(pair: Pair, folder: Path, *, buyers: int, codes: int, at: int, tree: Path | None = None) -> None:
    """One of two servers is killed when so many orders are acknowledged."""
    with vendor() as asked:
        sale = furnish(pair.folders[0], codes, url=asked.url)
        dying, living = pair.server(0, tree=tree), pair.server(1, tree=tree)
        with behind_a_proxy(pair, folder, dying, living) as shop:
            seen = burst(shop, sale, buyers, at=at, kill=dying.kill)
            tell(seen.tally)
            lost = [no for no in seen.acknowledged if not shop.count("SELECT COUNT(*) FROM orders WHERE order_no = :no", no=no)]
            assert len(seen.acknowledged) >= at
            assert seen.tally.answers["broken"], "nobody was at the server that was killed"
            assert not lost, f"{len(lost)} acknowledged orders are gone, such as {lost[0]}"
            prove(shop, sale, seen.tally, is_killed=True)
            asyncio.run(take_over(shop, folder, asked, lease=2000 if tree else LEASE))
            shop.check()


async def take_over(pair: Pair, folder: Path, asked: Vendor, *, lease: int) -> None:
    """What falls due while the turns of all jobs are the dead server's, as it leaves them, is done by the other: an order
    expires, a payment that only the vendor knows is asked for, one that was told and not read is read, a notice leaves."""
    unpaid = beside.rows(
        pair.address,
        """SELECT o.order_id, a.attempt_id, a.attempt_no FROM orders o JOIN attempts a ON a.order_id = o.order_id
           WHERE o.status = 'pending' ORDER BY o.order_id LIMIT :most""",
        most=3 * DUE,
    )
    assert len(unpaid) == 3 * DUE
    expiring, unknown, unread = unpaid[:DUE], unpaid[DUE : 2 * DUE], unpaid[2 * DUE :]
    asked.paid |= {attempt_no for _, _, attempt_no in unknown}
    asked.asked.clear()
    now = time.time_ns() // 1_000_000
    dead = pair.value("SELECT node FROM nodes WHERE name = 'one'")
    beside.change(pair.address, "UPDATE job_turns SET node = :dead, until = :until", dead=dead, until=now + lease)
    for order_id, _, _ in expiring:
        beside.change(pair.address, "UPDATE orders SET expires_at = :now WHERE order_id = :order_id", now=now, order_id=order_id)
    for _, attempt_id, _ in unknown:
        sql = "UPDATE attempts SET next_query_at = :now WHERE attempt_id = :attempt_id"
        beside.change(pair.address, sql, now=now, attempt_id=attempt_id)
    for _, _, attempt_no in unread:
        sql = """INSERT INTO callbacks (gateway_name, gateway_id, received_at, method, query, headers, body, ip, verdict)
                 SELECT name, gateway_id, :then, 'GET', :query, '{}', :nothing, '127.0.0.1', 'new' FROM gateways"""
        query = epay.notification(attempt_no, f"C{attempt_no}", MONEY, "alipay").encode()
        beside.change(pair.address, sql, then=now - 60_000, query=query, nothing=b"")
    shop = await Shop.open(config(pair.data))
    await settings.change(shop, {"notices.file": str(folder / "notices.txt")}, CLI)
    await shop.db.write(notices.tell, "notice.given_up", what="x", channel="webhook", problem="gone", detail="")
    await shop.close()
    await asyncio.to_thread(until, lambda: ended(pair, expiring) == {"expired"}, what="expiry")
    await asyncio.to_thread(until, lambda: ended(pair, unknown) == {"delivered"}, what="a query")
    await asyncio.to_thread(until, lambda: ended(pair, unread) == {"delivered"}, what="a callback")
    await asyncio.to_thread(until, (folder / "notices.txt").exists, what="a notice")
    assert {attempt_no for _, _, attempt_no in unknown} <= set(asked.asked)
    assert pair.value("SELECT node FROM job_turns WHERE job = 'expire_orders'") != dead


def ended(pair: Pair, unpaid: list[tuple[Any, ...]]) -> set[str]:
    """How these orders stand."""
    sql = "SELECT status FROM orders WHERE order_id = :order_id"
    return {pair.value(sql, order_id=order_id) for order_id, _, _ in unpaid}


def test_one_of_two_servers_is_killed_in_a_small_burst(pair: Pair, tmp_path: Path) -> None:
    sell_and_kill(pair, tmp_path, buyers=FEW, codes=FEW * 2 // 3, at=FEW // 15, tree=planted(tmp_path, *SMALL, *SOON))


@pytest.mark.drill
def test_control_without_the_writers_turn_two_servers_do_not_keep_the_books(pair: Pair, tmp_path: Path) -> None:
    tree = planted(tmp_path, NO_TURN, *SMALL)
    sale = furnish(pair.folders[0], FEW * 2 // 3)
    with behind_a_proxy(pair, tmp_path, pair.server(0, tree=tree), pair.server(1, tree=tree)) as shop:
        seen = burst(shop, sale, FEW, seconds=15)
        tell(seen.tally)
        with pytest.raises(AssertionError, match=r"errors|payments|not sold out cleanly"):
            prove(shop, sale, seen.tally)


@pytest.mark.drill
@pytest.mark.parametrize("codes", [MANY, MANY // 10])
def test_ten_thousand_buyers_at_two_servers(pair: Pair, tmp_path: Path, codes: int) -> None:
    sale = furnish(pair.folders[0], codes)
    with behind_a_proxy(pair, tmp_path, pair.server(0), pair.server(1)) as shop:
        seen = burst(shop, sale, MANY)
        tell(seen.tally)
        prove(shop, sale, seen.tally)


@pytest.mark.drill
@pytest.mark.parametrize("codes", [MANY, MANY // 10])
def test_ten_thousand_buyers_and_one_of_two_servers_killed_at_the_peak(pair: Pair, tmp_path: Path, codes: int) -> None:
    sell_and_kill(pair, tmp_path, buyers=MANY, codes=codes, at=codes // 3)
