"""Sold out is told from memory, without the writer; and what comes back into sale sells again."""

import asyncio
from pathlib import Path

import pytest

from kashop.flows import checkout
from kashop.inventory import writes as inventory
from kashop.lib.actor import CLI
from kashop.lib.errors import SoldOut
from kashop.shelf import reads
from kashop.shelf.memory import OLDEST, OLDEST_COUNTS, Shelf
from kashop.shop import Shop
from tests.cast import BUYER, TestClock, add_epay, add_product, let_a_crowd_in, order, stock, wish
from tests.shelf.test_shelf import Seconds, by_another

KEY = "a key of this test alone"


@pytest.fixture
async def seconds(shop: Shop) -> Seconds:
    """A shop that has sold its only code, with a clock for its shelf that stands."""
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=1, max_quantity=10)
    seconds = Seconds()
    shop.shelf = Shelf(shop.db, seconds=seconds)
    await order(shop, "steam-50", key=KEY)
    seconds.now += OLDEST_COUNTS
    return seconds


def units(shop: Shop) -> int:
    return shop.db.units  # type: ignore[attr-defined]


async def refused(shop: Shop, quantity: int = 1) -> int:
    """How many units of work the refusal of an order cost the writer."""
    before = units(shop)
    with pytest.raises(SoldOut):
        await order(shop, "steam-50", quantity, key=f"another {units(shop)} of this test")
    return units(shop) - before


async def test_an_empty_shelf_refuses_without_the_writer(shop: Shop, seconds: Seconds) -> None:
    assert [await refused(shop) for _ in range(3)] == [0, 0, 0]


async def test_control_without_memory_each_refusal_is_the_writers(
    shop: Shop, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shelf, "is_sold_out", lambda *_: False)
    assert [await refused(shop) for _ in range(3)] == [1, 1, 1]


async def test_fewer_than_asked_for_is_sold_out_too_and_what_is_left_sells(shop: Shop, seconds: Seconds) -> None:
    await stock(shop, "steam-50", ["NEW-1", "NEW-2"])
    seconds.now += OLDEST_COUNTS
    assert await refused(shop, 3) == 0
    assert (await order(shop, "steam-50", 2)).order.status == "pending"


async def test_what_the_writer_finds_empty_is_counted_again_at_once(shop: Shop, seconds: Seconds) -> None:
    await stock(shop, "steam-50", ["NEW-1"])
    seconds.now += OLDEST_COUNTS
    await shop.shelf.look()
    await order(shop, "steam-50")
    assert await refused(shop) == 1  # memory still shows one
    assert await refused(shop) == 0  # though its clock stands


async def test_a_commit_that_brings_stock_sells_at_once(shop: Shop, seconds: Seconds) -> None:
    assert await refused(shop) == 0
    await stock(shop, "steam-50", ["NEW-1"])
    await order(shop, "steam-50")


async def test_an_order_that_is_cancelled_gives_its_code_to_the_next_at_once(shop: Shop, seconds: Seconds) -> None:
    held = await order(shop, "steam-50", key=KEY)
    assert await refused(shop) == 0
    await checkout.cancel(shop, held.order, BUYER)
    await order(shop, "steam-50")


async def test_an_order_that_expires_gives_its_code_to_the_next_at_once(shop: Shop, seconds: Seconds, clock: TestClock) -> None:
    held = await order(shop, "steam-50", key=KEY)
    assert await refused(shop) == 0
    clock.pass_time(hours=2)
    assert await checkout.expire(shop, held.order.order_id, CLI)
    await order(shop, "steam-50")


async def test_control_with_no_count_of_what_came_back_memory_goes_on_refusing(
    shop: Shop, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await refused(shop) == 0
    monkeypatch.setattr(Shelf, "is_sold_out", lambda self, shown, *what: shown.count_free(what[0], what[1]) < what[2])
    await stock(shop, "steam-50", ["NEW-1"])
    assert await refused(shop) == 0


async def test_stock_of_another_process_sells_after_half_a_second(shop: Shop, seconds: Seconds, data: Path) -> None:
    assert await refused(shop) == 0
    by_another(
        data,
        "UPDATE codes SET status = 'free', line_id = NULL, held_until = NULL",
        "UPDATE stock_counts SET free = 1, held = 0",
    )
    seconds.now += OLDEST - 0.01
    assert await refused(shop) == 0
    seconds.now += 0.01
    await order(shop, "steam-50")


async def test_a_replay_gets_its_order_though_all_is_sold(shop: Shop, seconds: Seconds) -> None:
    assert await refused(shop) == 0
    before = units(shop)
    assert (await order(shop, "steam-50", key=KEY)).is_replay
    assert units(shop) == before


async def test_a_crowd_before_an_empty_shelf_leaves_the_writer_alone(shop: Shop, seconds: Seconds) -> None:
    assert await refused(shop) == 0
    await let_a_crowd_in(shop)
    before = units(shop)
    asked = [checkout.place(shop, wish("steam-50"), BUYER, key=f"buyer {n} of this whole crowd") for n in range(300)]
    assert {type(e) for e in await asyncio.gather(*asked, return_exceptions=True)} == {SoldOut}
    assert units(shop) == before


async def test_taking_is_not_counted_and_every_way_of_bringing_is(shop: Shop, seconds: Seconds) -> None:
    before = await shop.db.read(reads.restocked)
    with pytest.raises(SoldOut):
        await shop.db.write(inventory.hold, line_id=1, sku_id=1, pool_id=1, quantity=1, until=0)
    assert await shop.db.read(reads.restocked) == before
    await stock(shop, "steam-50", ["NEW-1"])
    came = await shop.db.read(reads.restocked)
    assert came > before
    await order(shop, "steam-50")
    assert await shop.db.read(reads.restocked) == came
