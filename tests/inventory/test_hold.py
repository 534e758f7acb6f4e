"""Codes are taken once for each time they are asked for, by whatever plan the server has in mind."""

import pytest

from kashop.db import Reader, Tx
from kashop.db.postgres import PostgresDb
from kashop.inventory import writes
from kashop.lib.clock import SystemClock

pytestmark = pytest.mark.sqlite  # it brings its own server

PLAIN = """UPDATE codes SET status = 'held', line_id = 7, held_until = 9 WHERE code_id IN (
             SELECT code_id FROM codes WHERE sku_id = 1 AND pool_id = 1 AND status = 'free'
             ORDER BY code_id LIMIT 2 /*+skip_locked*/)"""
"""The way that looks as if it took two."""


@pytest.fixture
def address(migrated_address: str) -> str:
    return migrated_address


def furnish(tx: Tx) -> None:
    """Ten free codes of SKU 1, without the goods that they would belong to."""
    tx.run("SET LOCAL session_replication_role = replica")
    tx.run("INSERT INTO stock_counts (sku_id, pool_id, free) VALUES (1, 1, 10)")
    code = """INSERT INTO codes (code_id, product_id, sku_id, pool_id, batch_id, epoch, sealed, fingerprint, status, changed_at)
              VALUES (:n, 1, 1, 1, 1, 1, :mark, :mark, 'free', 1)"""
    tx.many(code, [{"n": n, "mark": bytes([n])} for n in range(10)])


def mislead(tx: Tx) -> None:
    """As the statistics of an empty table do: the sub-query is looked into for each row."""
    for way in ("hashagg", "hashjoin", "mergejoin", "sort", "material", "bitmapscan"):
        tx.run(f"SET LOCAL enable_{way} = off")


def hold(tx: Tx) -> None:
    mislead(tx)
    writes.hold(tx, line_id=7, sku_id=1, pool_id=1, quantity=2, until=9)


def held(db: Reader) -> int:
    return int(db.value("SELECT COUNT(*) FROM codes WHERE status = 'held'"))


async def test_an_order_takes_what_it_asked_for_by_any_plan(address: str) -> None:
    db = await PostgresDb.open(address, SystemClock())
    await db.write(furnish)
    await db.write(hold)
    assert await db.read(held) == 2
    await db.close()


async def test_control_a_plain_sub_query_takes_the_whole_shelf(address: str) -> None:
    db = await PostgresDb.open(address, SystemClock())
    await db.write(furnish)

    def take(tx: Tx) -> int:
        mislead(tx)
        return tx.run(PLAIN)

    assert await db.write(take) == 10
    await db.close()
