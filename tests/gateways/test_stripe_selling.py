"""A shop in CNY sells through the simulated Stripe in USD, survives its moods, and refunds."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from kashop.flows import attempts, gateways, refunds
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rules import AccountRules
from kashop.plugins.kit.simulators.stripe import StripeSimulator
from tests.cast import BUYER, codes_of
from tests.gateways.streets import ACCOUNT, Street, street

OK, FAIL = (200, "ok"), (400, "fail")
IN_USD = AccountRules(currency="USD", rate="0.1401")


@pytest.fixture
async def stripe(data: Path) -> AsyncIterator[Street]:
    async with street(data, StripeSimulator, IN_USD) as opened:
        yield opened


def vendor(stripe: Street) -> StripeSimulator:
    assert isinstance(stripe.vendor, StripeSimulator)
    return stripe.vendor


async def test_it_sells_in_another_currency(stripe: Street) -> None:
    placed = await stripe.buy()
    attempt = await stripe.attempt(placed)
    assert (attempt.kind, attempt.currency, attempt.amount_minor, attempt.due_minor) == ("redirect", "USD", 176, 1250)
    assert await stripe.pay(placed, times=3, parallel=True) == [OK] * 3
    assert await stripe.status(placed) == "delivered"
    assert len(await codes_of(stripe.shop, placed)) == 1
    (receipt,) = await stripe.shop.db.read(payments.receipts, placed.order.order_id)
    assert (receipt.currency, receipt.amount_minor, receipt.counted_minor) == ("USD", 176, 1250)


async def test_what_is_forged_changes_nothing_and_what_was_lost_is_found(stripe: Street) -> None:
    placed = await stripe.buy()
    for forge in ("signature", "key", "merchant", "amount"):
        assert await stripe.pay(placed, forge=forge) == [FAIL]
    assert await stripe.query(placed) == "pending"
    assert await stripe.pay(placed, lose=True) == []
    assert await stripe.query(placed) == "paid"
    assert await stripe.status(placed) == "delivered"
    assert await stripe.pay(placed) == [OK], "late, and settled already"


async def test_half_is_not_enough_and_more_is_delivered_once(stripe: Street) -> None:
    half, double = await stripe.buy(), await stripe.buy()
    assert await stripe.pay(half, amount="88") == [OK]
    assert await stripe.pay(double, amount="352") == [OK]
    assert [await stripe.status(placed) for placed in (half, double)] == ["pending", "delivered"]
    for placed, kind in ((half, "paid_partly"), (double, "paid_over")):
        assert [e.kind for e in await stripe.shop.db.read(orders.open_exceptions, placed.order.order_id)] == [kind]


async def test_a_stripe_that_breaks_leaves_the_order_open_for_another_try(stripe: Street) -> None:
    for mood in ("error", "html", "cuts"):
        stripe.vendor.mood(mood)
        placed = await stripe.buy()
        broken = await stripe.attempt(placed)
        assert (broken.kind, bool(broken.problem)) == ("", True)
        assert await stripe.query(placed) == "unknown"
        stripe.vendor.mood("answers")
        await attempts.change(stripe.shop, placed.order, gateway=ACCOUNT, method="card", actor=BUYER)
        assert await stripe.pay(placed) == [OK]
        assert await stripe.status(placed) == "delivered"


async def test_it_refunds_in_parts_and_hears_what_stripe_says_of_them(stripe: Street) -> None:
    placed = await stripe.buy()
    await stripe.pay(placed)
    number = placed.order.order_no
    part = await refunds.refund(stripe.shop, number, refunds.Wish(amount_minor=76, reason="a part"), CLI)
    vendor(stripe).refund_state = "pending"
    rest = await refunds.refund(stripe.shop, number, refunds.Wish(reason="the rest"), CLI)
    assert isinstance(part, refunds.Refund)
    assert isinstance(rest, refunds.Refund)
    assert (part.status, part.amount_minor, part.currency) == ("done", 76, "USD")
    assert (rest.status, rest.amount_minor) == ("open", 100)
    payment = stripe.vendor.find((await stripe.attempt(placed)).attempt_no)
    assert [(r.amount, r.state) for r in payment.refunds] == [("76", "done"), ("100", "pending")]
    payment.refunds[1].state = "done"
    answer = await asyncio.to_thread(vendor(stripe).tell_refund, payment, payment.refunds[1], "refund.updated")
    assert answer == 200
    assert await stripe.status(placed) == "refunded"


async def test_what_the_merchant_does_in_the_dashboard_and_the_buyer_at_his_bank(stripe: Street) -> None:
    placed = await stripe.buy()
    await stripe.pay(placed)
    payment = stripe.vendor.find((await stripe.attempt(placed)).attempt_no)
    outside = vendor(stripe).refund_outside(payment.attempt_no, "50")
    assert await asyncio.to_thread(vendor(stripe).tell_refund, payment, outside) == 200
    assert await asyncio.to_thread(vendor(stripe).dispute, payment.attempt_no) == 200
    kinds = {e.kind for e in await stripe.shop.db.read(orders.open_exceptions, placed.order.order_id)}
    assert "disputed" in kinds
    assert await stripe.status(placed) == "refunded"


async def test_another_use_of_the_same_stripe_account_is_none_of_ours(stripe: Street) -> None:
    placed = await stripe.buy()
    payment = stripe.vendor.find((await stripe.attempt(placed)).attempt_no)
    foreign = {**vendor(stripe).session(payment), "payment_status": "paid", "payment_intent": "pi_9", "metadata": {}}
    told = vendor(stripe).event(payment, "checkout.session.completed", foreign)
    async with httpx.AsyncClient() as client:
        answer = await client.post(told.url, content=told.body, headers=dict(told.headers))
    assert (answer.status_code, answer.text) == OK
    assert await stripe.status(placed) == "pending"


async def test_the_account_tests_well(stripe: Street) -> None:
    await stripe.buy()  # the simulated merchant's endpoint is where his shop is
    findings = await gateways.test(stripe.shop, ACCOUNT)
    assert len(findings) == 5
    assert all(f.is_ok for f in findings), findings


async def test_a_webhook_secret_that_was_changed_sells_no_more(stripe: Street) -> None:
    placed = await stripe.buy()
    await gateways.configure(stripe.shop, ACCOUNT, type="stripe", options={"webhook_secret": "whsec_anotherOne"}, actor=CLI)
    assert await stripe.pay(placed) == [FAIL]
    assert await stripe.status(placed) == "pending"
    assert await stripe.query(placed) == "paid", "asking needs no webhook"
