"""Migrations: forward only, each in its own transaction with the record of it; of a SQLite file through sqlite-utils.

A schema that this program does not know (a newer kashop wrote it) refuses to start.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from kashop.db import Place, dialect
from kashop.db.engine import postgres
from kashop.db.locks import WriteLock
from kashop.lib import where
from kashop.lib.errors import Unavailable

if TYPE_CHECKING:
    from sqlite_utils import Database

OWN = "kashop"
"""Whose migrations they are, in sqlite-utils' own table of them."""


def scripts() -> list[Path]:
    """Every migration, in order."""
    return sorted(where.shipped("migrations").glob("[0-9]*.sql"))


def pending(place: Place) -> list[str]:
    """The names of the migrations that a database still lacks; changes nothing.

    Raises Unavailable when it knows a migration that this program does not, or does not answer.
    """
    names = [script.stem for script in scripts()]
    applied = _applied(place) if isinstance(place, Path) else postgres("postgres_schema").applied(place)
    if unknown := applied - set(names):
        raise Unavailable(
            "This database was written by a newer kashop (it has {names}): upgrade the program, or restore a backup.",
            names=", ".join(sorted(unknown)),
        )
    return [name for name in names if name not in applied]


def apply(place: Place) -> list[str]:
    """Bring a database to this program's schema; the names of what was applied. A file only while no server runs on it.

    Of several processes at once, one does it and the others find it done.
    """
    if not isinstance(place, Path):
        return list(postgres("postgres_schema").apply(place, texts())) if pending(place) else []
    with closing(WriteLock(place.parent)) as lock, lock:
        todo = pending(place)
        with closing(sqlite3.connect(place)) as con:
            con.execute("PRAGMA journal_mode=WAL")
        if todo:
            _apply(place)
    return todo


def texts() -> dict[str, str]:
    """Every migration's text by its name, in order."""
    return {path.stem: path.read_text(encoding="utf-8") for path in scripts()}


def _applied(path: Path) -> set[str]:
    """What sqlite-utils has noted. Without sqlite-utils: nearly every start finds nothing to do (decision 0038)."""
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as con:
        if not con.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlite_migrations'").fetchone():
            return set()
        rows = con.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = :own", {"own": OWN})
        return {name for (name,) in rows}


def _apply(path: Path) -> None:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    migrations = Migrations(OWN)
    for script in scripts():
        migrations(name=script.stem)(_migration(script))
    db = Database(path)
    try:
        db.conn.execute("PRAGMA synchronous=FULL")
        migrations.apply(db)
    finally:
        db.close()


def _migration(path: Path) -> "Callable[[Database], None]":
    def run(db: "Database") -> None:
        for statement in dialect.statements(path.read_text(encoding="utf-8"), "sqlite"):
            db.conn.execute(statement)

    run.__name__ = path.stem
    return run
