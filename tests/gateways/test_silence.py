"""A gateway that never calls back, and one that is down: payments are found all the same, in the time of a clock that is set."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from kashop.flows import gateways
from kashop.jobs import schedule
from kashop.lib.actor import CLI
from kashop.lib.clock import MINUTE, SECOND
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rules import next_query
from kashop.plugins.kit.simulators.epay import EpaySimulator
from kashop.shop import Shop
from tests.cast import EPAY, TestClock, add_product, order

ROUND = 10
"""Seconds between two rounds of the schedule."""


@pytest.fixture
def epay() -> Iterator[EpaySimulator]:
    with EpaySimulator(pid=EPAY["pid"], key=EPAY["key"]) as simulator:
        yield simulator


async def rounds(shop: Shop, clock: TestClock, *, seconds: int, until: str = "") -> int:
    """Let the schedule run for so long, or until every order is so; the seconds that passed."""
    for passed in range(ROUND, seconds + 1, ROUND):
        clock.pass_time(seconds=ROUND)
        await schedule.query_attempts(shop)
        await schedule.expire_orders(shop)
        if until and set(await shop.db.read(lambda db: db.values("SELECT status FROM orders"))) == {until}:
            return passed
    return seconds


@pytest.mark.parametrize("paid_after", [0, 30, 170, 390, 610, 830, 890])
async def test_a_payment_without_a_callback_is_delivered_within_two_minutes(
    shop: Shop, clock: TestClock, epay: EpaySimulator, paid_after: int
) -> None:
    await add_product(shop, "steam", codes=3)
    await gateways.configure(shop, "epay-main", type="epay", options={**EPAY, "url": epay.url, "mode": "api"}, actor=CLI)
    placed = await order(shop, "steam")
    assert placed.attempt is not None
    attempt_no = placed.attempt.attempt_no
    await rounds(shop, clock, seconds=paid_after)
    assert await asyncio.to_thread(epay.pay, attempt_no, lose=True) == []
    assert await rounds(shop, clock, seconds=600, until="delivered") <= 120


async def test_what_was_paid_while_the_gateway_was_down_is_found_when_it_is_back(
    shop: Shop, clock: TestClock, epay: EpaySimulator
) -> None:
    await add_product(shop, "steam", codes=3)
    options = {**EPAY, "url": epay.url, "mode": "api"}
    await gateways.configure(shop, "epay-main", type="epay", options=options, actor=CLI)
    placed = await order(shop, "steam")
    assert placed.attempt is not None
    attempt_no = placed.attempt.attempt_no
    await asyncio.to_thread(epay.pay, attempt_no, lose=True)
    await gateways.configure(shop, "epay-main", type="epay", options={**options, "url": EPAY["url"]}, actor=CLI)
    await rounds(shop, clock, seconds=300)
    assert (await shop.db.read(orders.get, placed.order.order_id)).status == "pending"
    await gateways.configure(shop, "epay-main", type="epay", options=options, actor=CLI)
    assert await rounds(shop, clock, seconds=600, until="delivered") <= 120


async def test_it_is_asked_once_more_just_before_the_deadline(shop: Shop, clock: TestClock, epay: EpaySimulator) -> None:
    await add_product(shop, "steam", codes=3)
    await gateways.configure(shop, "epay-main", type="epay", options={**EPAY, "url": epay.url, "mode": "api"}, actor=CLI)
    placed = await order(shop, "steam")
    (attempt,) = await shop.db.read(payments.attempts, placed.order.order_id)
    asked, now = [attempt.created_at], attempt.next_query_at
    while now is not None and now < attempt.expires_at:
        asked.append(now)
        (attempt,) = await shop.db.read(payments.attempts, placed.order.order_id)
        clock.ms = now
        await schedule.query_attempts(shop)
        now = (await shop.db.read(payments.attempts, placed.order.order_id))[0].next_query_at
    assert max(b - a for a, b in itertools.pairwise(asked)) <= 80 * SECOND
    assert attempt.expires_at - asked[-1] == 20 * SECOND
    assert now == attempt.expires_at
    after = next_query(attempt, attempt.expires_at)
    assert after is not None
    assert after > attempt.expires_at + MINUTE, "late money is looked for, more seldom"
