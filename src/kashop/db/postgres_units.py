"""One unit of work on a PostgreSQL connection: a look in a snapshot, or a change within a group's transaction.

Always true: what the rooms were written for on SQLite they find here: whole numbers of 64 bits, flags as 0 and 1, sums that are
whole numbers; a change that fails leaves nothing of itself.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import AdaptContext
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper, NumericLoader

from kashop.db.dialect import for_postgres
from kashop.db.postgres_wire import Answer, Con
from kashop.db.units import Failed, Looks, Undo, Unit, tellable, too_large
from kashop.lib import logs
from kashop.lib.errors import Invalid, Unavailable

T = TypeVar("T")

AGAIN = (errors.SerializationFailure, errors.DeadlockDetected)
"""Two transactions stood in each other's way: nothing of this one stays, and it may be run again."""

LOST = (psycopg.OperationalError, psycopg.InterfaceError)
"""The way to the server, or the server."""

MACHINE = (
    *LOST,
    errors.InsufficientPrivilege,
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
)
"""What the server or the way to it refuses, and no statement can help: told as Unavailable. Everything else is a bug."""

log = logs.get_logger("kashop.db")


class _Flag(Int8Dumper):
    def dump(self, obj: Any) -> Any:
        return super().dump(int(obj))


class _Whole(NumericLoader):
    def load(self, data: Any) -> Any:
        number = super().load(data)
        return int(number) if number == number.to_integral_value() else float(number)


def adapt(context: AdaptContext) -> None:
    """Let a connection, or all of a pool, speak of numbers as the rooms do: SUM of BIGINT is NUMERIC there."""
    context.adapters.register_dumper(int, Int8Dumper)
    context.adapters.register_dumper(bool, _Flag)
    context.adapters.register_loader("numeric", _Whole)


class PostgresTx(Looks):
    """A Reader and Tx over one connection; lives for one unit of work on the thread that has the connection."""

    __slots__ = ("_con", "_wire", "has_changed", "kept", "now")

    def __init__(self, con: Con, now: int, kept: dict[str, Any] | None = None):
        self._con, self._wire = con, con.wire
        self.now = now
        self.kept: dict[str, Any] = {} if kept is None else kept
        self.has_changed = False

    def run(self, sql: str, /, **params: Any) -> int:
        """Change rows; how many were."""
        return self._execute(sql, params).rowcount

    def add(self, sql: str, /, **params: Any) -> int:
        """Insert a row whose key the database gives; that key, which the statement's hint names."""
        row = self._execute(sql, params).fetchone()
        return 0 if row is None else int(row[0])

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]], /) -> int:
        """Run one change for each row of parameters; how many rows were changed."""
        self.has_changed = True
        with self._con.cursor() as cursor:
            _checked(cursor.executemany, for_postgres(sql), list(rows))
            return max(cursor.rowcount, 0)

    def _execute(self, sql: str, params: Mapping[str, Any]) -> Answer:
        answer = _checked(self._wire.execute, sql, params)
        if not answer.is_look:
            self.has_changed = True
        return answer


def _checked(execute: Callable[..., T], *args: Any) -> T:
    try:
        return execute(*args)
    except errors.NumericValueOutOfRange:
        raise too_large() from None
    except (errors.CharacterNotInRepertoire, errors.UntranslatableCharacter, psycopg.DataError) as error:
        if "NUL" in str(error) or "0x00" in str(error):
            raise Invalid.of("", "The text has a character that cannot be kept.") from None
        raise


def is_broken(con: Con, error: BaseException) -> bool:
    """Whether the transaction cannot go on: its group is undone as a whole."""
    return (
        isinstance(error, AGAIN)
        or con.broken
        or con.info.transaction_status
        not in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
        )
    )


def run_bare(con: Con, unit: Unit, now: int, kept: dict[str, Any]) -> Any:
    """A change without a savepoint: its answer, or why it failed when it had changed nothing by then. Raises Undo, and what
    ended the transaction."""
    fn, args, kwargs = unit
    tx = PostgresTx(con, now, kept)
    try:
        return fn(tx, *args, **kwargs)
    except BaseException as error:  # a thread has nobody else to tell: SystemExit here would end the shop
        if is_broken(con, error):
            raise
        if tx.has_changed or con.info.transaction_status is TransactionStatus.INERROR:
            raise Undo from error
        return Failed(tell(error))


def run_marked(con: Con, unit: Unit, now: int, kept: dict[str, Any]) -> Any:
    """A change in a savepoint: its answer, or why it failed, undone. Raises what ended the transaction."""
    fn, args, kwargs = unit
    con.wire.command(b"SAVEPOINT unit")
    try:
        answer = fn(PostgresTx(con, now, kept), *args, **kwargs)
    except BaseException as error:
        if is_broken(con, error):
            raise
        con.wire.command(b"ROLLBACK TO SAVEPOINT unit")
        con.wire.command(b"RELEASE SAVEPOINT unit")
        kept.clear()
        return Failed(tell(error))
    con.wire.command(b"RELEASE SAVEPOINT unit")
    return answer


def look(con: Con, now: int, fn: Callable[..., T], args: Any, kwargs: Any) -> T:
    """A look in a snapshot of its own."""
    con.wire.command(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        return fn(PostgresTx(con, now), *args, **kwargs)
    except (StopIteration, GeneratorExit, KeyboardInterrupt, SystemExit) as error:
        raise tell(error) from error
    finally:
        if not con.closed and con.info.transaction_status is not TransactionStatus.IDLE:
            con.wire.command(b"ROLLBACK")


def tell(error: BaseException) -> Exception:
    """An error that a Future can carry; what the server refused is Unavailable."""
    if isinstance(error, MACHINE):
        log.error("a unit of work could not write", problem=said(error))
        return Unavailable("The shop cannot write just now: {problem}.", problem=plainly(error))
    return tellable(error)


def plainly(error: BaseException) -> str:
    """What a buyer may read of it: no host, no table."""
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return "its database is a standby"
    if isinstance(error, errors.InsufficientPrivilege):
        return "its role in the database lacks a right"
    return "the database's disk is full" if isinstance(error, errors.DiskFull) else "the database does not answer"


def said(error: BaseException) -> str:
    """The first line of what the driver says: further ones may quote the statement's values."""
    return (str(error).splitlines() or [type(error).__name__])[0]
