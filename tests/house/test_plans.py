"""What is asked again and again costs the same in a shop of any age: no statement outside a short list reads a whole table that
grows, or sorts it, with statistics and without.
"""

import sqlite3
from collections.abc import Iterator

import pytest

from kashop.db import migrate
from tests.house import plans
from tests.house.test_sql_engines import all_statements, explain


@pytest.fixture(params=["no statistics", "statistics of years"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("plans") / "shop.db"
    migrate.apply(path)
    con = sqlite3.connect(path)
    if request.param != "no statistics":
        plans.with_statistics(con)
        con.close()
        con = sqlite3.connect(path)
    yield con
    con.close()


def slow(con: sqlite3.Connection, only: str = "") -> dict[str, list[str]]:
    """Every statement, or those of one function, that is not allowed to read much and does."""
    found = {}
    for s in all_statements():
        file = s.file.partition("/kashop/")[2]
        if only not in ("", f"{file} {s.function}"):
            continue
        steps = plans.slow_steps(con, s.sql or "", explain(con, s.sql or "", plan=True))
        if steps and not plans.is_allowed(file, s.function):
            found[f"{file} {s.function}"] = steps
    return found


def test_no_statement_reads_more_with_the_years(shop: sqlite3.Connection) -> None:
    assert slow(shop) == {}


def test_every_allowance_is_needed(shop: sqlite3.Connection) -> None:
    used = set()
    for s in all_statements():
        file = s.file.partition("/kashop/")[2]
        if plans.slow_steps(shop, s.sql or "", explain(shop, s.sql or "", plan=True)):
            used |= {file, f"{file} {s.function}"}
    assert plans.ALLOWED.keys() - used <= MAY_GO, f"no longer needed: {plans.ALLOWED.keys() - used}"


MAY_GO = {"inventory/reads.py undone_batches_held"}


def test_bounded_tables_are_tables(shop: sqlite3.Connection) -> None:
    there = {name for (name,) in shop.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    listed = [table for tables in plans.BOUNDED.values() for table in tables]
    assert set(listed) <= there
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize(
    ("index", "statement"),
    [
        ("codes_line", "inventory/writes.py release"),
        ("orders_due", "orders/reads.py due"),
        ("orders_undelivered", "orders/reads.py undelivered"),
        ("attempts_query", "payments/reads.py due_queries"),
        ("callbacks_age", "payments/reads.py _of_verdict"),
        ("order_lines_order", "orders/reads.py lines"),
        ("events_object", "audit/reads.py timeline"),
    ],
)
def test_an_index_that_is_gone_is_missed(shop: sqlite3.Connection, index: str, statement: str) -> None:
    shop.execute(f"DROP INDEX {index}")
    assert statement in slow(shop, statement)
