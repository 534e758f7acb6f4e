"""Money that does not fit: refunds that only the vendor tells of, and what the shop sends back by itself."""

from typing import Any

import pytest

from kashop.flows import confirm, settings, vault
from kashop.jobs import schedule
from kashop.lib.actor import CLI, SYSTEM
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.types import GatewayFailed, Notice, RefundWord
from kashop.shop import Shop
from tests.cast import TestClock, add_epay, add_product
from tests.flows.till import Till, add_till, buy, pay, refunded, send, sold, state, told


@pytest.fixture
async def till(shop: Shop) -> Till:
    await add_product(shop, "steam", codes=5)
    return await add_till(shop)


# --- refunds that the vendor tells of ------------------------------------------------------------------------------------


async def test_our_own_is_settled_by_a_callback_and_the_late_answer_changes_nothing(shop: Shop, till: Till) -> None:
    placed = await sold(shop)
    till.says = "pending"
    sent = await send(shop, placed)
    assert await refunded(shop, placed, refund_no=sent.refund_no, gateway_refund="V9", amount_minor=1250) == "noted"
    assert await state(shop, placed) == ("refunded", 0, 1250, [])
    assert await refunded(shop, placed, refund_no=sent.refund_no, gateway_refund="V9") == "repeated"
    assert await state(shop, placed) == ("refunded", 0, 1250, [])


async def test_one_that_names_only_the_vendors_number_is_ours_when_ours_is_open(shop: Shop, till: Till) -> None:
    placed = await sold(shop)
    till.says = GatewayFailed("time-out", is_unclear=True)
    await send(shop, placed, 500)
    assert await refunded(shop, placed, gateway_refund="V9", amount_minor=500) == "noted"
    assert await state(shop, placed) == ("refunded", 750, 500, [])
    assert await refunded(shop, placed, gateway_refund="V9", amount_minor=500) == "repeated"


@pytest.mark.parametrize("number", ["V1", ""])
async def test_one_made_elsewhere_is_written_down_once(shop: Shop, till: Till, number: str) -> None:
    placed = await sold(shop)
    assert await refunded(shop, placed, gateway_refund=number, amount_minor=500) == "noted"
    assert await refunded(shop, placed, gateway_refund=number, amount_minor=500) == "repeated"
    assert await state(shop, placed) == ("refunded", 750, 500, ["refunded_elsewhere"])
    (row,) = await shop.db.read(payments.refunds, placed.order.order_id)
    assert (row.way, row.status, row.amount_minor, row.gateway_refund) == ("elsewhere", "done", 500, number)
    assert await refunded(shop, placed, gateway_refund="V2", amount_minor=9999) == "noted"
    assert await state(shop, placed) == ("refunded", 0, 1250, ["refunded_elsewhere"])
    assert await refunded(shop, placed, gateway_refund="V3", amount_minor=100) == "noted"
    assert await state(shop, placed) == ("refunded", 0, 1250, ["refunded_elsewhere"])


async def test_one_told_of_before_and_after_a_confirmation_by_hand_goes_back_once(shop: Shop, till: Till) -> None:
    placed = await buy(shop)
    assert await refunded(shop, placed, gateway_refund="V1", amount_minor=100) == "noted"
    vouched = await confirm.confirm(shop, placed.order.order_no, reference="B1", note="seen in the statement", actor=CLI)
    assert vouched == "delivered"
    assert await refunded(shop, placed, gateway_refund="V1", amount_minor=100) == "noted"
    assert await pay(shop, placed) == "settled"
    assert await state(shop, placed) == ("refunded", 2400, 100, ["refunded_elsewhere", "paid_twice"])


async def test_one_told_of_before_the_payment_keeps_the_order_from_delivery(shop: Shop, till: Till) -> None:
    placed = await buy(shop)
    assert await refunded(shop, placed, gateway_refund="V1", amount_minor=1250) == "noted"
    assert await refunded(shop, placed, gateway_refund="V1", amount_minor=1250) == "repeated"
    assert await state(shop, placed) == ("pending", 0, 0, ["refunded_elsewhere"])
    assert await pay(shop, placed) == "settled"
    assert await state(shop, placed) == ("pending", 0, 1250, ["refunded_elsewhere"])
    assert await refunded(shop, placed, gateway_refund="V1", amount_minor=1250) == "repeated"
    assert await pay(shop, placed, txn="T2") == "settled"
    assert (await state(shop, placed))[:3] == ("delivered", 1250, 1250), "a second payment pays for it"


async def test_what_failed_and_went_back_all_the_same_counts(shop: Shop, till: Till) -> None:
    placed = await sold(shop)
    till.says = "failed"
    sent = await send(shop, placed, 500)
    assert await refunded(shop, placed, refund_no=sent.refund_no) == "noted"
    assert await state(shop, placed) == ("refunded", 750, 500, [])
    assert await refunded(shop, placed, refund_no=sent.refund_no, state="failed", problem="returned") == "repeated"
    assert await state(shop, placed) == ("refunded", 750, 500, ["refund_failed"])


async def test_a_refund_of_another_order_is_not_believed(shop: Shop, till: Till) -> None:
    placed, other = await sold(shop), await buy(shop)
    till.says = "pending"
    sent = await send(shop, placed)
    assert await refunded(shop, other, refund_no=sent.refund_no) == "rejected"
    assert (await state(shop, placed))[0] == "delivered"


async def test_a_query_that_finds_a_refund_or_a_dispute_is_heard(shop: Shop, till: Till) -> None:
    placed = await sold(shop)
    assert placed.attempt is not None
    number = placed.attempt.attempt_no
    assert await told(shop, Notice(state="disputed", attempt_no=number, gateway_txn="T1")) == "noted"
    assert await state(shop, placed) == ("delivered", 1250, 0, ["disputed"])
    from kashop.flows import attempts

    till.finds = Notice(state="refunded", attempt_no=number, refund=RefundWord(state="done", gateway_refund="V1"))
    assert await attempts.query(shop, placed.attempt.attempt_id, SYSTEM) == "refunded"
    assert await state(shop, placed) == ("refunded", 0, 1250, ["disputed", "refunded_elsewhere"])


async def test_two_of_one_vendors_number_are_both_kept(shop: Shop, till: Till) -> None:
    placed = await sold(shop)
    till.says = RefundWord(state="done", gateway_refund="T1")
    for _ in range(2):
        assert (await send(shop, placed, 300)).status == "done"
    assert await state(shop, placed) == ("refunded", 650, 600, [])


# --- what the shop does by itself ----------------------------------------------------------------------------------------


async def test_what_does_not_fit_goes_back_by_itself(shop: Shop, till: Till, clock: TestClock) -> None:
    names = ("on_partly_paid", "on_overpaid", "on_paid_twice", "on_mismatch")
    await settings.change(shop, {**{f"payments.{n}": "refund" for n in names}, "orders.late_payment": "refund"}, CLI)
    over, twice, odd = await buy(shop), await buy(shop), await buy(shop, method="alipay")
    partly, late = await buy(shop), await buy(shop)
    await pay(shop, over, txn="O1", amount=1299)
    await pay(shop, twice, txn="W1")
    await pay(shop, twice, txn="W2")
    await pay(shop, odd, txn="X1", method="wxpay")
    await pay(shop, partly, txn="P1", amount=400)
    assert (await state(shop, partly))[3] == ["paid_partly"]
    clock.pass_time(minutes=16)
    await schedule.expire_orders(shop)
    await pay(shop, late, txn="L1")
    assert (await state(shop, late))[3] == ["paid_late"]
    await schedule.settle_refunds(shop)
    assert {(a.gateway_txn, a.amount_minor) for a in till.asked} == {
        ("O1", 49),
        ("W2", 1250),
        ("X1", 1250),
        ("P1", 400),
        ("L1", 1250),
    }
    assert await state(shop, over) == ("delivered", 1250, 49, [])
    assert await state(shop, twice) == ("delivered", 1250, 1250, [])
    assert await state(shop, odd) == ("expired", 0, 0, [])
    assert await state(shop, partly) == ("expired", 0, 400, [])
    assert await state(shop, late) == ("expired", 0, 1250, [])
    (closed,) = [e for e in await shop.db.read(orders.exceptions, late.order.order_id) if e.kind == "paid_late"]
    assert "the payment came too late" in (closed.reason or "")
    for txn in ("W3", "W4"):
        await pay(shop, late, txn=txn)
    await schedule.settle_refunds(shop)
    assert await state(shop, late) == ("expired", 0, 3750, [])


async def test_money_that_never_counted_takes_nothing_else_off_the_desk(shop: Shop, till: Till) -> None:
    placed = await buy(shop, method="alipay")
    await pay(shop, placed, txn="X1", method="wxpay")
    await pay(shop, placed, txn="P1", amount=400)
    odd, _ = await shop.db.read(payments.receipts, placed.order.order_id)
    await send(shop, placed, receipt_id=odd.receipt_id)
    assert await state(shop, placed) == ("pending", 400, 0, ["paid_partly"])


async def test_what_cannot_go_back_by_itself_waits_for_staff(shop: Shop) -> None:
    await add_product(shop, "steam", codes=5)
    await add_epay(shop)
    none, whole, able = (
        await add_till(shop, "t-none", refunds="none"),
        await add_till(shop, "t-whole", refunds="whole"),
        await add_till(shop),
    )
    await settings.change(shop, {"payments.on_overpaid": "refund", "payments.second_person_above": 100}, CLI)
    for name, surplus in (("t-none", 50), ("t-whole", 50), ("till", 101)):
        placed = await buy(shop, gateway=name)
        await pay(shop, placed, name=name, txn=f"T-{name}", amount=1250 + surplus)
        await schedule.settle_refunds(shop)
        assert await state(shop, placed) == ("delivered", 1250 + surplus, 0, ["paid_over"])
    assert none.asked == whole.asked == able.asked == []


@pytest.mark.parametrize(("codes", "ends"), [(1, ("delivered", 1250, 0, [])), (0, ("expired", 0, 1250, []))])
async def test_late_money_is_delivered_or_goes_back(shop: Shop, clock: TestClock, codes: int, ends: Any) -> None:
    await add_product(shop, "steam", codes=1)
    await add_till(shop)
    await settings.change(shop, {"orders.late_payment": "deliver_or_refund"}, CLI)
    placed = await buy(shop)
    clock.pass_time(minutes=16)
    await schedule.expire_orders(shop)
    if not codes:
        await pay(shop, await buy(shop), txn="T9")
    await pay(shop, placed)
    await schedule.settle_refunds(shop)
    assert await state(shop, placed) == ends


async def test_late_money_under_a_sealed_vault_is_said_to_wait(shop: Shop, till: Till, clock: TestClock) -> None:
    placed = await buy(shop)
    clock.pass_time(minutes=16)
    await schedule.expire_orders(shop)
    await vault.seal(shop, CLI)
    await pay(shop, placed)
    assert await state(shop, placed) == ("paid", 1250, 0, ["sealed"])
    (late,) = [e for e in await shop.db.read(orders.exceptions, placed.order.order_id) if e.kind == "paid_late"]
    assert "until the vault is unsealed" in (late.reason or "")
