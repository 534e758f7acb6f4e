"""Whoever takes the first few rows, or works through rows in their order, finds one order on every engine (promises, I-50)."""

import sqlite3
from collections.abc import Iterator

import pytest

from kashop.db import migrate
from tests.house import orderings, tree
from tests.house.orderings import Keys
from tests.house.statements import Statement, find

WITNESS = "any one that is found is as good"
AGE = "whichever is forgotten first, all go"
ONE = "at most one row"
SET = "asked for as a set or a dict"

ANY = {
    "analytics": WITNESS,
    "notices/reads.py has_due": WITNESS,
    "payments/differences/reads.py has_open": WITNESS,
    "payments/statements/reads.py is_used": WITNESS,
    "notices/writes.py forget": AGE,
    "orders/writes.py forget_keys": AGE,
    "risk/writes.py forget_spent": AGE,
    "payments/statements/writes.py drop_replaced": AGE,
    "orders/unpaid/reads.py ended": "lines of one order, which are counted",
    "stress/reads.py orders": "orders of one line each",
    "payments/statements/reads.py _of_attempts": "one row for each receipt",
    "vault/rotation/reads.py newest_keys": "one row for each product",
}
"""Sorted or cut short, and yet in any order: by room, file or function."""

UNSORTED = {
    "accounts/roles/reads.py head_counts": SET,
    "analytics/money/reads.py _miscounted": WITNESS,
    "catalog/writes.py _check_parent": ONE,
    "inventory/codelist/reads.py _skus": SET,
    "inventory/reads.py channel_pools": SET,
    "inventory/reads.py known_codes": SET,
    "inventory/writes.py sell": "sorted there",
    "orders/unpaid/reads.py held_by": SET,
    "orders/unpaid/reads.py shelves": SET,
    "orders/unpaid/reads.py kept_for_paid": SET,
    "orders/writes.py add_money": ONE,
    "payments/differences/reads.py count_open": SET,
    "payments/statements/reads.py our_sums": SET,
    "payments/statements/reads.py _receipts": SET,
    "payments/statements/reads.py _attempts": SET,
    "payments/statements/reads.py _refunds": SET,
    "payments/statements/reads.py _vendor_refunds": SET,
    "settings/reads.py settings": SET,
    "settings/reads.py changes": SET,
    "shelf/reads.py snapshot": SET,
    "stress/reads.py codes": SET,
}
"""Lists that are not sorted, and why nobody can tell."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    path = tmp_path_factory.mktemp("orderings") / "shop.db"
    migrate.apply(path)
    con = sqlite3.connect(path)
    yield orderings.keys_of(con)
    con.close()


def all_statements() -> list[Statement]:
    return [s for path in tree.sources() for s in find(path.read_text(encoding="utf-8"), tree.short(path)) if s.sql is not None]


def named(s: Statement) -> set[str]:
    file = s.file.partition("/kashop/")[2]
    return {s.room, file, f"{file} {s.function}"}


def test_the_first_few_are_the_same_on_every_engine(keys: Keys) -> None:
    found = {s.at: orderings.loose(keys, s.sql or "") for s in all_statements() if not named(s) & ANY.keys()}
    assert not {at: texts for at, texts in found.items() if texts}


def test_rows_come_in_the_same_order_on_every_engine() -> None:
    lists = [s for s in all_statements() if s.method in ("all", "values") and "ORDER BY" not in (s.sql or "")]
    assert [s.at for s in lists if not named(s) & UNSORTED.keys()] == []


def test_every_allowance_is_needed(keys: Keys) -> None:
    loose = {name for s in all_statements() if orderings.loose(keys, s.sql or "") for name in named(s)}
    assert ANY.keys() <= loose
    assert UNSORTED.keys() <= {name for s in all_statements() if "ORDER BY" not in (s.sql or "") for name in named(s)}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT order_id FROM orders WHERE status = 'pending' ORDER BY expires_at LIMIT :limit",
        "SELECT order_id FROM orders WHERE client = :client LIMIT 5",
        "SELECT e.seq, l.sku_id FROM events e JOIN order_lines l ON l.order_id = e.object_id ORDER BY e.seq",
        "SELECT l.line_id FROM order_lines l JOIN orders o ON o.order_id = l.order_id ORDER BY o.order_no",
        "SELECT day FROM statement_days ORDER BY gateway_id",
        "SELECT status FROM orders GROUP BY status, currency ORDER BY status",
        "UPDATE codes SET status = 'held' WHERE code_id IN (SELECT code_id FROM codes WHERE status = 'free' LIMIT :n)",
        "SELECT order_id FROM orders WHERE (order_no = :a OR client = :b) ORDER BY paid_at",
        "SELECT order_id, paid_at FROM orders UNION ALL SELECT order_id, paid_at FROM orders ORDER BY paid_at LIMIT 9",
        "SELECT code_id FROM codes WHERE released_fingerprint = :f ORDER BY changed_at DESC LIMIT 1",
    ],
)
def test_an_order_that_is_left_to_the_engine_is_seen(keys: Keys, sql: str) -> None:
    assert orderings.loose(keys, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT order_id FROM orders WHERE status = 'pending' ORDER BY expires_at, order_id LIMIT :limit",
        "SELECT l.quantity, o.status FROM order_lines l JOIN orders o ON o.order_id = l.order_id ORDER BY l.line_id DESC",
        "SELECT status FROM orders WHERE order_no = :no ORDER BY paid_at",
        "SELECT method, epoch FROM vault_keys k JOIN vault_roots r ON r.root_id = 1 WHERE k.product_id = :p ORDER BY k.epoch",
        "SELECT status FROM orders GROUP BY status, currency ORDER BY currency, status",
        "SELECT actor_ref FROM events WHERE actor_ref > :after ORDER BY actor_ref LIMIT 1",
        "SELECT 1 FROM orders WHERE order_id IN (SELECT order_id FROM receipts ORDER BY receipt_id LIMIT 5)",
        "SELECT COUNT(*) FROM orders",
    ],
)
def test_an_order_by_a_key_is_taken(keys: Keys, sql: str) -> None:
    assert not orderings.loose(keys, sql)
