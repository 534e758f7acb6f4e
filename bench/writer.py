"""The writer alone (P9): an order's whole change as units of group commits, against `executemany` of the very rows it wrote.

Both on the same schema with `synchronous=FULL`; the ceiling is one transaction without a look, a rule or an event's hash.
"""

import asyncio
import sqlite3
import time
from pathlib import Path

from bench import goods
from kashop.catalog import reads as catalog
from kashop.db import Tx
from kashop.flows import attempts
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.clock import MINUTE
from kashop.orders import rules
from kashop.orders import writes as orders
from kashop.orders.types import OrderDraft
from kashop.payments import reads as payments
from kashop.settings.config import load
from kashop.shop import Shop

TABLES = ("orders", "order_lines", "idempotency", "attempts", "events", "event_personal")
BUYER = Actor("buyer", ip="203.0.113.7", request_id="bench")


def measure(folder: Path, *, number_of_rounds: int, count: int) -> list[tuple[float, float]]:
    """(units per second, rows' units per second) of each round."""
    found = []
    for number in range(number_of_rounds):
        own = folder / f"writer{number}"
        own.mkdir()
        found.append(asyncio.run(_round(own, count)))
    return found


async def _round(folder: Path, count: int) -> tuple[float, float]:
    data = goods.data_of(folder)
    config = load(data, {})
    await goods.make_shop(config, codes=count)
    twin = folder / "twin.db"
    _copied(config.database, twin)
    shop = await Shop.open(config)
    try:
        drafts = await _drafts(shop, count)
        account = (await shop.db.read(payments.gateways))[0].gateway_id
        started = time.perf_counter()
        await asyncio.gather(*(shop.db.write(_place, draft, account) for draft in drafts))
        seconds = time.perf_counter() - started
    finally:
        await shop.close()
    con = sqlite3.connect(config.database)
    placed = con.execute("SELECT COUNT(*) FROM orders").fetchone()[0]
    assert placed == count, f"{placed} of {count} orders are there"
    ceiling = _replayed(con, twin)
    con.close()
    return count / seconds, count / ceiling


async def _drafts(shop: Shop, count: int) -> list[OrderDraft]:
    """Orders that are priced and checked."""
    offer = await shop.db.read(catalog.find_offer, goods.SLUG)
    assert offer is not None
    line, now = rules.priced(offer, 1, {}), shop.clock.now()
    return [
        OrderDraft(
            order_no=ids.number("K", now),
            token_hash=ids.digest(ids.token()),
            channel="api",
            contact_type="email",
            contact="b@example.com",
            lookup_hash=None,
            currency="CNY",
            total_minor=line.total_minor,
            locale="",
            expires_at=now + 60 * MINUTE,
            lines=(line,),
        )
        for _ in range(count)
    ]


def _place(tx: Tx, draft: OrderDraft, account: int) -> int:
    """What placing an order changes: the order, its hold, its key, its first attempt, and the events of all that."""
    order_id = orders.place(tx, draft, BUYER)
    key = ids.digest(draft.order_no)
    orders.remember_key(tx, scope="order/api", key_hash=key, request_digest=key, order_id=order_id)
    return attempts.open_for(tx, order_id, gateway_id=account, method="alipay", actor=BUYER)


def _copied(database: Path, twin: Path) -> None:
    source, copy = sqlite3.connect(database), sqlite3.connect(twin)
    source.backup(copy)
    source.close()
    copy.close()


def _replayed(con: sqlite3.Connection, twin: Path) -> float:
    """Write the same rows into a copy of the shop as it was before; the seconds it took."""
    bare = sqlite3.connect(twin, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
        bare.execute(f"PRAGMA {pragma}").fetchall()
    inserts = []
    for table in TABLES:
        first = bare.execute(f"SELECT COALESCE(MAX(rowid), 0) FROM {table}").fetchone()[0]
        rows = con.execute(f"SELECT * FROM {table} WHERE rowid > ?", (first,)).fetchall()
        if rows:
            inserts.append((f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows))
    held = con.execute("SELECT status, line_id, held_until, changed_at, code_id FROM codes WHERE status = 'held'").fetchall()
    counts = con.execute("SELECT free, held, sku_id, pool_id FROM stock_counts").fetchall()
    started = time.perf_counter()
    bare.execute("BEGIN IMMEDIATE")
    for sql, rows in inserts:
        bare.executemany(sql, rows)
    bare.executemany("UPDATE codes SET status = ?, line_id = ?, held_until = ?, changed_at = ? WHERE code_id = ?", held)
    bare.executemany("UPDATE stock_counts SET free = ?, held = ? WHERE sku_id = ? AND pool_id = ?", counts)
    bare.execute("COMMIT")
    seconds = time.perf_counter() - started
    bare.close()
    return seconds
