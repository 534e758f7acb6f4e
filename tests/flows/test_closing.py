"""Attempts that nobody is to pay any more are closed at their vendor, and a change of method goes on with what is open."""

import pytest

from kashop.flows import attempts, checkout
from kashop.jobs import schedule
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rows import Attempt
from kashop.payments.types import GatewayFailed, Notice
from kashop.shop import Shop
from tests.cast import BUYER, TestClock, add_product
from tests.flows.till import Till, add_till, buy, pay


@pytest.fixture
async def till(shop: Shop) -> Till:
    await add_product(shop, "steam", codes=5)
    return await add_till(shop)


async def tries(shop: Shop, placed: checkout.Placed) -> list[Attempt]:
    return await shop.db.read(payments.attempts, placed.order.order_id)


async def change(shop: Shop, placed: checkout.Placed, method: str, gateway: str = "till") -> Attempt:
    return await attempts.change(shop, placed.order, gateway=gateway, method=method, actor=BUYER)


@pytest.mark.parametrize("ending", ["expired", "cancelled"])
async def test_the_vendor_is_told_once_when_an_order_ends(shop: Shop, till: Till, clock: TestClock, ending: str) -> None:
    placed = await buy(shop)
    assert placed.attempt is not None
    if ending == "cancelled":
        await checkout.cancel(shop, placed.order, CLI)
    else:
        clock.pass_time(minutes=16)
        await schedule.expire_orders(shop)
    assert till.closed == []
    assert await schedule.close_attempts(shop) == 1
    assert till.closed == [placed.attempt.attempt_no]
    clock.pass_time(hours=1)
    assert await schedule.close_attempts(shop) == 0


async def test_one_that_cannot_be_closed_is_tried_a_few_times(shop: Shop, till: Till, clock: TestClock) -> None:
    await checkout.cancel(shop, (await buy(shop)).order, CLI)
    till.closing = GatewayFailed("time-out", is_unclear=True)
    for _ in range(40):
        await schedule.close_attempts(shop)
        clock.pass_time(minutes=1)
    assert len(till.closed) == 4


async def test_one_that_was_paid_meanwhile_is_found_by_asking(shop: Shop, till: Till, clock: TestClock) -> None:
    placed = await buy(shop)
    assert placed.attempt is not None
    await checkout.cancel(shop, placed.order, CLI)
    till.closing = GatewayFailed("already paid")
    paid = {"gateway_txn": "T1", "amount_minor": 1250, "currency": "CNY"}
    till.finds = Notice(state="paid", attempt_no=placed.attempt.attempt_no, **paid)
    assert await schedule.close_attempts(shop) == 1
    assert (await shop.db.read(orders.get, placed.order.order_id)).status == "delivered"
    clock.pass_time(hours=1)
    assert await schedule.close_attempts(shop) == 0


async def test_a_vendor_that_closes_nothing_is_not_told(shop: Shop) -> None:
    await add_product(shop, "steam", codes=5)
    till = await add_till(shop, closes=False)
    await checkout.cancel(shop, (await buy(shop)).order, CLI)
    assert await schedule.close_attempts(shop) == 0
    assert till.closed == []
    assert await shop.db.read(payments.due_closes, limit=9) == []


async def test_the_same_way_again_goes_on_with_the_open_attempt(shop: Shop, till: Till) -> None:
    placed = await buy(shop, method="alipay")
    first = placed.attempt
    assert first is not None
    assert (await change(shop, placed, "alipay")).attempt_no == first.attempt_no
    assert till.begun == [first.attempt_no], "the vendor is not asked twice"
    other = await change(shop, placed, "wxpay")
    assert other.attempt_no != first.attempt_no
    await schedule.close_attempts(shop)
    assert till.closed == [first.attempt_no]
    again = await change(shop, placed, "alipay")
    assert again.attempt_no not in (first.attempt_no, other.attempt_no)
    assert [a.status for a in await tries(shop, placed)] == ["closed", "closed", "open"]


async def test_one_that_asks_for_another_amount_is_not_gone_on_with(shop: Shop, till: Till) -> None:
    placed = await buy(shop, method="alipay")
    other = await change(shop, placed, "wxpay")
    await pay(shop, placed, amount=500)
    rest = await change(shop, placed, "wxpay")
    assert (rest.amount_minor, rest.attempt_no == other.attempt_no) == (750, False)


async def test_one_that_was_never_begun_is_begun_with_its_number(shop: Shop, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unheard(_intent: object) -> None:
        raise GatewayFailed("time-out", is_unclear=True)

    monkeypatch.setattr(till, "begin", unheard)
    placed = await buy(shop, method="alipay")
    assert placed.attempt is not None
    assert (placed.attempt.kind, placed.attempt.status) == ("", "open")
    monkeypatch.undo()
    again = await change(shop, placed, "alipay")
    assert (again.attempt_no, again.kind) == (placed.attempt.attempt_no, "qr")
