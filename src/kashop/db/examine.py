"""A look at the database itself: is it sound, has it the schema that the migrations make, which library reads it.

Always true: a file is opened read-only, so it is never written or checkpointed, beside a running server too.
"""

import fcntl
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from kashop.db import Place, Reader, dialect, migrate
from kashop.db.engine import postgres
from kashop.db.units import SqliteTx

_SCHEMA = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
_RACE_FROM, _RACE_FIXED = (3, 7, 0), (3, 51, 3)
_BACKPORTS = ((3, 44, 6), (3, 50, 7))
_MARKS, _FIRST_LOCK = 5, 123
_INDEX = struct.Struct(f"=16xI76xI{_MARKS}I")
"""The log's index: the newest page of the log, how many are in the file, where readers stand (sqlite.org/walformat.html, 2.2)."""
_FLOCK = "hhqqi"


class Unreadable(Exception):
    """The file, or something in it, cannot be read."""


class Settings(msgspec.Struct, frozen=True):
    """How the file is kept."""

    journal_mode: str
    pages: int
    page_size: int


def integrity(place: Place) -> str:
    """The first flaw of the file or of its foreign keys; empty when it is sound. A server sees to its own."""
    if not isinstance(place, Path):
        return ""
    with _opened(place) as con:
        try:
            (verdict,) = con.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                return str(verdict)
            orphan = con.execute("PRAGMA foreign_key_check").fetchone()
        except sqlite3.DatabaseError as error:
            return str(error)
    return f"{orphan[0]} row {orphan[1]} points into {orphan[2]}, where nothing is" if orphan else ""


def schema(place: Place) -> str:
    """The first table, index or trigger that is not as the migrations make it; empty when all are.

    Triggers are among them: they are what keeps events and receipts from being changed (I-19).
    """
    if not isinstance(place, Path):
        return str(postgres("postgres_schema").flaw(place, migrate.texts()))
    with sqlite3.connect(":memory:") as fresh:
        for script in migrate.scripts():
            for statement in dialect.statements(script.read_text(encoding="utf-8"), "sqlite"):
                fresh.execute(statement)
        wanted = dict(fresh.execute(_SCHEMA).fetchall())
    fresh.close()
    with _opened(place) as con:
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


class LogState(msgspec.Struct, frozen=True):
    """The write-ahead log: its bytes, and the processes that read what was before its newest page."""

    size: int
    readers: tuple[int, ...]


def log_state(path: Path) -> LogState:
    """How large the log is and who holds it just now. Call it while this process has no connection: to close a file gives up the
    locks on it."""
    log, index = path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
    size = log.stat().st_size if log.exists() else 0
    if not size or not index.exists():
        return LogState(size, ())
    with index.open("rb") as file:
        newest, _, *marks = _INDEX.unpack(file.read(_INDEX.size))
        behind = [n for n, mark in enumerate(marks) if n and mark < newest]
        found = {_holder(file.fileno(), _FIRST_LOCK + n) for n in behind}
    return LogState(size, tuple(sorted(found - {0})))


def _holder(fd: int, at: int) -> int:
    """The process that holds a lock on a byte, or 0."""
    asked = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, 0, at, 1, 0))
    kind, _, _, _, pid = struct.unpack_from(_FLOCK, asked)
    return 0 if kind == fcntl.F_UNLCK else int(pid)


def has_table(place: Place, name: str) -> bool:
    """Whether there is a table: what an older kashop made may lack it. Raises Unreadable."""
    if not isinstance(place, Path):
        return bool(postgres("postgres_schema").has_table(place, name))
    try:
        with _still(place) as con:
            return con.execute("PRAGMA table_info(" + name + ")").fetchone() is not None
    except sqlite3.DatabaseError as error:
        raise Unreadable(str(error)) from error


@contextmanager
def reading(place: Place, *, is_lenient: bool = False) -> Iterator[Reader]:
    """One snapshot for looks; beside a server too, and where nothing may be written.

    `is_lenient` reads text that is none (slower), so that a look can say where it stands. Raises Unreadable.
    """
    now = time.time_ns() // 1_000_000
    if not isinstance(place, Path):
        with postgres("postgres_schema").reading(place, now) as db:
            yield db
        return
    try:
        with _still(place) as con:
            if is_lenient:
                con.text_factory = lambda raw: raw.decode("utf-8", "replace")
            con.execute("BEGIN")
            yield SqliteTx(con, now)
    except sqlite3.DatabaseError as error:
        raise Unreadable(str(error)) from error


@contextmanager
def _still(path: Path) -> Iterator[sqlite3.Connection]:
    """Opened without leaving a trace. Only what somebody has open, going by the log's index, is read as a file that changes."""
    if not path.exists():
        raise FileNotFoundError(2, "No such file", str(path))
    log, index = path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
    if log.exists() and index.exists():
        how = "mode=ro"
    elif log.exists() and log.stat().st_size:
        how = "mode=ro&vfs=unix-none"  # no lock and no index in a file
    else:
        how = "immutable=1"
    con = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=10, isolation_level=None)
    try:
        if "unix-none" in how:
            con.execute("PRAGMA locking_mode=EXCLUSIVE")  # the index in memory
        con.execute("PRAGMA temp_store=MEMORY")
        yield con
    finally:
        con.close()


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
