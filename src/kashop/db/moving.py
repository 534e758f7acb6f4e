"""All rows of a SQLite file into an empty PostgreSQL, and the proof that both hold the same.

Always true: the rows come in one transaction, so that a move that dies leaves nothing; nothing of the file is changed; whether
both hold the same is told by what is read back from each, not by what was sent.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, LiteralString

import msgspec
import psycopg

from kashop.db import migrate
from kashop.db.postgres_door import connected
from kashop.db.postgres_units import said
from kashop.db.postgres_wire import Con
from kashop.lib.errors import Conflict, Unavailable

Told = Callable[[str, int], None]
"""Hears of every table, and how many rows it has."""

_OWN = frozenset({"_sqlite_migrations", "versions"})
"""What each engine keeps for itself: which migrations it has, and how often its own triggers counted a change."""

_CHUNK = 1000

_encode = msgspec.msgpack.Encoder().encode


class Differs(Conflict):
    """The two do not hold the same."""

    code = "differs"


def copy(path: Path, address: str, told: Told) -> None:
    """Copy every row. Raises Conflict where something stands already, Unavailable when the server or a row refuses."""
    migrate.apply(address)
    with connected(address) as con, _opened(path) as file:
        if con.execute("SELECT COUNT(*) FROM settings").fetchone() != (0,):
            raise Conflict("There is a shop at that address already: choose an empty database.", code="not_empty")
        tables = _in_order(file)
        try:
            with con.transaction():
                con.execute("ALTER TABLE codes DISABLE TRIGGER USER")  # codes that no rotation could read keep their old key
                for table in reversed(tables):
                    con.execute(_sql("DELETE FROM {}", table))
                for table in tables:
                    told(table, _copy(file, con, table))
                con.execute("ALTER TABLE codes ENABLE TRIGGER USER")
                _set_sequences(con)
            con.execute("ANALYZE")  # else statements are planned, and kept, for tables that seem empty
        except psycopg.Error as error:
            raise Unavailable("The database refused it: {problem}.", problem=said(error)) from error


def compare(path: Path, address: str) -> dict[str, int]:
    """How many rows each table has. Raises Differs, naming the first table that is not the same on both sides."""
    with connected(address) as con, _opened(path) as file:
        counts = {}
        for table in _in_order(file):
            columns = ", ".join(_columns(file, table))
            here = _digest(file.execute(f"SELECT {columns} FROM {table}"))
            with con.transaction(), con.cursor(f"compare_{table}") as cursor:
                cursor.itersize = _CHUNK
                there = _digest(iter(cursor.execute(_sql("SELECT {} FROM {}", columns, table))))
            if here != there:
                raise Differs("{table} is not the same on both sides.", table=table)
            counts[table] = here[0]
        return counts


def _opened(path: Path) -> Any:
    from contextlib import closing

    return closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10))


def _in_order(file: sqlite3.Connection) -> list[str]:
    """Every table, behind those that it points to."""
    names = [n for (n,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    needs = {n: {row[2] for row in file.execute(f"PRAGMA foreign_key_list({n})")} - {n} for n in names if n not in _OWN}
    order: list[str] = []
    while needs:
        ready = sorted(n for n, pointed in needs.items() if not pointed - set(order))
        if not ready:
            raise RuntimeError(f"tables point at each other: {sorted(needs)}")
        order += ready
        needs = {n: pointed for n, pointed in needs.items() if n not in ready}
    return order


def _columns(file: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in file.execute(f"PRAGMA table_info({table})")]


def _copy(file: sqlite3.Connection, con: Con, table: str) -> int:
    columns = ", ".join(_columns(file, table))
    count = 0
    with con.cursor() as cursor, cursor.copy(_sql("COPY {} ({}) FROM STDIN", table, columns)) as into:
        for row in file.execute(f"SELECT {columns} FROM {table} ORDER BY rowid"):
            into.write_row(row)
            count += 1
    return count


def _set_sequences(con: Con) -> None:
    """New rows get keys beyond those that came."""
    sql = """SELECT table_name, column_name FROM information_schema.columns
             WHERE table_schema = current_schema() AND is_identity = 'YES'"""
    for table, column in con.execute(sql).fetchall():
        con.execute(_sql("SELECT setval(pg_get_serial_sequence('{}', '{}'), MAX({})) FROM {}", table, column, column, table))


def _digest(rows: Iterator[Any]) -> tuple[int, int]:
    """How many, and a sum of their hashes that minds no order: the engines sort text each in its own way."""
    count = total = 0
    for row in rows:
        count += 1
        total += int.from_bytes(hashlib.sha256(_encode(tuple(row))).digest())
    return count, total % 2**256


def _sql(text: str, *names: str) -> LiteralString:
    """A statement about tables of our own, whose names are no parameters."""
    return text.format(*names)
