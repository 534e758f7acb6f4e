"""Rooms keep to their own tables and floors, in literal SQL that both engines understand."""

import pytest

from tests.house import tree
from tests.house.statements import changed_tables, check, find, looked_tables

OWNERS = {"orders": "orders", "codes": "inventory", "skus": "catalog", "staff": "accounts"}
FLOORS = {"lib": 0, "db": 1, "accounts": 2, "catalog": 2, "inventory": 3, "orders": 4, "analytics": 5}


def test_every_statement_keeps_the_rules() -> None:
    broken = [
        line
        for path in tree.sources()
        for line in check(path.read_text(encoding="utf-8"), tree.short(path), owners=tree.owners(), floors=tree.floors())
    ]
    assert not broken, "\n".join(broken)


def test_statements_are_found_in_every_room_that_owns_tables() -> None:
    """A checker that finds nothing proves nothing."""
    found = {s.room for path in tree.sources() for s in find(path.read_text(encoding="utf-8"), tree.short(path))}
    assert found >= set(tree.owners().values())


def test_every_table_has_a_room_of_the_plan() -> None:
    assert set(tree.owners().values()) <= set(tree.floors())
    with pytest.raises(ValueError, match="lost"):
        tree.owned_tables("CREATE TABLE lost (a TEXT);\n-- room: orders\nCREATE TABLE orders (a TEXT);")


LOOK = "def f(db: Reader, x: str):\n    return db.all({}, int, x=x)\n"
CHANGE = "def f(tx: Tx, x: str):\n    tx.run({}, x=x)\n"


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("orders/reads.py", LOOK.format("f'SELECT {x} FROM orders'"), "not a literal"),
        ("orders/reads.py", LOOK.format("'SELECT order_id' + ' FROM orders'"), "not a literal"),
        (
            "orders/reads.py",
            "def f(db: Reader):\n    s = 'SELECT 1 FROM orders'\n    s += x\n    db.all(s, int)",
            "not a literal",
        ),
        (
            "orders/reads.py",
            LOOK.format("'DELETE FROM orders WHERE order_id = :x'"),
            "changes something in reads.py",
        ),
        ("orders/reads.py", CHANGE.format("'SELECT order_id FROM orders'"), "wants a Tx"),
        (
            "orders/writes.py",
            LOOK.format("'SELECT order_id FROM orders'"),
            "a look (db: Reader) in writes.py",
        ),
        ("orders/writes.py", CHANGE.format("\"UPDATE codes SET status = 'void'\""), "belongs to inventory"),
        ("orders/writes.py", CHANGE.format("'INSERT INTO codes (a) VALUES (:x)'"), "belongs to inventory"),
        ("inventory/reads.py", LOOK.format("'SELECT order_id FROM orders'"), "not on its floor or below"),
        ("accounts/reads.py", LOOK.format("'SELECT sku_id FROM skus'"), "not on its floor or below"),
        (
            "orders/reads.py",
            LOOK.format("'SELECT a FROM orders o JOIN nowhere n ON n.a = o.a'"),
            "no migration makes",
        ),
        ("orders/writes.py", CHANGE.format("'INSERT OR IGNORE INTO orders (a) VALUES (:x)'"), "do not share"),
        ("orders/reads.py", LOOK.format("'SELECT max(a, b) FROM orders'"), "do not share"),
        ("orders/reads.py", LOOK.format("'SELECT a FROM orders WHERE a = ?'"), "do not share"),
        ("orders/reads.py", LOOK.format("'SELECT a FROM orders WHERE :x IS NULL OR a = :x'"), "without CAST"),
        ("orders/reads.py", LOOK.format("'SELECT :x FROM orders'"), "without CAST"),
        ("orders/writes.py", CHANGE.format("'PRAGMA user_version'"), "neither a look nor a change"),
        ("orders/types.py", LOOK.format("'SELECT order_id FROM orders'"), "outside reads.py and writes.py"),
        ("web/page.py", "SQL = 'SELECT order_id FROM orders'\n", "holds SQL outside the rooms"),
        ("flows/x.py", "SQL = '''UPDATE orders\n SET a = 1'''\n", "holds SQL outside the rooms"),
    ],
)
def test_a_broken_rule_is_seen(file: str, source: str, complaint: str) -> None:
    assert complaint in "\n".join(check(source, f"src/kashop/{file}", owners=OWNERS, floors=FLOORS))


def test_a_name_bound_twice_is_read_both_times() -> None:
    source = "def f(tx: Tx):\n s = 'SELECT 1 FROM orders'\n tx.value(s)\n s = 'DELETE FROM orders'\n tx.run(s)\n"
    assert [s.sql for s in find(source, "src/kashop/orders/writes.py")] == [
        "SELECT 1 FROM orders",
        "DELETE FROM orders",
    ]
    branches = "def f(tx: Tx):\n if a:\n  s = 'DELETE FROM codes'\n else:\n  s = 'DELETE FROM orders'\n tx.run(s)\n"
    assert "belongs to inventory" in "".join(check(branches, "src/kashop/orders/writes.py", owners=OWNERS, floors=FLOORS))


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (
            "orders/reads.py",
            LOOK.format("'SELECT o.a FROM orders o JOIN codes c ON c.line_id = o.a WHERE c.a = :x'"),
        ),
        (
            "orders/writes.py",
            CHANGE.format("'UPDATE orders SET a = 1 WHERE a IN (SELECT line_id FROM codes)'"),
        ),
        (
            "orders/writes.py",
            CHANGE.format("'INSERT INTO orders (a) VALUES (:x) ON CONFLICT (a) DO UPDATE SET a = 1'"),
        ),
        (
            "analytics/reads.py",
            LOOK.format("'WITH o AS (SELECT a FROM orders) SELECT a FROM o JOIN staff ON true'"),
        ),
        (
            "orders/reads.py",
            LOOK.format("\"SELECT a FROM orders WHERE b = 'what? ::' AND (CAST(:x AS TEXT) IS NULL)\""),
        ),
        ("web/page.py", "label = 'Update the page from time to time'\n"),
    ],
)
def test_a_kept_rule_is_left_alone(file: str, source: str) -> None:
    assert check(source, f"src/kashop/{file}", owners=OWNERS, floors=FLOORS) == []


def test_tables_are_told_apart() -> None:
    sql = """WITH won AS (SELECT a FROM codes)
             DELETE FROM orders WHERE a IN (SELECT a FROM won) AND b <> 'FROM staff' -- FROM skus"""
    assert changed_tables(sql) == {"orders"}
    assert looked_tables(sql) == {"codes"}
