"""A statement of a hundred thousand lines beside a shop that sells."""

import asyncio
import time

import pytest

from kashop.flows import reconcile
from kashop.lib.actor import CLI
from kashop.payments.types import StatementLine
from kashop.shop import Shop
from tests.cast import TestClock, add_product, order
from tests.statements.daybook import DAY, NOON, open_book


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOON)


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.drill)])
async def test_orders_are_placed_while_a_large_statement_is_reconciled(shop: Shop, clock: TestClock, count: int) -> None:
    await add_product(shop, "steam", codes=50)
    book = await open_book(shop)
    facts = {"kind": "payment", "amount_minor": 100, "currency": "CNY", "happened_at": NOON}
    book.days[DAY] = [StatementLine(gateway_txn=f"T{n}", attempt_no=f"other-{n}", **facts) for n in range(count)]
    clock.pass_time(hours=24)
    coming = asyncio.create_task(reconcile.fetch(shop, "book", DAY, CLI))
    lags, sold = [], 0
    while not coming.done():
        began = time.thread_time()
        await asyncio.sleep(0.01)
        lags.append(time.thread_time() - began)
        if len(lags) % 20 == 0 and sold < 20:
            await order(shop, "steam", gateway="book", method="alipay")
            sold += 1
    assert (await coming).lines == count
    assert sold or count < 100_000
    lags.sort()
    assert lags[int(len(lags) * 0.99)] < 0.25, "nobody holds the loop: goal 20 is 100 ms on an idle machine"
