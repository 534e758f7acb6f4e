"""One unit of work on a SQLite connection's thread: a look in a snapshot, or a change within a group's transaction.

Always true: a change that fails leaves nothing of itself; what it raised can be told to who waits for it.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from kashop.lib import logs
from kashop.lib.errors import Invalid, Unavailable

T = TypeVar("T")

Unit = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A function and what it is called with."""

MACHINE = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)
"""What the machine refuses, and no statement can help: told as Unavailable. Everything else is a bug."""

log = logs.get_logger("kashop.db")


class Looks:
    """What every engine's unit looks with, by its own way to run a statement."""

    __slots__ = ()

    def _execute(self, sql: str, params: Mapping[str, Any]) -> Any:
        raise NotImplementedError

    def one(self, sql: str, into: type[T], /, **params: Any) -> T | None:
        """The first row, or None."""
        cursor = self._execute(sql, params)
        row = cursor.fetchone()
        return None if row is None else maker(sql, cursor, into)(*row)

    def all(self, sql: str, into: type[T], /, **params: Any) -> list[T]:
        """Every row."""
        cursor = self._execute(sql, params)
        make = maker(sql, cursor, into)
        return [make(*row) for row in cursor]

    def value(self, sql: str, /, **params: Any) -> Any:
        """The first column of the first row, or None."""
        row = self._execute(sql, params).fetchone()
        return None if row is None else row[0]

    def values(self, sql: str, /, **params: Any) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self._execute(sql, params)]


class SqliteTx(Looks):
    """A Reader and Tx over one connection; lives for one unit of work on that connection's thread."""

    __slots__ = ("_con", "kept", "now")

    def __init__(self, con: sqlite3.Connection, now: int, kept: dict[str, Any] | None = None):
        self._con = con
        self.now = now
        self.kept: dict[str, Any] = {} if kept is None else kept

    def run(self, sql: str, /, **params: Any) -> int:
        """Change rows; how many were."""
        try:
            return self._con.execute(sql, params).rowcount
        except OverflowError:
            raise too_large() from None

    def add(self, sql: str, /, **params: Any) -> int:
        """Insert a row whose key the database gives; that key."""
        try:
            return self._con.execute(sql, params).lastrowid or 0
        except OverflowError:
            raise too_large() from None

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]], /) -> int:
        """Run one change for each row of parameters; how many rows were changed."""
        try:
            return self._con.executemany(sql, rows).rowcount
        except OverflowError:
            raise too_large() from None

    def _execute(self, sql: str, params: Mapping[str, Any]) -> sqlite3.Cursor:
        try:
            return self._con.execute(sql, params)
        except OverflowError:
            raise too_large() from None


_checked: set[tuple[str, type]] = set()


def maker(sql: str, cursor: Any, into: type[T]) -> Callable[..., T]:
    """`into`, once its fields are known to be the statement's columns in order."""
    if (sql, into) not in _checked:
        columns = tuple(c[0] for c in cursor.description)
        fields = tuple(getattr(into, "__struct_fields__", None) or into.__dataclass_fields__)  # type: ignore[attr-defined]
        if columns != fields:
            raise TypeError(f"{into.__name__} has fields {fields}, the statement has columns {columns}")
        _checked.add((sql, into))
    return into


def too_large() -> Invalid:
    """What a number beyond 64 bits is refused with."""
    return Invalid.of("", "A number is too large.")


class Failed:
    """What a unit raised, on its way to who waits for it."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException):
        self.error = error


class Undo(Exception):
    """A unit changed something and then failed, and nothing marks where it began: its whole group has to be undone."""


def run_bare(con: sqlite3.Connection, unit: Unit, now: int, kept: dict[str, Any]) -> Any:
    """A change without a savepoint, which costs a copy of every page that it touches: its answer, or why it failed when it had
    changed nothing by then. Raises Undo, and what SQLite gave the whole transaction up for (promises V-5)."""
    fn, args, kwargs = unit
    before = con.total_changes
    try:
        return fn(SqliteTx(con, now, kept), *args, **kwargs)
    except BaseException as error:  # a thread has nobody else to tell: SystemExit here would end the shop
        if not con.in_transaction:
            raise
        if con.total_changes != before:
            raise Undo from error
        return Failed(tellable(error))


def run_marked(con: sqlite3.Connection, unit: Unit, now: int, kept: dict[str, Any]) -> Any:
    """A change in a savepoint: its answer, or why it failed, undone. Raises what SQLite gave the whole transaction up for."""
    fn, args, kwargs = unit
    con.execute("SAVEPOINT unit")
    try:
        answer = fn(SqliteTx(con, now, kept), *args, **kwargs)
    except BaseException as error:
        if not con.in_transaction:
            raise
        con.execute("ROLLBACK TO unit")
        con.execute("RELEASE unit")
        kept.clear()
        return Failed(tellable(error))
    con.execute("RELEASE unit")
    return answer


def tellable(error: BaseException) -> Exception:
    """An error that a Future can carry: no Future takes StopIteration (its waiter would wait for ever), and what is no
    Exception would end the event loop."""
    if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in MACHINE:
        log.error("a unit of work could not write", problem=str(error))
        return Unavailable("The shop cannot write just now: {problem}.", problem=str(error))
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"a unit of work raised {type(error).__name__}")
    wrapped.__cause__ = error
    return wrapped


def look(con: sqlite3.Connection, now: int, fn: Callable[..., T], args: Any, kwargs: Any) -> T:
    """A look in a snapshot of its own."""
    con.execute("BEGIN")
    try:
        return fn(SqliteTx(con, now), *args, **kwargs)
    except (StopIteration, GeneratorExit, KeyboardInterrupt, SystemExit) as error:
        raise tellable(error) from error
    finally:
        if con.in_transaction:
            con.execute("ROLLBACK")
