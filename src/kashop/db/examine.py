"""A look at the SQLite file itself: is it sound, has it the schema that the migrations make, which library reads it.

Always true: it opens read-only, so it never writes and never checkpoints, beside a running server too.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from kashop.db import dialect, migrate

_SCHEMA = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
_RACE_FROM, _RACE_FIXED = (3, 7, 0), (3, 51, 3)
_BACKPORTS = ((3, 44, 6), (3, 50, 7))


class Settings(msgspec.Struct, frozen=True):
    """How the file is kept."""

    journal_mode: str
    pages: int
    page_size: int


def integrity(path: Path) -> str:
    """The first flaw of the file or of its foreign keys; empty when it is sound."""
    with _opened(path) as con:
        try:
            (verdict,) = con.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                return str(verdict)
            orphan = con.execute("PRAGMA foreign_key_check").fetchone()
        except sqlite3.DatabaseError as error:
            return str(error)
    return f"{orphan[0]} row {orphan[1]} points into {orphan[2]}, where nothing is" if orphan else ""


def schema(path: Path) -> str:
    """The first table, index or trigger that is not as the migrations make it; empty when all are.

    Triggers are among them: they are what keeps events and receipts from being changed (I-19).
    """
    with sqlite3.connect(":memory:") as fresh:
        for script in migrate.scripts():
            for statement in dialect.statements(script.read_text(encoding="utf-8"), "sqlite"):
                fresh.execute(statement)
        wanted = dict(fresh.execute(_SCHEMA).fetchall())
    fresh.close()
    with _opened(path) as con:
        found = dict(con.execute(_SCHEMA).fetchall())
    for name, sql in wanted.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != sql:
            return f"{name} was changed"
    return ""


def settings(path: Path) -> Settings:
    """How the file is kept."""
    with _opened(path) as con:
        return Settings(*(con.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "page_count", "page_size")))


def has_checkpoint_race(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite library can lose commits when two connections checkpoint at once (promises V-1)."""
    if version < _RACE_FROM or version >= _RACE_FIXED:
        return False
    return not any(version[:2] == fixed[:2] and version >= fixed for fixed in _BACKPORTS)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    con = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        yield con
    finally:
        con.close()
