"""Lists of codes: along an index whatever is asked for, and quick where a million codes are."""

import sqlite3
import time

import pytest

from kashop.inventory.codelist import reads
from kashop.inventory.codelist.types import STATES, Sought
from kashop.shop import Shop
from tests.cast import add_product
from tests.house import tree
from tests.house.statements import find
from tests.house.test_sql_engines import explain, lite, scans  # noqa: F401  # the fixture

FILE = tree.SRC / "inventory" / "codelist" / "reads.py"
MILLION = 1_000_000


def test_every_statement_goes_along_an_index(lite: sqlite3.Connection) -> None:  # noqa: F811
    statements = [s for s in find(FILE.read_text(encoding="utf-8"), tree.short(FILE)) if s.sql and " FROM codes" in s.sql]
    assert len(statements) >= 8
    for s in statements:
        assert scans(lite, s.sql or "") == [], s.at
        assert not any("TEMP B-TREE" in step for step in explain(lite, s.sql or "", plan=True)), s.at


@pytest.mark.drill
async def test_a_million_codes_are_paged_and_counted_at_once(shop: Shop) -> None:
    """A page and a count in less than 50 ms, whatever is asked for, the worst filter of all (which fits nothing) in 500."""
    await add_product(shop, "big", codes=1)
    await add_product(shop, "small", codes=1)
    sql = """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)
             INSERT INTO codes (code_id, product_id, sku_id, pool_id, batch_id, epoch, sealed, fingerprint, status, line_id,
               expires_on, changed_at)
             SELECT i, 1, 1, 1, 1, 1, randomblob(60), randomblob(32), CASE WHEN i % 1000 = 0 THEN 'void' ELSE 'free' END,
               NULL, '', 0 FROM n"""
    await shop.db.write(lambda tx: tx.run(sql, many=MILLION))
    asked = [Sought(), *(Sought(status=s) for s in STATES), Sought(product_id=1), Sought(product_id=2), Sought(batch_id=1)]
    asked += [Sought(sku_id=1, pool_id=1), Sought(product_id=1, status="void"), Sought(batch_id=1, status="free")]
    took: dict[str, float] = {}
    for sought in asked:
        for before in (2**62, MILLION // 2):
            begun = time.perf_counter()
            await shop.db.read(reads.page, sought, before, limit=51)
            took[f"{sought} {before}"] = time.perf_counter() - begun
    worst = max(took, key=lambda name: took[name])
    begun = time.perf_counter()
    assert await shop.db.read(reads.page, Sought(product_id=1, expires=("2020-01-01", "2021-01-01")), 2**62, limit=51) == []
    nothing = time.perf_counter() - begun
    print(f"worst page {took[worst] * 1000:.1f} ms ({worst}); a filter that fits nothing {nothing * 1000:.0f} ms")
    assert took[worst] < 0.05, worst
    assert nothing < 0.5
