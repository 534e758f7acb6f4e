"""Every statement is prepared on SQLite and on PostgreSQL; those that a sale waits for use an index."""

import re
import sqlite3
from collections.abc import Iterator
from functools import cache

import psycopg
import pytest

from kashop.db import dialect, migrate
from tests.house import tree
from tests.house.statements import Statement, find
from tests.postgres import server

PARAMETER = re.compile(r"(?<![:\w]):(\w+)")

HOT = {  # (file, function): what a checkout, a callback, a delivery or an order page waits for
    ("catalog/reads.py", "find_product"),
    ("catalog/reads.py", "find_sku"),
    ("catalog/reads.py", "skus"),
    ("catalog/reads.py", "tiers"),
    ("inventory/reads.py", "owned_codes"),
    ("inventory/reads.py", "pool_of"),
    ("inventory/seals/reads.py", "stale_codes"),
    ("inventory/writes.py", "hold_counted"),
    ("inventory/writes.py", "release"),
    ("inventory/seals/writes.py", "reseal"),
    ("inventory/writes.py", "sell"),
    ("orders/reads.py", "find"),
    ("orders/reads.py", "get"),
    ("orders/reads.py", "lines"),
    ("orders/reads.py", "due"),
    ("orders/reads.py", "undelivered"),
    ("orders/reads.py", "find_replay"),
    ("orders/unpaid/reads.py", "held_by"),
    ("orders/unpaid/reads.py", "ended"),
    ("risk/writes.py", "spend"),
    ("orders/writes.py", "mark_paid"),
    ("orders/writes.py", "_end"),
    ("payments/reads.py", "attempts"),
    ("payments/reads.py", "find_attempt"),
    ("payments/reads.py", "find_gateway"),
    ("payments/reads.py", "find_receipt"),
    ("payments/reads.py", "due_queries"),
    ("payments/reads.py", "unread_callbacks"),
    ("payments/writes.py", "credit"),
    ("payments/writes.py", "end_attempts"),
    ("accounts/reads.py", "find_signed_in"),
    ("audit/reads.py", "head"),
    ("audit/reads.py", "timeline"),
    ("audit/reads.py", "last_before"),
    ("audit/search/reads.py", "_of_object"),
    ("audit/search/reads.py", "_of_actor"),
    ("audit/search/reads.py", "_refs"),
    ("audit/search/reads.py", "_of_name"),
    ("audit/search/reads.py", "_of_time"),
    ("audit/search/reads.py", "_any"),
}


@cache
def all_statements() -> list[Statement]:
    return [s for path in tree.sources() for s in find(path.read_text(encoding="utf-8"), tree.short(path)) if s.sql is not None]


def is_hot(s: Statement) -> bool:
    return s.is_hot or any(s.file.endswith(f"/kashop/{file}") and s.function == name for file, name in HOT)


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("house") / "shop.db"
    migrate.apply(path)
    con = sqlite3.connect(path)
    yield con
    con.close()


@pytest.fixture(scope="module")
def postgres() -> Iterator[psycopg.Connection]:
    with server() as conninfo, psycopg.connect(conninfo, autocommit=True) as con:
        for path in tree.migrations():
            for statement in dialect.statements(path.read_text(encoding="utf-8"), "postgres"):
                con.execute(statement.encode())
        yield con


def explain(con: sqlite3.Connection, sql: str, *, plan: bool = False) -> list[str]:
    """What SQLite would do: its program, or its query plan in words."""
    values = dict.fromkeys(PARAMETER.findall(sql))
    return [str(row[-1]) for row in con.execute(f"EXPLAIN {'QUERY PLAN ' if plan else ''}{sql}", values)]


def scans(con: sqlite3.Connection, sql: str) -> list[str]:
    """The steps of a plan that read a whole table."""
    tables = {name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    aliases = {alias: table for table, alias in re.findall(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)\s+(?:AS\s+)?(\w+)", sql)}
    plan = explain(con, sql, plan=True)
    if " LIMIT " in sql and " WHERE " not in sql and not any("TEMP B-TREE" in step for step in plan):
        return []  # the first few in an index's own order
    steps = [step for step in plan if step.startswith("SCAN ")]
    return [s for s in steps if (name := s.split()[1]) in tables or aliases.get(name) in tables]


def prepare(con: psycopg.Connection, sql: str) -> str:
    """The empty string, or why PostgreSQL does not take the statement with parameters of unknown type."""
    names: list[str] = []
    text = PARAMETER.sub(lambda m: f"${_position(names, m.group(1))}", sql)
    try:
        con.execute(f"PREPARE house AS {text}".encode())
    except psycopg.Error as error:
        return str(error).splitlines()[0]
    con.execute("DEALLOCATE house")
    return ""


def _position(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name) + 1


def test_sqlite_takes_every_statement(lite: sqlite3.Connection) -> None:
    refused = []
    for s in all_statements():
        try:
            explain(lite, s.sql or "")
        except sqlite3.Error as error:
            refused.append(f"{s.at} {error}")
    assert not refused, "\n".join(refused)


def test_postgres_takes_every_statement(postgres: psycopg.Connection) -> None:
    refused = [f"{s.at} {problem}" for s in all_statements() if (problem := prepare(postgres, s.sql or ""))]
    assert not refused, "\n".join(refused)


def test_hot_statements_use_an_index(lite: sqlite3.Connection) -> None:
    hot = [s for s in all_statements() if is_hot(s)]
    found = {(s.file.partition("/kashop/")[2], s.function) for s in hot}
    assert found >= HOT, f"no longer there: {HOT - found}"
    slow = [f"{s.at} {step}" for s in hot for step in scans(lite, s.sql or "")]
    assert not slow, "\n".join(slow)


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("SELECT nowhere FROM orders", "nowhere"),
        ("SELECT order_id FROM orders WHERE :x IS NULL", "could not determine data type"),
        ("SELECT order_id, MAX(total_minor) FROM orders", "must appear in the GROUP BY"),
        ("SELECT order_id FROM orders WHERE order_no = 1", "operator does not exist"),
    ],
)
def test_postgres_refuses_a_bad_statement(postgres: psycopg.Connection, sql: str, complaint: str) -> None:
    assert complaint in (prepare(postgres, sql) or "taken")


def test_sqlite_refuses_a_bad_statement(lite: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        explain(lite, "SELECT nowhere FROM orders")


def test_a_whole_table_scan_is_seen(lite: sqlite3.Connection) -> None:
    assert scans(lite, "SELECT o.order_id FROM orders o WHERE o.note = :x")
    assert scans(lite, "UPDATE codes SET status = 'free' WHERE epoch = :x")
    assert scans(lite, "SELECT note FROM orders ORDER BY note LIMIT 1")
    assert not scans(lite, "SELECT order_id FROM orders ORDER BY order_id DESC LIMIT 1")
    assert not scans(lite, "SELECT order_id FROM orders WHERE order_no = :x")
    assert not scans(lite, "WITH w AS (SELECT order_id FROM orders WHERE order_no = :x LIMIT 9) SELECT 1 FROM w")


def test_what_a_buyer_holds_is_counted_by_whose_it_is(lite: sqlite3.Connection) -> None:
    """Every new order waits for it: an index of all unpaid orders would make a storm slower with each of them."""
    (held_by,) = (s for s in all_statements() if s.function == "held_by")
    assert held_by.sql is not None
    given = dict.fromkeys(PARAMETER.findall(held_by.sql), 1)
    plan = [str(row[3]) for row in lite.execute(f"EXPLAIN QUERY PLAN {held_by.sql}", given)]
    found = [step.partition("INDEX ")[2] for step in plan if "INDEX" in step]
    counted = {"client": "client=?", "contact": "contact=? AND client=?", "browser": "browser=?"}
    assert found == [f"orders_unpaid_{who} (status=? AND {by})" for who, by in counted.items()]
