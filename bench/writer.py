"""P9, the writer alone: every change that the checkout makes for an order, against `executemany` of the very rows it wrote.

The flow itself runs; at its door to the database each change waits until all flows stand there, then all are handed to the
writer at once, and only that is timed: no pricing, no HTTP. So the unit is whatever `flows/checkout` places, and however many
there are for an order. The ceiling writes the same rows into a copy of the shop as it was, in one transaction with
`synchronous=FULL`, its COMMIT counted, without a look, a rule or an event's hash.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import goods
from bench.figures import Figure, Wrong
from bench.plan import Plan
from kashop.catalog import reads as catalog
from kashop.flows import checkout
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.clock import MINUTE
from kashop.orders import rules
from kashop.orders.types import OrderDraft
from kashop.settings.config import load
from kashop.shop import Shop

Change = tuple[str, list[tuple[Any, ...]]]
"""A statement, and the rows to run it with."""


class Gate:
    """Stands before the shop's database: looks pass, changes wait to be let through together."""

    def __init__(self, db: Any):
        self._db = db
        self.held: list[tuple[asyncio.Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        self.seconds = 0.0
        self.units = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    async def write(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Wait, then have been written."""
        turn = asyncio.get_running_loop().create_future()
        self.held.append((turn, fn, args, kwargs))
        return await turn

    async def let_through(self, flows: "list[asyncio.Task[Any]]") -> None:
        """Until every flow has ended: whenever none of them can go on, all that wait here at once."""
        while running := [flow for flow in flows if not flow.done()]:
            if len(self.held) < len(running):
                await asyncio.sleep(0.001)
                continue
            held, self.held = self.held, []
            started = time.perf_counter()
            done = await asyncio.gather(*(self._db.write(fn, *args, **kwargs) for _, fn, args, kwargs in held))
            self.seconds += time.perf_counter() - started
            self.units += len(held)
            for (turn, *_), answer in zip(held, done, strict=True):
                turn.set_result(answer)
            await asyncio.sleep(0)


def run(folder: Path, plan: Plan, count: int = 2000) -> list[Figure]:
    """Orders per second of writing, beside their rows alone."""
    figure = Figure("P9", "writer alone, no HTTP", 0.35)
    count = min(count, plan.most)
    data = goods.data_of(folder)
    config = load(data, {})
    asyncio.run(goods.make_shop(config, codes=count * (plan.rounds + 1)))
    for number in range(-1, plan.rounds):
        twin = folder / f"twin{number}.db"
        _copied(config.file, twin)
        units, seconds = asyncio.run(_written(config, count))
        con = sqlite3.connect(config.file)
        added = _added(con, twin)
        if added != count:
            raise Wrong(f"{added} of {count} orders are in the database")
        ceiling, rows = _replayed(con, twin)
        con.close()
        if number >= 0:  # the first is the warm-up
            parts = {"shop/s": count / seconds, "ceiling/s": count / ceiling}
            figure.add(ceiling / seconds, **parts, **{"units an order": units / count, "rows an order": rows / count})
    return [figure]


async def _written(config: Any, count: int) -> tuple[int, float]:
    shop = await Shop.open(config)
    try:
        shop.db = gate = Gate(shop.db)  # type: ignore[assignment]
        flows = [asyncio.create_task(_placed(shop)) for _ in range(count)]
        await gate.let_through(flows)
        for flow in flows:
            flow.result()
    finally:
        await shop.close()
    return gate.units, gate.seconds


async def _placed(shop: Shop) -> None:
    key = ids.token()
    contact = f"{key[:12].lower()}@example.com"
    wish = checkout.Checkout(
        lines=(checkout.Want(goods.SLUG, 1),),
        contact_type="email",
        contact=contact,
        gateway=goods.GATEWAY,
        method="alipay",
        expected_minor=1250,
        channel="api",
    )
    await checkout.place(shop, wish, Actor("buyer", ip=goods.address(key), request_id="bench"), key=key)


async def drafts(shop: Shop, count: int) -> list[OrderDraft]:
    """Orders that are priced and checked, for who places them without the flow."""
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
            expires_at=now + goods.HOLD_MINUTES * MINUTE,
            lines=(line,),
        )
        for _ in range(count)
    ]


def _added(con: sqlite3.Connection, twin: Path) -> int:
    con.execute("ATTACH :twin AS before", {"twin": str(twin)})
    (count,) = con.execute("SELECT (SELECT COUNT(*) FROM main.orders) - (SELECT COUNT(*) FROM before.orders)").fetchone()
    return int(count)


def _copied(database: Path, twin: Path) -> None:
    source, copy = sqlite3.connect(database), sqlite3.connect(twin)
    source.backup(copy)
    source.close()
    copy.close()


def _replayed(con: sqlite3.Connection, twin: Path) -> tuple[float, int]:
    """Write all that is new or changed into the shop as it was before; the seconds it took, and how many rows."""
    changes = [change for table in _tables(con) for change in (*_new(con, table), *_changed(con, table))]
    con.execute("DETACH before")
    bare = sqlite3.connect(twin, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "secure_delete=ON"):
        bare.execute(f"PRAGMA {pragma}").fetchall()
    started = time.perf_counter()
    bare.execute("BEGIN IMMEDIATE")
    bare.execute("PRAGMA defer_foreign_keys=ON")  # rows come table by table
    for sql, rows in changes:
        bare.executemany(sql, rows)
    bare.execute("COMMIT")
    seconds = time.perf_counter() - started
    bare.close()
    return seconds, sum(len(rows) for _, rows in changes)


def _tables(con: sqlite3.Connection) -> list[str]:
    found = con.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
    return [name for (name,) in found if _keys(con, name) is not None]


def _keys(con: sqlite3.Connection, table: str) -> list[str] | None:
    """The columns of a table's key; None for what keeps no rows of its own."""
    keys = [row[1] for row in con.execute(f"PRAGMA main.table_info({table})") if row[5]]
    return keys or None


def _new(con: sqlite3.Connection, table: str) -> list[Change]:
    same = " AND ".join(f"b.{key} = a.{key}" for key in _keys(con, table) or [])
    rows = con.execute(
        f"SELECT a.* FROM main.{table} a WHERE NOT EXISTS (SELECT 1 FROM before.{table} b WHERE {same})"
    ).fetchall()
    return [(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)] if rows else []


def _changed(con: sqlite3.Connection, table: str) -> list[Change]:
    """Rows that were there and read otherwise now, by the columns that differ."""
    keys = _keys(con, table) or []
    columns = [row[1] for row in con.execute(f"PRAGMA main.table_info({table})") if row[1] not in keys]
    same = " AND ".join(f"b.{key} = a.{key}" for key in keys)
    pair = f"main.{table} a JOIN before.{table} b ON {same}"
    moved = [c for c in columns if con.execute(f"SELECT 1 FROM {pair} WHERE a.{c} IS NOT b.{c} LIMIT 1").fetchone()]
    if not moved:
        return []
    differs = " OR ".join(f"a.{c} IS NOT b.{c}" for c in moved)
    rows = con.execute(f"SELECT {', '.join(f'a.{c}' for c in (*moved, *keys))} FROM {pair} WHERE {differs}").fetchall()
    where = " AND ".join(f"{key} = ?" for key in keys)
    return [(f"UPDATE {table} SET {', '.join(f'{c} = ?' for c in moved)} WHERE {where}", rows)]
