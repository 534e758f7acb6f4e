"""Stripe and PayPal in the time of a clock that is set: vendors that never call back, attempts that nobody is to pay any more."""

import asyncio
from collections.abc import Iterator

import pytest

from kashop.flows import attempts, checkout, gateways
from kashop.flows.checkout import Placed
from kashop.jobs import schedule
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rules import AccountRules
from kashop.plugins.kit.simulator import Simulator
from kashop.plugins.kit.simulators.paypal import PayPalSimulator
from kashop.plugins.kit.simulators.stripe import StripeSimulator
from kashop.plugins.kit.vendorwords import Payment
from kashop.shop import Shop
from tests.cast import BUYER, TestClock, add_epay, add_product, order

IN_USD = AccountRules(currency="USD", rate="0.1401")


@pytest.fixture(params=[StripeSimulator, PayPalSimulator], ids=["stripe", "paypal"])
def vendor(request: pytest.FixtureRequest, clock: TestClock) -> Iterator[Simulator]:
    kind: type[Simulator] = request.param
    with kind() as server:
        server.clock = lambda: clock.ms / 1000
        if isinstance(server, PayPalSimulator):
            server.calls_back_about_captures = False
        yield server


async def bought(shop: Shop, vendor: Simulator) -> Placed:
    """An order that is begun at the vendor; there is another gateway too."""
    await gateways.configure(shop, "abroad", type=vendor.gateway_type, options=vendor.options(), actor=CLI, rules=IN_USD)
    await add_epay(shop)
    await add_product(shop, "steam", codes=3)
    return await order(shop, "steam", gateway="abroad", method=vendor.method)


def payment(vendor: Simulator, placed: Placed) -> Payment:
    assert placed.attempt is not None
    return vendor.find(placed.attempt.attempt_no)


async def pay(vendor: Simulator, placed: Placed) -> None:
    """The buyer pays, or approves, and nobody hears of it."""
    await asyncio.to_thread(vendor.pay, payment(vendor, placed).attempt_no, lose=True)


async def rounds(shop: Shop, clock: TestClock, seconds: int) -> str:
    """Let the schedule run for so long; the order's state at its end."""
    for _round in range(seconds // 10):
        clock.pass_time(seconds=10)
        for job in (schedule.query_attempts, schedule.expire_orders, schedule.close_attempts):
            await job(shop)
    return (await shop.db.read(lambda db: db.values("SELECT status FROM orders")))[0]


@pytest.mark.parametrize("paid_after", [0, 300, 880])
async def test_a_payment_without_a_callback_is_found_within_two_minutes(
    shop: Shop, clock: TestClock, vendor: Simulator, paid_after: int
) -> None:
    placed = await bought(shop, vendor)
    await rounds(shop, clock, paid_after)
    await pay(vendor, placed)
    assert await rounds(shop, clock, 120) == "delivered"


async def test_an_order_that_expires_closes_its_attempt(shop: Shop, clock: TestClock, vendor: Simulator) -> None:
    placed = await bought(shop, vendor)
    assert await rounds(shop, clock, 1000) == "expired"
    if isinstance(vendor, StripeSimulator):
        assert payment(vendor, placed).state == "closed"
        return
    await pay(vendor, placed)  # the page is still open, and he approves
    assert await rounds(shop, clock, 7200) == "expired"
    assert not [path for _, path in vendor.asked if path.endswith("/capture")], "his money stays his"


async def test_who_changes_his_mind_is_not_charged_twice(shop: Shop, clock: TestClock, vendor: Simulator) -> None:
    placed = await bought(shop, vendor)
    await attempts.change(shop, placed.order, gateway="epay-main", method="alipay", actor=BUYER)
    await rounds(shop, clock, 30)
    if isinstance(vendor, StripeSimulator):
        assert payment(vendor, placed).state == "closed"
        return
    await pay(vendor, placed)
    await rounds(shop, clock, 300)
    assert not [path for _, path in vendor.asked if path.endswith("/capture")]
    assert not await shop.db.read(payments.receipts, placed.order.order_id)


async def test_who_cancels_is_not_charged(shop: Shop, clock: TestClock, vendor: Simulator) -> None:
    placed = await bought(shop, vendor)
    await checkout.cancel(shop, placed.order, BUYER)
    await rounds(shop, clock, 30)
    if isinstance(vendor, StripeSimulator):
        assert payment(vendor, placed).state == "closed"
    else:
        await pay(vendor, placed)
    assert await rounds(shop, clock, 7200) == "cancelled"
    assert not await shop.db.read(payments.receipts, placed.order.order_id)


async def test_closing_what_was_paid_unheard_finds_the_money(shop: Shop, clock: TestClock, vendor: Simulator) -> None:
    placed = await bought(shop, vendor)
    await pay(vendor, placed)
    await attempts.change(shop, placed.order, gateway="epay-main", method="alipay", actor=BUYER)
    for _again in range(3):
        await schedule.close_attempts(shop)
        clock.pass_time(seconds=30)
    known = await shop.db.read(orders.get, placed.order.order_id)
    if isinstance(vendor, StripeSimulator):
        assert known.status == "delivered", "the money was Stripe's to take, and it is counted"
    else:
        assert known.status == "pending", "he approved, and nothing was taken"
        assert not [path for _, path in vendor.asked if path.endswith("/capture")]
