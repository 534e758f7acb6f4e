"""Migrations of the SQLite file, through sqlite-utils: forward only, each in its own transaction with the record of it.

A schema that this program does not know (a newer kashop wrote it) refuses to start.
"""

from collections.abc import Callable
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from kashop.db import dialect
from kashop.lib import where
from kashop.lib.errors import Unavailable


def scripts() -> list[Path]:
    """Every migration, in order."""
    return sorted(where.shipped("migrations").glob("[0-9]*.sql"))


def pending(path: Path) -> list[str]:
    """The names of the migrations that the file at `path` still lacks; changes nothing.

    Raises Unavailable when the file knows a migration that this program does not.
    """
    known = _all()
    if not path.exists():
        return [script.stem for script in scripts()]
    db = Database(path)
    try:
        applied = {m.name for m in known.applied(db)}
        unknown = applied - {p.stem for p in scripts()}
        if unknown:
            raise Unavailable(
                "This database was written by a newer kashop (it has {names}): upgrade the program, or restore a backup.",
                names=", ".join(sorted(unknown)),
            )
        return [m.name for m in known.pending(db)]
    finally:
        db.close()


def apply(path: Path) -> list[str]:
    """Bring the file at `path` to this program's schema; the names of what was applied. Only while no server runs on it."""
    todo = pending(path)
    db = Database(path)
    try:
        db.conn.execute("PRAGMA journal_mode=WAL")
        db.conn.execute("PRAGMA synchronous=FULL")
        _all().apply(db)
    finally:
        db.close()
    return todo


def _all() -> Migrations:
    migrations = Migrations("kashop")
    for path in scripts():
        migrations(name=path.stem)(_migration(path))
    return migrations


def _migration(path: Path) -> Callable[[Database], None]:
    def run(db: Database) -> None:
        for statement in dialect.statements(path.read_text(encoding="utf-8"), "sqlite"):
            db.conn.execute(statement)

    run.__name__ = path.stem
    return run
