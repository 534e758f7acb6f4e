"""Many at one moment through real HTTP, each beside a control: the same test on a tree without the guard must fail (M5)."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from kashop.shop import Shop
from tests.cast import EPAY, OWNER, PASSWORD, add_epay, add_product, config, let_a_crowd_in
from tests.planting import planted
from tests.races import buyers
from tests.serving import Served, kashop, volley

HOLD = (
    "src/kashop/inventory/writes.py",
    "WHERE sku_id = :sku_id AND pool_id = :pool_id AND status = 'free'",
    "WHERE sku_id = :sku_id AND pool_id = :pool_id",
)
COUNT = ("src/kashop/inventory/writes.py", "pool_id = :pool_id AND free >= :quantity", "pool_id = :pool_id")
KEY = ("src/kashop/flows/checkout.py", "if known is not None:\n            return known", "if False:\n            return known")
RECEIPT = ("src/kashop/payments/writes.py", "ON CONFLICT (gateway_id, gateway_txn) DO NOTHING RETURNING", "RETURNING")
UNIQUE = (
    "migrations/0001_ground.sql",
    "  received_at BIGINT NOT NULL,\n  UNIQUE (gateway_id, gateway_txn)",
    "  received_at BIGINT NOT NULL",
)

BUYERS, CODES = 500, 100


@pytest.fixture
def stocked(data: Path) -> Path:
    """A shop with a hundred codes and a gateway."""

    async def furnish() -> None:
        shop = await Shop.open(config(data))
        await add_epay(shop)
        await add_product(shop, "steam-50", codes=CODES)
        await let_a_crowd_in(shop)
        await shop.close()

    asyncio.run(furnish())
    return data


def sell_out(served: Served) -> None:
    """500 buyers at once for 100 codes: 100 orders, 400 clean refusals, and 100 different codes once they are paid."""
    replies = asyncio.run(volley(served.port, [buyers.order("steam-50", key=f"buyer-{n}") for n in range(BUYERS)]))
    assert Counter(r.status for r in replies) == {201: CODES, 409: BUYERS - CODES}, "not sold out cleanly"
    assert {buyers.told(r)["code"] for r in replies if r.status == 409} == {"sold_out"}
    placed = [buyers.told(r) for r in replies if r.status == 201]
    assert served.count("SELECT COUNT(*) FROM orders") == CODES
    assert served.count("SELECT COUNT(*) FROM codes WHERE status = 'held'") == CODES, "one code, many orders"
    answers = asyncio.run(volley(served.port, [buyers.payment(p, f"T{n}") for n, p in enumerate(placed)]))
    assert {(a.status, a.body) for a in answers} == {(200, b"success")}
    revealed = asyncio.run(volley(served.port, [buyers.reveal(p) for p in placed]))
    assert Counter(r.status for r in revealed) == {200: CODES}, "a paid order has no code to show"
    shown = [buyers.codes(r) for r in revealed]
    assert sorted(code for codes in shown for code in codes) == [f"STEAM-50-{n:05}" for n in range(CODES)]
    assert {len(codes) for codes in shown} == {1}
    served.check()


def test_five_hundred_buyers_for_a_hundred_codes(stocked: Path) -> None:
    with Served(stocked) as served:
        sell_out(served)


@pytest.mark.parametrize(
    ("fault", "broken"),
    [(HOLD, "one code, many orders"), (COUNT, "not sold out cleanly")],
    ids=["the hold takes what is not free", "the count is not asked"],
)
def test_control_without_the_guard_of_the_hold(stocked: Path, tmp_path: Path, fault: tuple[str, str, str], broken: str) -> None:
    with Served(stocked, tree=planted(tmp_path, fault)) as served, pytest.raises(AssertionError, match=broken):
        sell_out(served)


def pay_once(served: Served) -> None:
    """One order, its callback a hundred times at once: a hundred success answers, one receipt, one delivery."""
    (reply,) = asyncio.run(volley(served.port, [buyers.order("steam-50", key="one")]))
    placed = buyers.told(reply)
    answers = asyncio.run(volley(served.port, [buyers.payment(placed, "T1")] * 100))
    assert [(a.status, a.body) for a in answers] == [(200, b"success")] * 100
    assert served.count("SELECT COUNT(*) FROM receipts") == 1, "money counted more than once"
    assert served.count("SELECT COUNT(*) FROM events WHERE name = 'payment.received'") == 1
    assert served.count("SELECT COUNT(*) FROM events WHERE name = 'line.delivered'") == 1
    assert served.count("SELECT COUNT(*) FROM codes WHERE status = 'sold'") == 1
    assert served.count("SELECT COUNT(*) FROM order_exceptions") == 0
    assert served.count("SELECT COUNT(*) FROM callbacks WHERE verdict = 'repeated'") == 99
    (shown,) = asyncio.run(volley(served.port, [buyers.reveal(placed)]))
    assert buyers.codes(shown) == ["STEAM-50-00000"]
    served.check()


def test_the_same_callback_a_hundred_times_at_once(stocked: Path) -> None:
    with Served(stocked) as served:
        pay_once(served)


def test_control_without_the_receipt_being_unique(tmp_path: Path) -> None:
    tree = planted(tmp_path, RECEIPT, UNIQUE)
    data = tmp_path / "loose"
    kashop("init", "--data", data, "--owner", OWNER, "--owner-password-file", "-", given=PASSWORD, tree=tree)
    kashop("product", "add", "--slug", "steam-50", "--name", "Steam", "--price", "12.50", "--data", data, tree=tree)
    stock = "\n".join(f"STEAM-50-{n:05}" for n in range(3))
    kashop("codes", "import", "-", "--product", "steam-50", "--data", data, given=stock, tree=tree)
    options = [part for name, value in EPAY.items() for part in ("--option", f"{name}={value}")]
    kashop("gateway", "set", "epay-main", "--type", "epay", *options, "--data", data, tree=tree)
    with Served(data, tree=tree) as served, pytest.raises(AssertionError, match="money counted more than once"):
        pay_once(served)


def press_many_times(served: Served) -> None:
    """One wish under one key, fifty times at once: fifty times the same order."""
    replies = asyncio.run(volley(served.port, [buyers.order("steam-50", key="the-same")] * 50))
    assert Counter(r.status for r in replies) == {201: 50}, "the same wish was not answered alike"
    assert len({(buyers.told(r)["order_no"], buyers.told(r)["token"]) for r in replies}) == 1
    assert len({buyers.told(r)["payment"]["attempt"] for r in replies}) == 1
    assert served.count("SELECT COUNT(*) FROM orders") == 1
    assert served.count("SELECT COUNT(*) FROM codes WHERE status = 'held'") == 1
    served.check()


def test_the_same_key_fifty_times_at_once(stocked: Path) -> None:
    with Served(stocked) as served:
        press_many_times(served)


def test_control_without_the_look_at_the_key(stocked: Path, tmp_path: Path) -> None:
    with (
        Served(stocked, tree=planted(tmp_path, KEY)) as served,
        pytest.raises(AssertionError, match="the same wish was not answered alike"),
    ):
        press_many_times(served)
