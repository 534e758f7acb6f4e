"""Money goes back: once, never more than came, never repeated blindly, and what was sold stays sold."""

import asyncio
from typing import Any

import pytest

from kashop.accounts import writes as accounts
from kashop.flows import checkout, confirm, deliver, refunds, second_person, settings, vault
from kashop.flows.codes import Asked
from kashop.flows.refunds import Wish
from kashop.jobs import schedule
from kashop.lib.actor import CLI, SYSTEM, Actor
from kashop.lib.errors import Conflict, Denied, Invalid, Refusal
from kashop.payments import reads as payments
from kashop.payments.refunding import writes
from kashop.payments.rows import Refund
from kashop.payments.types import GatewayFailed
from kashop.shop import Shop
from tests.cast import TestClock, add_product, codes_of
from tests.flows.till import Till, add_till, buy, free, pay, send, sold, state


@pytest.fixture
async def till(shop: Shop) -> Till:
    await add_product(shop, "steam", codes=5)
    return await add_till(shop)


async def test_all_of_it_goes_back_and_the_order_is_refunded(shop: Shop, till: Till) -> None:
    placed = await sold(shop)
    shown = await codes_of(shop, placed)
    sent = await send(shop, placed)
    assert (sent.status, sent.amount_minor, sent.counted_minor, sent.way) == ("done", 1250, 1250, "gateway")
    (ask,) = till.asked
    assert (ask.refund_no, ask.gateway_txn, ask.captured_minor, ask.refunded_minor) == (sent.refund_no, "T1", 1250, 0)
    assert (ask.amount_minor, ask.currency, ask.payment.attempt_no) == (1250, "CNY", placed.attempt.attempt_no)  # type: ignore[union-attr]
    assert await state(shop, placed) == ("refunded", 0, 1250, [])
    assert await free(shop) == 4, "what was sold does not come back"
    with pytest.raises(Conflict):
        await codes_of(shop, placed)
    assert shown


async def test_parts_go_back_and_the_gateway_hears_what_went_before(shop: Shop, till: Till) -> None:
    placed = await sold(shop)
    await send(shop, placed, 300)
    assert await state(shop, placed) == ("refunded", 950, 300, [])
    assert len(await codes_of(shop, placed)) == 1, "part of the price is still his"
    await send(shop, placed, 400)
    with pytest.raises(Invalid) as refused:
        await send(shop, placed, 551)
    assert refused.value.fields[0].field == "amount"
    await send(shop, placed)
    assert [(a.refunded_minor, a.amount_minor) for a in till.asked] == [(0, 300), (300, 400), (700, 550)]
    assert await state(shop, placed) == ("refunded", 0, 1250, [])
    with pytest.raises(Refusal):
        await send(shop, placed)


@pytest.mark.parametrize("unclear", ["no answer", "pending"])
async def test_what_is_not_clear_is_queried_and_never_repeated(shop: Shop, till: Till, clock: TestClock, unclear: str) -> None:
    placed = await sold(shop)
    till.says = GatewayFailed("time-out", is_unclear=True) if unclear == "no answer" else "pending"
    sent = await send(shop, placed)
    assert sent.status == "open"
    assert await state(shop, placed) == ("delivered", 1250, 0, [])
    till.knows = "pending"
    for _ in range(6):
        clock.pass_time(minutes=20)
        assert await schedule.settle_refunds(shop) == 1
        assert await schedule.settle_refunds(shop) == 0, "it has its back-off"
    till.knows = "done"
    clock.pass_time(hours=2)
    await schedule.settle_refunds(shop)
    assert len(till.asked) == 1
    assert till.queried == [sent.refund_no] * 7
    assert await state(shop, placed) == ("refunded", 0, 1250, [])
    clock.pass_time(hours=30)
    assert await schedule.settle_refunds(shop) == 0


async def test_what_the_vendor_knows_nothing_of_is_asked_again_with_its_number(shop: Shop, till: Till, clock: TestClock) -> None:
    placed = await sold(shop)
    till.says = GatewayFailed("time-out", is_unclear=True)
    sent = await send(shop, placed)
    till.says = "done"
    clock.pass_time(minutes=1)
    await schedule.settle_refunds(shop)
    assert [a.refund_no for a in till.asked] == [sent.refund_no] * 2
    assert till.queried == [sent.refund_no]
    assert await state(shop, placed) == ("refunded", 0, 1250, [])


async def test_one_whose_process_died_before_asking_is_sent_by_the_job(shop: Shop, till: Till, monkeypatch: Any) -> None:
    placed = await sold(shop)
    monkeypatch.setattr(refunds, "go_on", _dies)
    with pytest.raises(SystemError):
        await send(shop, placed)
    monkeypatch.undo()
    assert till.asked == []
    assert await schedule.settle_refunds(shop) == 1
    assert await state(shop, placed) == ("refunded", 0, 1250, [])
    assert (len(till.asked), till.queried) == (1, [])


async def _dies(*_given: Any) -> None:
    raise SystemError


@pytest.mark.parametrize("failing", ["failed", GatewayFailed("balance too low")])
async def test_a_refused_one_is_on_the_desk_and_a_later_one_takes_it_off(shop: Shop, till: Till, failing: Any) -> None:
    placed = await sold(shop)
    till.says = failing
    sent = await send(shop, placed)
    assert (sent.status, sent.problem) == ("failed", "balance too low")
    assert await state(shop, placed) == ("delivered", 1250, 0, ["refund_failed"])
    till.says = "done"
    again = await send(shop, placed)
    assert again.refund_no != sent.refund_no
    assert await state(shop, placed) == ("refunded", 0, 1250, [])


async def test_an_open_one_that_nobody_can_tell_of_is_on_the_desk_after_a_day(shop: Shop, till: Till, clock: TestClock) -> None:
    placed = await sold(shop)
    till.says = till.knows = GatewayFailed("time-out", is_unclear=True)
    await send(shop, placed)
    clock.pass_time(hours=25)
    await schedule.settle_refunds(shop)
    assert (await state(shop, placed))[3] == ["gateway_unclear"]
    till.knows = "done"
    clock.pass_time(hours=7)
    await schedule.settle_refunds(shop)
    assert await state(shop, placed) == ("refunded", 0, 1250, [])


async def test_recorded_ones_need_their_reference_and_no_gateway(shop: Shop) -> None:
    await add_product(shop, "steam", codes=5)
    till = await add_till(shop, refunds="none")
    placed = await sold(shop)
    with pytest.raises(Invalid) as unable:
        await send(shop, placed)
    assert unable.value.fields[0].field == "way"
    with pytest.raises(Invalid) as silent:
        await send(shop, placed, is_recorded=True)
    assert silent.value.fields[0].field == "reference"
    sent = await send(shop, placed, is_recorded=True, reference="bank transfer 77")
    assert (sent.status, sent.way, sent.reference) == ("done", "recorded", "bank transfer 77")
    assert await state(shop, placed) == ("refunded", 0, 1250, [])
    assert till.asked == []


async def test_a_gateway_that_refunds_whole_payments_is_asked_for_nothing_else(shop: Shop) -> None:
    await add_product(shop, "steam", codes=5)
    till = await add_till(shop, refunds="whole")
    placed = await sold(shop)
    with pytest.raises(Invalid):
        await send(shop, placed, 500)
    await send(shop, placed)
    assert [a.amount_minor for a in till.asked] == [1250]


async def test_a_surplus_goes_back_and_the_order_stays(shop: Shop, till: Till) -> None:
    placed = await buy(shop)
    await pay(shop, placed, amount=1300)
    assert await state(shop, placed) == ("delivered", 1300, 0, ["paid_over"])
    await send(shop, placed, 50)
    assert await state(shop, placed) == ("delivered", 1250, 50, [])
    await pay(shop, placed, txn="T2")
    with pytest.raises(Invalid, match="several times"):
        await send(shop, placed)  # which of the two?
    receipts = await shop.db.read(payments.receipts, placed.order.order_id)
    await send(shop, placed, receipt_id=receipts[1].receipt_id)
    assert await state(shop, placed) == ("delivered", 1250, 1300, [])


RACERS = 12


async def race(shop: Shop, placed: checkout.Placed) -> int:
    """Many ask for the whole at one moment; how many were let."""
    answers = await asyncio.gather(*(send(shop, placed, 1250) for _ in range(RACERS)), return_exceptions=True)
    assert all(isinstance(a, Refund | Invalid) for a in answers), answers
    return sum(isinstance(a, Refund) for a in answers)


async def test_many_who_ask_at_once_get_the_money_back_once(shop: Shop, till: Till) -> None:
    placed = await sold(shop)
    assert await race(shop, placed) == 1
    assert len(till.asked) == 1
    assert await state(shop, placed) == ("refunded", 0, 1250, [])


async def test_control_without_the_guard_in_the_writer(shop: Shop, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = await sold(shop)
    monkeypatch.setattr(writes, "refuse_more_than_rest", lambda *_given: None)
    assert await race(shop, placed) > 1
    assert len(till.asked) > 1, "money went back twice"


async def test_what_is_on_its_way_back_is_not_handed_over(shop: Shop, till: Till, clock: TestClock) -> None:
    await vault.seal(shop, CLI)
    placed = await sold(shop)
    assert await state(shop, placed) == ("paid", 1250, 0, ["sealed"])
    assert await free(shop) == 4
    till.says = "pending"
    await send(shop, placed)
    await vault.open_with(shop, vault.Given(), CLI)
    clock.pass_time(minutes=5)
    await deliver.sweep(shop, older_than=0)
    assert (await state(shop, placed))[:2] == ("paid", 1250)
    till.knows = "done"
    await schedule.settle_refunds(shop)
    assert await state(shop, placed) == ("refunded", 0, 1250, [])
    assert await free(shop) == 5, "what was held is for sale again"
    await deliver.sweep(shop, older_than=0)
    assert await free(shop) == 5


async def test_one_that_fails_lets_the_order_go_on(shop: Shop, till: Till, clock: TestClock) -> None:
    await vault.seal(shop, CLI)
    placed = await sold(shop)
    till.says = "pending"
    await send(shop, placed)
    await vault.open_with(shop, vault.Given(), CLI)
    till.knows = "failed"
    clock.pass_time(minutes=5)
    await schedule.settle_refunds(shop)
    await deliver.sweep(shop, older_than=0)
    assert await state(shop, placed) == ("delivered", 1250, 0, ["refund_failed"])


async def test_late_money_that_went_back_pays_for_nothing(shop: Shop, till: Till, clock: TestClock) -> None:
    await settings.change(shop, {"orders.late_payment": "hold"}, CLI)
    placed = await buy(shop)
    clock.pass_time(minutes=16)
    await checkout.expire(shop, placed.order.order_id, SYSTEM)
    await pay(shop, placed)
    assert await state(shop, placed) == ("expired", 1250, 0, ["paid_late"])
    await send(shop, placed)
    assert await state(shop, placed) == ("expired", 0, 1250, [])
    assert await confirm.confirm(shop, placed.order.order_no, reference="B1", note="paid again", actor=CLI) == "delivered"
    assert (await state(shop, placed))[1] == 1250


async def test_a_pending_order_is_paid_when_what_was_to_go_back_stays(shop: Shop, till: Till, clock: TestClock) -> None:
    placed = await buy(shop)
    await pay(shop, placed, amount=500)
    till.says = "pending"
    await send(shop, placed)
    await pay(shop, placed, txn="T2", amount=750)
    assert (await state(shop, placed))[0] == "pending"
    till.knows = "failed"
    clock.pass_time(minutes=5)
    await schedule.settle_refunds(shop)
    assert await state(shop, placed) == ("delivered", 1250, 0, ["refund_failed"])


# --- the second person ---------------------------------------------------------------------------------------------------


async def member(shop: Shop, email: str, role: str) -> Actor:
    staff_id = await shop.db.write(accounts.add_staff, email, role, "!", CLI)
    return Actor("staff", str(staff_id))


async def test_above_the_bound_a_second_person_approves_exactly_that(shop: Shop, till: Till) -> None:
    await settings.change(shop, {"payments.second_person_above": 1000}, CLI)
    finance, manager = await member(shop, "f@example.com", "finance"), await member(shop, "m@example.com", "manager")
    support = await member(shop, "s@example.com", "support")
    placed = await sold(shop)
    no = placed.order.order_no
    with pytest.raises(Denied):
        await refunds.refund(shop, no, Wish(amount_minor=10, reason="x"), support)
    assert isinstance(await refunds.refund(shop, no, Wish(amount_minor=600, reason="part"), finance), Refund)
    asked = await refunds.refund(shop, no, Wish(reason="the rest"), finance)
    assert isinstance(asked, Asked), "many small ones are one large one"
    with pytest.raises(Conflict):
        await refunds.refund_approved(shop, asked.approval_id, finance)
    with pytest.raises(Denied):
        await shop.db.write(second_person.decide, asked.approval_id, finance, is_approved=True, note="")
    await shop.db.write(second_person.decide, asked.approval_id, manager, is_approved=True, note="")
    sent = await refunds.refund_approved(shop, asked.approval_id, finance)
    assert (sent.status, sent.amount_minor, sent.approval_id, sent.reason) == ("done", 650, asked.approval_id, "the rest")
    with pytest.raises(Conflict):
        await refunds.refund_approved(shop, asked.approval_id, finance)
    assert await state(shop, placed) == ("refunded", 0, 1250, [])


async def test_what_was_approved_is_not_spent_when_less_is_left(shop: Shop, till: Till) -> None:
    finance, manager = await member(shop, "f@example.com", "finance"), await member(shop, "m@example.com", "manager")
    placed = await sold(shop)
    await settings.change(shop, {"payments.second_person_above": 100}, CLI)
    asked = await refunds.refund(shop, placed.order.order_no, Wish(reason="all"), finance)
    assert isinstance(asked, Asked)
    await shop.db.write(second_person.decide, asked.approval_id, manager, is_approved=True, note="")
    await settings.change(shop, {"payments.second_person_above": 0}, CLI)
    await send(shop, placed, 50)
    with pytest.raises(Conflict):
        await refunds.refund_approved(shop, asked.approval_id, finance)
    assert (await state(shop, placed))[2] == 50
