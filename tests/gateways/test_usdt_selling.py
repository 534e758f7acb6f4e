"""A shop sells through each simulated gateway of the USDT family, and loses nothing when it breaks, lies or falls silent."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kashop.flows import confirm
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.orders import writes as order_writes
from kashop.payments import reads as payments
from kashop.plugins.kit.simulators.bepusdt import BepusdtSimulator
from kashop.plugins.kit.simulators.tokenpay import TokenpaySimulator
from kashop.plugins.kit.simulators.usdt import EpusdtSimulator, GmpaySimulator, UsdtSimulator
from tests.cast import codes_of
from tests.gateways.streets import Street, street

OK, FAIL = (200, "ok"), (400, "fail")
FAMILY: tuple[type[UsdtSimulator], ...] = (EpusdtSimulator, GmpaySimulator, BepusdtSimulator, TokenpaySimulator)


@pytest.fixture(params=FAMILY, ids=lambda kind: kind.name)
async def usdt(data: Path, request: pytest.FixtureRequest) -> AsyncIterator[Street]:
    async with street(data, request.param) as opened:
        yield opened


async def desk(usdt: Street, order_id: int) -> list[str]:
    return [e.kind for e in await usdt.shop.db.read(orders.open_exceptions, order_id)]


async def test_it_sells_for_coins_to_the_last_digit(usdt: Street) -> None:
    placed, other = await usdt.buy(), await usdt.buy()
    attempt, another = await usdt.attempt(placed), await usdt.attempt(other)
    assert (attempt.kind, attempt.coin, attempt.amount_minor) == ("redirect", "USDT", 1250)
    assert attempt.coin_amount != another.coin_amount, "one wallet, two orders"
    assert await usdt.pay(placed, times=5, parallel=True) == [OK] * 5
    assert await usdt.status(placed) == "delivered"
    assert len(await codes_of(usdt.shop, placed)) == 1
    (receipt,) = await usdt.shop.db.read(payments.receipts, placed.order.order_id)
    assert (receipt.amount_minor, receipt.coin, receipt.coin_amount) == (1250, "USDT", attempt.coin_amount)
    assert receipt.gateway_txn == usdt.vendor.find(attempt.attempt_no).txn


async def test_what_is_forged_or_tells_of_no_payment_changes_nothing(usdt: Street) -> None:
    placed = await usdt.buy()
    for forge in ("signature", "key", "merchant", "amount"):
        assert await usdt.pay(placed, forge=forge) == [FAIL]
    assert await usdt.pay(placed, state="pending") == [OK]
    assert await usdt.pay(placed, state="closed") == [OK]
    assert await usdt.status(placed) == "pending"
    assert await usdt.shop.db.read(payments.receipts, placed.order.order_id) == []


async def test_half_is_not_enough(usdt: Street) -> None:
    placed = await usdt.buy()
    assert await usdt.pay(placed, amount="6.25") == [OK]
    assert await usdt.status(placed) == "pending"
    assert await desk(usdt, placed.order.order_id) == ["paid_partly"]


async def test_a_lost_callback_is_found_or_put_on_the_desk_once(usdt: Street) -> None:
    placed = await usdt.buy()
    assert await usdt.query(placed) == "pending"
    assert await usdt.pay(placed, lose=True) == []
    if usdt.vendor.proves_when_asked:
        assert await usdt.query(placed) == "paid"
        assert await usdt.status(placed) == "delivered"
    else:
        assert await usdt.query(placed) == "unknown"
        assert await usdt.query(placed) == "unknown"
        assert await usdt.status(placed) == "pending", "nothing is settled without a proof"
        assert await desk(usdt, placed.order.order_id) == ["gateway_unclear"]
    assert await usdt.pay(placed) == [OK], "the callback comes late"
    assert await usdt.status(placed) == "delivered"
    assert await desk(usdt, placed.order.order_id) == []
    assert len(await usdt.shop.db.read(payments.receipts, placed.order.order_id)) == 1


async def test_moods(usdt: Street) -> None:
    for mood in ("error", "html", "cuts"):
        usdt.vendor.mood(mood)
        placed = await usdt.buy()
        assert (await usdt.attempt(placed)).kind == "", mood
        usdt.vendor.mood("answers")
    placed = await usdt.buy()
    for mood in ("error", "html", "cuts"):
        usdt.vendor.mood(mood)
        assert await usdt.query(placed) == "unknown"
        assert await usdt.pay(placed, state="pending") == [OK]
    usdt.vendor.mood("answers")
    assert await usdt.pay(placed) == [OK]
    assert await usdt.status(placed) == "delivered"


async def test_staff_confirm_what_only_the_gateways_page_shows(data: Path) -> None:
    async with street(data, EpusdtSimulator) as usdt:
        placed = await usdt.buy()
        await usdt.pay(placed, lose=True)
        await usdt.query(placed)
        txn = usdt.vendor.find((await usdt.attempt(placed)).attempt_no).txn
        await confirm.confirm(usdt.shop, placed.order.order_no, reference=txn, note="seen in the gateway", actor=CLI)
        assert await usdt.status(placed) == "delivered"
        assert await desk(usdt, placed.order.order_id) == []
        assert await usdt.pay(placed) == [OK], "the same hash: the same payment"
        assert len(await usdt.shop.db.read(payments.receipts, placed.order.order_id)) == 1


async def test_what_staff_dismissed_does_not_come_back(data: Path) -> None:
    async with street(data, EpusdtSimulator) as usdt:
        placed = await usdt.buy()
        await usdt.pay(placed, lose=True)
        await usdt.query(placed)
        (entry,) = await usdt.shop.db.read(orders.open_exceptions, placed.order.order_id)
        await usdt.shop.db.write(order_writes.close_by_hand, entry.exception_id, CLI, reason="it was a test")
        assert await usdt.query(placed) == "unknown"
        assert await desk(usdt, placed.order.order_id) == []
        assert await usdt.status(placed) == "pending"


async def test_a_hash_of_88_letters_can_be_confirmed(data: Path) -> None:
    async with street(data, EpusdtSimulator) as usdt:
        placed = await usdt.buy()
        txn = "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW"
        await confirm.confirm(usdt.shop, placed.order.order_no, reference=txn, note="seen on the chain", actor=CLI)
        assert await usdt.status(placed) == "delivered"


async def test_a_transaction_pays_one_order_only(data: Path) -> None:
    async with street(data, EpusdtSimulator) as usdt:
        first, second = await usdt.buy(), await usdt.buy()
        assert await usdt.pay(first, txn="ab" * 32) == [OK]
        assert await usdt.pay(second, txn="ab" * 32) == [FAIL]
        assert [await usdt.status(placed) for placed in (first, second)] == ["delivered", "pending"]
        assert await desk(usdt, second.order.order_id) == ["mismatch"]
