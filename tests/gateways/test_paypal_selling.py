"""A shop in CNY sells through the simulated PayPal in USD, captures what was approved, survives its moods, and refunds."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kashop.flows import attempts, gateways, refunds
from kashop.lib.actor import CLI
from kashop.lib.errors import Invalid
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rules import AccountRules
from kashop.plugins.kit.simulators.paypal import PayPalSimulator
from kashop.plugins.kit.vendorwords import Payment
from tests.cast import BUYER, codes_of
from tests.gateways.streets import ACCOUNT, Street, street

OK, FAIL = (200, "ok"), (400, "fail")
IN_USD = AccountRules(currency="USD", rate="0.1401")


@pytest.fixture
async def paypal(data: Path) -> AsyncIterator[Street]:
    async with street(data, PayPalSimulator, IN_USD) as opened:
        vendor(opened).calls_back_about_captures = False
        yield opened


def vendor(paypal: Street) -> PayPalSimulator:
    assert isinstance(paypal.vendor, PayPalSimulator)
    return paypal.vendor


async def payment(paypal: Street, placed: object) -> Payment:
    return paypal.vendor.find((await paypal.attempt(placed)).attempt_no)  # type: ignore[arg-type]


async def knowing(paypal: Street) -> None:
    """The first callback ever is refused: it teaches the certificate, and PayPal repeats it."""
    placed = await paypal.buy()
    assert await paypal.pay(placed) == [FAIL]
    async with asyncio.timeout(60):
        while await paypal.pay(placed) != [OK]:  # noqa: ASYNC110  # as the vendor repeats it
            await asyncio.sleep(0.02)
    assert await paypal.status(placed) == "delivered"


async def test_it_sells_in_another_currency_and_captures_once(paypal: Street) -> None:
    await knowing(paypal)
    placed = await paypal.buy()
    attempt = await paypal.attempt(placed)
    assert (attempt.kind, attempt.currency, attempt.amount_minor, attempt.due_minor) == ("redirect", "USD", 176, 1250)
    assert await paypal.pay(placed, times=5, parallel=True) == [OK] * 5
    assert await paypal.status(placed) == "delivered"
    assert len(await codes_of(paypal.shop, placed)) == 1
    (receipt,) = await paypal.shop.db.read(payments.receipts, placed.order.order_id)
    assert (receipt.currency, receipt.amount_minor, receipt.counted_minor) == ("USD", 176, 1250)
    captured = [path for _, path in paypal.vendor.asked if path == f"/v2/checkout/orders/{attempt.gateway_ref}/capture"]
    assert len(captured) == 1


async def test_a_buyer_who_never_comes_back_and_a_lost_callback(paypal: Street) -> None:
    placed = await paypal.buy()
    assert await paypal.query(placed) == "pending"
    assert await paypal.pay(placed, lose=True) == []
    assert await paypal.query(placed) == "paid"
    assert await paypal.status(placed) == "delivered"


async def test_what_is_forged_changes_nothing(paypal: Street) -> None:
    await knowing(paypal)
    placed = await paypal.buy()
    for forge in ("signature", "key", "merchant", "amount"):
        assert await paypal.pay(placed, forge=forge) == [FAIL]
    assert await paypal.pay(placed, state="closed") == [OK]
    assert await paypal.status(placed) == "pending"
    assert await paypal.query(placed) == "closed"
    assert not [path for _, path in paypal.vendor.asked if path.endswith("capture")][1:], "one, of the order before"


async def test_a_pending_capture_delivers_when_it_is_completed(paypal: Street) -> None:
    await knowing(paypal)
    vendor(paypal).capture_state = "PENDING"
    placed = await paypal.buy()
    assert await paypal.pay(placed) == [OK]
    assert await paypal.status(placed) == "pending"
    (await payment(paypal, placed)).request["captured"] = "COMPLETED"
    assert await paypal.pay(placed) == [OK]
    assert await paypal.status(placed) == "delivered"


async def test_half_is_not_enough_and_more_is_delivered_once(paypal: Street) -> None:
    half, double = await paypal.buy(), await paypal.buy()
    for placed, amount in ((half, "0.88"), (double, "3.52")):
        await paypal.pay(placed, amount=amount, lose=True)
        assert await paypal.query(placed) == "paid"
    assert [await paypal.status(placed) for placed in (half, double)] == ["pending", "delivered"]
    for placed, kind in ((half, "paid_partly"), (double, "paid_over")):
        assert [e.kind for e in await paypal.shop.db.read(orders.open_exceptions, placed.order.order_id)] == [kind]


async def test_a_paypal_that_breaks_leaves_the_order_open_for_another_try(paypal: Street) -> None:
    for mood in ("error", "html", "cuts"):
        paypal.vendor.mood(mood)
        placed = await paypal.buy()
        broken = await paypal.attempt(placed)
        assert (broken.kind, bool(broken.problem)) == ("", True)
        assert await paypal.query(placed) == "unknown"
        paypal.vendor.mood("answers")
        await attempts.change(paypal.shop, placed.order, gateway=ACCOUNT, method="paypal", actor=BUYER)
        await paypal.pay(placed, lose=True)
        assert await paypal.query(placed) == "paid"
        assert await paypal.status(placed) == "delivered"


async def test_a_capture_that_paypal_will_not_answer_is_taken_up_again(paypal: Street) -> None:
    await knowing(paypal)
    placed = await paypal.buy()
    paypal.vendor.mood("cuts", "/v2/checkout/orders/")
    assert await paypal.pay(placed) == [OK], "heard; it is asked by schedule"
    assert await paypal.status(placed) == "pending"
    paypal.vendor.mood("answers", "/v2/checkout/orders/")
    assert await paypal.query(placed) == "paid"
    assert await paypal.status(placed) == "delivered"


async def test_it_refunds_in_parts_and_hears_what_paypal_says_of_them(paypal: Street) -> None:
    await knowing(paypal)
    placed = await paypal.buy()
    await paypal.pay(placed)
    number = placed.order.order_no
    part = await refunds.refund(paypal.shop, number, refunds.Wish(amount_minor=76, reason="a part"), CLI)
    vendor(paypal).refund_state = "pending"
    rest = await refunds.refund(paypal.shop, number, refunds.Wish(reason="the rest"), CLI)
    assert isinstance(part, refunds.Refund)
    assert isinstance(rest, refunds.Refund)
    assert (part.status, part.amount_minor, part.currency) == ("done", 76, "USD")
    assert (rest.status, rest.amount_minor) == ("open", 100)
    paid = await payment(paypal, placed)
    assert [(r.amount, r.state) for r in paid.refunds] == [("0.76", "done"), ("1.00", "pending")]
    paid.refunds[1].state = "done"
    told = vendor(paypal).refund_object(paid, paid.refunds[1])
    assert await asyncio.to_thread(vendor(paypal).announce, paid, "PAYMENT.CAPTURE.REFUNDED", told) == 200
    assert await paypal.status(placed) == "refunded"


async def test_a_dispute_is_put_on_the_desk(paypal: Street) -> None:
    await knowing(paypal)
    placed = await paypal.buy()
    await paypal.pay(placed)
    assert await asyncio.to_thread(vendor(paypal).dispute, (await payment(paypal, placed)).attempt_no) == 200
    assert [e.kind for e in await paypal.shop.db.read(orders.open_exceptions, placed.order.order_id)] == ["disputed"]
    assert await paypal.status(placed) == "delivered"


async def test_the_account_tests_well(paypal: Street) -> None:
    await paypal.buy()  # the simulated merchant's webhook is where his shop is
    findings = await gateways.test(paypal.shop, ACCOUNT)
    assert len(findings) == 5
    assert all(f.is_ok for f in findings), findings


async def test_paypal_is_not_offered_in_a_currency_that_it_does_not_take(data: Path) -> None:
    async with street(data, PayPalSimulator) as opened:
        with pytest.raises(Invalid) as caught:
            await opened.buy()
        assert [e.field for e in caught.value.fields] == ["gateway"]
