"""What is broken holds up nothing but itself: a gateway whose plugin refuses the stored options, an order that breaks a rule."""

import pytest

from kashop.db import Tx
from kashop.flows import checkout, gateways
from kashop.inventory import reads as inventory
from kashop.jobs import schedule
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.shop import Shop
from tests import beside
from tests.cast import BUYER, TestClock, add_epay, add_product, call_back, codes_of, epay_notice, order


@pytest.fixture(autouse=True)
async def stocked(shop: Shop) -> None:
    await add_epay(shop)
    await add_epay(shop, "epay-other")
    await add_product(shop, "steam-50", codes=5)


def break_main(tx: Tx) -> None:
    """As an update of the plugin does that asks for more."""
    tx.run("UPDATE gateways SET options = '{}', version = version + 1 WHERE name = 'epay-main'")


async def test_its_orders_expire_and_can_be_cancelled(shop: Shop, clock: TestClock) -> None:
    late, unwanted = await order(shop, "steam-50"), await order(shop, "steam-50")
    await shop.db.write(break_main)
    await checkout.cancel(shop, unwanted.order, BUYER)
    clock.pass_time(minutes=20)
    assert await schedule.query_attempts(shop) > 0
    assert await schedule.expire_orders(shop) == 1
    assert (await shop.db.read(orders.get, late.order.order_id)).status == "expired"
    assert (await shop.db.read(inventory.counts))[0].free == 5


async def test_a_new_order_goes_to_another_account_of_the_same_way(shop: Shop) -> None:
    await shop.db.write(break_main)
    placed = await order(shop, "steam-50")
    assert placed.attempt is not None
    tried = [(a.status, a.method) for a in await shop.db.read(payments.attempts, placed.order.order_id)]
    assert tried == [("failed", "alipay"), ("open", "alipay")]
    assert placed.attempt.status == "open"


async def test_a_new_order_stays_open_when_no_other_can_take_it(shop: Shop) -> None:
    await shop.db.write(break_main)
    await gateways.set_enabled(shop, "epay-other", False, CLI)
    placed = await order(shop, "steam-50")
    assert placed.attempt is not None
    assert (placed.attempt.status, placed.order.status) == ("failed", "pending")


async def test_its_unread_callbacks_hold_up_no_other(shop: Shop, clock: TestClock) -> None:
    other = await order(shop, "steam-50", gateway="epay-other")
    await shop.db.write(break_main)
    assert (await call_back(shop, b"pid=1")).status == 400
    await call_back(shop, epay_notice(other), account="epay-other")
    await shop.db.write(lambda tx: tx.run("UPDATE callbacks SET verdict = 'new'"))
    clock.pass_time(minutes=1)
    assert await schedule.read_callbacks(shop) == 2
    assert await codes_of(shop, other)


async def test_it_can_be_switched_off(shop: Shop) -> None:
    await shop.db.write(break_main)
    await gateways.set_enabled(shop, "epay-main", False, CLI)
    account = await shop.db.read(payments.find_gateway, "epay-main")
    assert account is not None
    assert not account.is_enabled


async def test_a_job_finishes_what_it_can_and_then_tells_what_broke(shop: Shop, clock: TestClock) -> None:
    broken, sound = await order(shop, "steam-50"), await order(shop, "steam-50")
    # a count that does not fit what is held: releasing it breaks a rule of the table
    await shop.db.write(lambda tx: tx.run("UPDATE stock_counts SET held = 1"))
    clock.pass_time(minutes=20)
    with pytest.raises(Exception, match=r"(?i)check"):
        await schedule.expire_orders(shop)
    states = {(await shop.db.read(orders.get, p.order.order_id)).status for p in (broken, sound)}
    assert states == {"pending", "expired"}


def pay_both(tx: Tx) -> None:
    tx.run("UPDATE orders SET status = 'paid', paid_at = 1, paid_minor = total_minor")


async def test_an_order_that_cannot_be_delivered_holds_up_no_other(shop: Shop) -> None:
    placed = [await order(shop, "steam-50") for _ in range(2)]
    await shop.db.write(pay_both)
    first = beside.value(shop.config.place, "SELECT MIN(line_id) FROM order_lines")
    beside.poison(shop.config.place, "order_lines", only=f"OLD.line_id = {first}")
    with pytest.raises(Exception, match="poisoned"):
        await schedule.sweep_undelivered(shop)
    assert [(await shop.db.read(orders.get, p.order.order_id)).status for p in placed] == ["paid", "delivered"]
