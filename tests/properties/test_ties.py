"""Who has waited equally long is served in the order of coming, on both engines: PostgreSQL would take them as it finds them."""

from pathlib import Path

from kashop.flows import checkout
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.shop import Shop
from tests import beside
from tests.cast import TestClock, config, order, stock


async def test_what_is_due_at_once_is_taken_in_the_order_it_came(template: Path, clock: TestClock) -> None:
    place = config(template).place
    shop = await Shop.open(config(template), clock=clock, is_server=True)
    await stock(shop, "keys", [f"K-{n:05}" for n in range(20)])
    placed = [(await order(shop, "keys", contact=f"b{n}@example.com")).order for n in range(10)]
    ids = [each.order_id for each in placed]
    for column in ("note = 'asked about'", "note = 'asked again'"):  # a row that was changed stands elsewhere then
        beside.change(place, f"UPDATE orders SET {column} WHERE order_id IN ({ids[0]}, {ids[4]}, {ids[5]})")
        beside.change(place, f"UPDATE attempts SET queries = queries + 1 WHERE order_id IN ({ids[1]}, {ids[6]})")
    clock.pass_time(minutes=31)
    assert await shop.db.read(orders.due, limit=500) == ids
    assert await shop.db.read(orders.due, limit=3) == ids[:3]
    asked = await shop.db.read(payments.due_queries, limit=500)
    assert asked == sorted(asked)
    assert len(asked) == 10
    for order_id in ids[:2]:
        await checkout.expire(shop, order_id, CLI)
    closes = await shop.db.read(payments.due_closes, limit=500)
    assert closes == sorted(closes)
    await shop.close()
