"""`python -m bench.big FOLDER --orders N`: a founded shop with the history of years, to measure and drill on.

Made in a few minutes whatever its size: the shop, its catalogue and the codes on its shelves by the shop's own verbs, the history
by bulk SQL (`history.sql`) with indexes and triggers aside. Rows pass the schema and `kashop check`; what is simplified stands in
docs/reference/bench.md. The day's traffic is the same in a shop of any size: what differs is how many years it has.
"""

import argparse
import asyncio
import io
import re
import shutil
import sqlite3
import sys
import time
from pathlib import Path

from argon2 import PasswordHasher

from bench import goods
from kashop.catalog import writes as catalog
from kashop.catalog.types import ProductDraft, SkuDraft
from kashop.flows import restock
from kashop.lib.actor import CLI
from kashop.settings.config import Config, load
from kashop.shop import Shop

PRODUCTS = 30
"""One SKU each; the first is the bench's own, and sold from."""
FREE = 200
"""Codes on the shelf of each of the others, but the last, which is sold out."""
STEP = 43_200
"""Milliseconds from one order of the past to the next: 2,000 a day."""
RECENT = 250
"""Orders that are not over: four fifths wait for their money, the rest are paid and on the desk."""
LOOKUP = "a look-up password"

_STEP = re.compile(r"^-- step: (.+)$", re.M)


def build(folder: Path, *, orders: int, codes: int = 12_000) -> Config:
    """A shop in `folder` with so many orders, and so many codes of the first product on its shelf; nothing serves it."""
    config = load(goods.data_of(folder), {})
    asyncio.run(_founded(config, codes))
    con = sqlite3.connect(config.file, isolation_level=None)
    con.execute("PRAGMA journal_mode=OFF")
    con.execute("PRAGMA synchronous=OFF")
    con.execute("PRAGMA cache_size=-2000000")
    con.execute("PRAGMA temp_store=FILE")
    aside = _taken_aside(con)
    values = _values(con, orders)
    con.execute("BEGIN")
    for name, statements in _steps():
        started = time.perf_counter()
        for statement in statements:
            con.execute(statement, values)
        _tell(f"{name}: {time.perf_counter() - started:.1f} s")
    for sql in aside:
        con.execute(sql)
    con.execute("COMMIT")
    con.close()
    con = sqlite3.connect(config.file)
    con.execute("PRAGMA journal_mode=WAL")
    con.close()
    _tell(f"{orders:,} orders, {config.file.stat().st_size / 2**30:.2f} GiB")
    return config


def copied(config: Config, folder: Path) -> Config:
    """The same shop again, in a folder of its own."""
    shutil.copytree(config.file.parent, goods.data_of(folder))
    return load(goods.data_of(folder), {})


async def _founded(config: Config, codes: int) -> None:
    await goods.make_shop(config, codes=codes)
    shop = await Shop.open(config)
    try:
        for n in range(1, PRODUCTS):
            draft = ProductDraft(slug=f"card-{n}", name=f"点卡 {n}", summary="即时发货", hold_minutes=15)
            await shop.db.write(catalog.add_product, draft, [SkuDraft(price_minor=1000 + n)], CLI)
            if n == PRODUCTS - 1:
                break
            text = "\n".join(f"BIG-{n:03}-{k:06}" for k in range(FREE)).encode()
            await restock.import_codes(shop, restock.Source(file=io.BytesIO(text), name="codes.txt", product=f"card-{n}"), CLI)
    finally:
        await shop.close()


def _taken_aside(con: sqlite3.Connection) -> list[str]:
    """Drop what makes bulk slow; the statements that bring it back."""
    found = con.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
    ).fetchall()
    for kind, name, _ in found:
        con.execute(f"DROP {kind} {name}")
    return [sql for _, _, sql in found]


def _values(con: sqlite3.Connection, orders: int) -> dict[str, object]:
    con.execute(
        """CREATE TEMP TABLE shelf AS SELECT ROW_NUMBER() OVER (ORDER BY s.sku_id) - 1 AS place, s.product_id, s.sku_id,
             s.sku_code, p.name, s.price_minor AS price FROM skus s JOIN products p ON p.product_id = s.product_id"""
    )
    con.execute("CREATE UNIQUE INDEX temp.shelf_place ON shelf (place)")
    now = int(time.time() * 1000)
    return {
        "orders": orders,
        "now": now,
        "start": now - RECENT * 10_000 - 86_400_000 - orders * STEP,
        "step": STEP,
        "recent": RECENT,
        "products": PRODUCTS,
        "first_batch": con.execute("SELECT MAX(batch_id) + 1 FROM batches").fetchone()[0],
        "first_event": con.execute("SELECT MAX(seq) - 4 FROM events").fetchone()[0],
        "lookup_hash": PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(LOOKUP),
    }


def _steps() -> list[tuple[str, list[str]]]:
    script = (Path(__file__).with_name("history.sql")).read_text(encoding="utf-8")
    parts = _STEP.split(script)[1:]
    return [(name, [s for s in text.split(";\n") if s.strip()]) for name, text in zip(parts[::2], parts[1::2], strict=True)]


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Build one."""
    parser = argparse.ArgumentParser(prog="python -m bench.big", description="A shop with the history of years.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--codes", type=int, default=12_000, help="of the first product, on its shelf")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    build(given.folder, orders=given.orders, codes=given.codes)


if __name__ == "__main__":
    main()
