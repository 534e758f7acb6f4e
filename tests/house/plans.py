"""Which statements may not get slower with the years, and how that is seen in their plans.

Complete by construction: every statement of the tree, but those of `ALLOWED`, each with the reason why it may read much. A table
grows unless `BOUNDED` says what bounds it.
"""

import re
import sqlite3
from pathlib import Path

BOUNDED = {
    "by the catalogue": {"categories", "products", "skus", "price_tiers", "pools", "pool_channels", "stock_counts"},
    "by the shop's people": {
        "staff",
        "sessions",
        "login_links",
        "roles",
        "invitations",
        "totp_seeds",
        "recovery_codes",
        "pending_logins",
        "password_resets",
        "login_networks",
        "login_alerts",
        "login_counts",
        "approvals",
    },
    "by what is configured": {
        "settings",
        "plugin_data",
        "gateways",
        "suppliers",
        "supplier_products",
        "supplier_keys",
        "import_keys",
        "job_runs",
        "node_numbers",
        "vault_roots",
        "vault_keys",
        "vault_state",
        "vault_doors",
        "vault_letters",
        "audit_signers",
        "versions",
        "nodes",
        "_sqlite_migrations",
    },
    "by rotations and days": {"rotations", "rotation_unreadable", "statement_days", "statements", "intake"},
}

OPEN = {
    "order_exceptions_open",
    "order_exceptions_open_id",
    "order_exceptions_kind",
    "differences_still_open",
    "audit_checkpoints_mailed",
    "audit_checkpoints_acknowledged",
}
"""Partial indexes that hold what is open, or one a day."""

WHOLE = "reads everything, and says so: kashop check"
FEW = "sorts the few rows of one order or one line"
DAY = "works through a day's statement"

ALLOWED = {
    "analytics/money/reads.py": WHOLE,
    "analytics/refunds/reads.py": WHOLE,
    "analytics/river/reads.py": WHOLE,
    "analytics/sales/reads.py": WHOLE,
    "analytics/seals/reads.py": WHOLE,
    "analytics/stated/reads.py": WHOLE,
    "analytics/stock/reads.py": WHOLE,
    "audit/chain/reads.py count_personal": "reads everything, and says so: kashop audit verify",
    "inventory/seals/reads.py count_all": "once before and after a rotation, on a reader",
    "inventory/seals/reads.py count_of_product": "once before and after a rotation, on a reader",
    "orders/reads.py count_lines_of": "when a product is taken away: on a reader, the writer counts what came since",
    "analytics/reads.py day": "reads the orders of a few days",
    "inventory/reads.py known_codes": "the scan has no row: it gives a parameter its type",
    "inventory/reads.py undone_batches_held": FEW,
    "payments/reads.py orders_of_number": FEW,
    "payments/reads.py callbacks_of_order": FEW,
    "orders/reads.py open_of_kind": "sorts what is open of one kind",
    "payments/differences/reads.py differences": "sorts the differences of one day",
    "payments/statements/reads.py": DAY,
    "payments/refunding/reads.py ahead": FEW,
    "payments/differences/reads.py count_open": "sorts what is open",
    "payments/differences/reads.py stated_meanwhile": "sorts what is open",
    "payments/writes.py odd_cents": "takes away what is over, each once",
    "notices/reads.py": "notices are kept for a limited time",
    "notices/writes.py": "notices are kept for a limited time",
    "stress/reads.py": "looks through a throw-away copy, once",
    "orders/unpaid/reads.py kept_for_paid": "sums what is paid and not delivered yet",
    "supply/reads.py batches": "suppliers' sealed batches: some a day, and asked for by hand",
    "supply/reads.py count_bound_to": "suppliers' sealed batches: some a day, and asked for by hand",
}
"""By file, or by file and function."""

_ALIASES = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)\s+(?:AS\s+)?(\w+)")
_OPEN_ENDED = re.compile(r"\(\w+[<>]\?\)")
_INDEX = re.compile(r"USING (?:COVERING )?INDEX (\w+)")


def grows(table: str) -> bool:
    """Whether a table has the more rows the longer a shop sells."""
    return not any(table in tables for tables in BOUNDED.values())


def is_allowed(file: str, function: str) -> bool:
    """Whether a statement may read much; `file` is its path below src/kashop."""
    return file in ALLOWED or f"{file} {function}" in ALLOWED


def slow_steps(con: sqlite3.Connection, sql: str, plan: list[str]) -> list[str]:
    """The steps that take the longer the more rows there are: a whole table or index read, a sort, an index made for the day."""
    tables = {name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    named = {alias: table for table, alias in _ALIASES.findall(sql) if table in tables}
    growing = {table for table in tables if grows(table) and re.search(rf"\b{table}\b", sql)}
    sorts = [step for step in plan if "TEMP B-TREE" in step]
    found = sorts if growing else []
    for step in plan:
        table = step.split()[1] if step.startswith("SCAN ") else ""
        index = _INDEX.search(step)
        is_first_few = " LIMIT " in sql and " WHERE " not in sql and not sorts
        if named.get(table, table) in growing and not is_first_few and not (index and index.group(1) in OPEN):
            found.append(step)
        if "AUTOMATIC" in step and growing:
            found.append(step)
        if _OPEN_ENDED.search(step) and " LIMIT " not in sql and named.get(step.split()[1], step.split()[1]) in growing:
            found.append(step)
    return found


def with_statistics(con: sqlite3.Connection) -> None:
    """As if somebody had run ANALYZE in a shop of half a million orders."""
    con.execute("ANALYZE")
    rows = [line.split("|") for line in Path(__file__).with_name("statistics.txt").read_text(encoding="utf-8").splitlines()]
    indexes = {name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    con.execute("DELETE FROM sqlite_stat1")
    con.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", [r for r in rows if r[1] in indexes])
    con.execute("ANALYZE sqlite_master")
