"""SQLite: one writer that commits in groups, and a pool of readers.

Always true: WAL with `synchronous=FULL`; the writer's connection is the only one that writes or checkpoints (readers are
`query_only`); an answer is given only after the COMMIT that holds it has returned; a unit that fails is undone alone; a
COMMIT that fails is an unknown outcome, after which the writer reopens and commits something small before it takes another
unit (promises V-1 to V-6).
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import structlog

from kashop.db import Reader, Tx
from kashop.db.connections import Connection, connect
from kashop.db.locks import WriteLock
from kashop.db.queue import Queue
from kashop.lib.clock import Clock
from kashop.lib.errors import Invalid, Refusal, Unavailable, UnknownOutcome

T = TypeVar("T")
P = ParamSpec("P")

CHECKPOINT_PAGES = 8000
"""32 MiB of log: an import touches a page of the fingerprints' index with every row, and copied each back after every chunk.
It is copied back within a COMMIT, some 100 ms long, for which buyers wait: so most of it is done before, while nobody does."""

CHECKPOINT_GROUPS = 64
"""After so many commits the log is copied back as soon as no unit waits: a few milliseconds each time."""

WRITER_CACHE = "PRAGMA cache_size=-16000"

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

log = structlog.get_logger("kashop.db")


class SqliteTx:
    """A Reader and Tx over one connection; lives for one unit of work on that connection's thread."""

    __slots__ = ("_con", "now")

    def __init__(self, con: sqlite3.Connection, now: int):
        self._con = con
        self.now = now

    def one(self, sql: str, into: type[T], /, **params: Any) -> T | None:
        """The first row, or None."""
        cursor = self._execute(sql, params)
        row = cursor.fetchone()
        return None if row is None else _maker(sql, cursor, into)(*row)

    def all(self, sql: str, into: type[T], /, **params: Any) -> list[T]:
        """Every row."""
        cursor = self._execute(sql, params)
        make = _maker(sql, cursor, into)
        return [make(*row) for row in cursor]

    def value(self, sql: str, /, **params: Any) -> Any:
        """The first column of the first row, or None."""
        rows = self._execute(sql, params).fetchall()
        return rows[0][0] if rows else None

    def values(self, sql: str, /, **params: Any) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self._execute(sql, params)]

    def run(self, sql: str, /, **params: Any) -> int:
        """Change rows; how many were."""
        return self._execute(sql, params).rowcount

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]], /) -> int:
        """Run one change for each row of parameters; how many rows were changed."""
        try:
            return self._con.executemany(sql, rows).rowcount
        except OverflowError:
            raise _too_large() from None

    def _execute(self, sql: str, params: Mapping[str, Any]) -> sqlite3.Cursor:
        try:
            return self._con.execute(sql, params)
        except OverflowError:
            raise _too_large() from None


_checked: set[tuple[str, type]] = set()


def _maker(sql: str, cursor: sqlite3.Cursor, into: type[T]) -> Callable[..., T]:
    """`into`, once its fields are known to be the statement's columns in order."""
    if (sql, into) not in _checked:
        columns = tuple(c[0] for c in cursor.description)
        fields = tuple(getattr(into, "__struct_fields__", None) or into.__dataclass_fields__)  # type: ignore[attr-defined]
        if columns != fields:
            raise TypeError(f"{into.__name__} has fields {fields}, the statement has columns {columns}")
        _checked.add((sql, into))
    return into


def _too_large() -> Invalid:
    return Invalid.of("", "A number is too large.")


@dataclass(slots=True)
class _Unit:
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    done: "asyncio.Future[Any]"


class _Failed:
    __slots__ = ("error",)

    def __init__(self, error: BaseException):
        self.error = error


class SqliteDb:
    """The shop's database file. Make one with `await SqliteDb.open(…)`."""

    def __init__(self, path: Path, clock: Clock, *, readers: int):
        self.path = path
        self._clock = clock
        self._reader_count = readers
        self._lock = WriteLock(path.parent)
        self._writer: Connection | None = None
        self._idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self._readers: list[Connection] = []
        self._queue: Queue[_Unit] = Queue()
        self._drain: asyncio.Task[None] | None = None
        self._is_closing = False
        self.problem = ""
        """Why the writer takes no units just now; empty when it does."""
        self.groups = 0
        self.units = 0
        self._copied_at = 0
        self._under_way = 0
        self._told: list[Callable[[], None]] = []

    @classmethod
    async def open(cls, path: Path, clock: Clock, *, readers: int = 2) -> "SqliteDb":
        """Open an existing, migrated file."""
        db = cls(path, clock, readers=readers)
        await db._connect()
        return db

    async def read(self, fn: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a look in one snapshot on a reader's thread."""
        if self._is_closing:
            raise Unavailable("The shop is stopping. Please try again in a moment.")
        reader = await self._idle.get()
        try:
            return await asyncio.shield(reader.run(_look, self._clock.now(), fn, args, kwargs))
        finally:
            self._idle.put_nowait(reader)

    async def write(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a change in the next group; returns after its COMMIT. A cancelled caller does not cancel the change."""
        if self.problem or self._is_closing:
            raise Unavailable("The shop cannot write just now: {problem}.", problem=self.problem or "it is stopping")
        unit = _Unit(fn, args, kwargs, asyncio.get_running_loop().create_future())
        self._queue.put(unit)
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._drain_groups())
        return cast(T, await asyncio.shield(unit.done))

    @property
    def waiting(self) -> int:
        """How many changes wait for the writer or are under way."""
        return len(self._queue) + self._under_way

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this on the event loop whenever a group was committed."""
        self._told.append(call)

    async def close(self) -> None:
        """Finish what is queued, checkpoint, and let go of the files."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._drain is not None:
            await self._drain
        await self._disconnect()
        self._lock.close()

    async def _drain_groups(self) -> None:
        while group := self._queue.take():
            unknown, self._under_way = False, len(group)
            try:
                assert self._writer is not None
                answers, seconds = await self._writer.run(self._commit_group, [(u.fn, u.args, u.kwargs) for u in group])
                self._queue.took(len(group), seconds)
            except UnknownOutcome as outcome:
                log.critical("a commit failed: its outcome is unknown", problem=outcome.text())
                answers, unknown = [_Failed(outcome)] * len(group), True
            except Exception as error:  # the group was undone as a whole: a full disk, a lock that did not come
                log.exception("write group failed")
                refused = Unavailable("The shop cannot write just now: {problem}.", problem=str(error))
                answers = [_Failed(refused)] * len(group)
            self.groups += 1
            self.units += len(group)
            self._under_way = 0
            if unknown:
                self.problem = "a commit could not be confirmed"
            for unit, answer in zip(group, answers, strict=True):
                _answer(unit.done, answer)
            if unknown:
                await self._recover()
                continue
            self._tell()
            if not self._queue and self.groups >= self._copied_at + CHECKPOINT_GROUPS:
                self._copied_at = self.groups
                await self._copy_back()

    def _tell(self) -> None:
        for call in self._told:
            try:
                call()
            except Exception:
                log.exception("who wanted to know of a commit failed")

    async def _copy_back(self) -> None:
        """Checkpoint what the log holds. A failure costs nothing: the log stays, and the next one tries again."""
        assert self._writer is not None
        try:
            await self._writer.run(self._checkpoint)
        except (sqlite3.Error, OSError) as error:
            log.warning("the log could not be copied back", problem=str(error))

    def _checkpoint(self, con: sqlite3.Connection) -> None:
        with self._lock:
            con.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _commit_group(self, con: sqlite3.Connection, group: list[tuple[Any, ...]]) -> tuple[list[Any], float]:
        """On the writer's thread: every unit in its savepoint, then one COMMIT; the answers, and how long it took."""
        started = time.perf_counter()
        with self._lock:
            con.execute("BEGIN IMMEDIATE")
            try:
                answers = [_run_unit(con, self._clock.now(), *unit) for unit in group]
            except BaseException:
                if con.in_transaction:  # not so after a full disk: SQLite has rolled back already (promises V-5)
                    con.execute("ROLLBACK")
                raise
            try:
                con.execute("COMMIT")
            except sqlite3.Error as error:
                raise UnknownOutcome(
                    "The shop could not confirm this change ({problem}). Retry with the same key to learn its outcome.",
                    problem=str(error),
                ) from error
        return answers, time.perf_counter() - started

    async def _recover(self) -> None:
        """Reopen the writer and commit something small, so that the frames of the failed commit are overwritten and what
        everyone sees is what the log holds. Until that succeeds no unit is taken; readers go on all the while."""
        refused = Unavailable("The shop cannot write just now: {problem}.", problem=self.problem)
        for unit in self._queue.drop():
            _answer(unit.done, _Failed(refused))
        attempt = 0
        while not self._is_closing:
            attempt += 1
            try:
                await self._reopen_writer()
                self.problem = ""
                log.warning("the writer works again", attempt=attempt)
                return
            except (sqlite3.Error, OSError) as error:
                log.error("the writer does not work yet", attempt=attempt, error=repr(error))
                await asyncio.sleep(min(0.1 * 2**attempt, 5))

    async def _reopen_writer(self) -> None:
        await self._close_writer()
        self._writer = await connect(self.path, f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}", WRITER_CACHE)
        await self._writer.run(self._prove)

    def _prove(self, con: sqlite3.Connection) -> None:
        """On the writer's thread: one durable commit."""
        with self._lock:
            con.execute("BEGIN IMMEDIATE")
            (version,) = con.execute("PRAGMA user_version").fetchone()
            con.execute(f"PRAGMA user_version = {(version + 1) % 2**31}")
            con.execute("COMMIT")

    async def _connect(self) -> None:
        self._writer = await connect(self.path, f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}", WRITER_CACHE)
        for _ in range(self._reader_count):
            reader = await connect(self.path, "PRAGMA wal_autocheckpoint=0", "PRAGMA query_only=1")
            self._readers.append(reader)
            self._idle.put_nowait(reader)

    async def _disconnect(self) -> None:
        readers, self._readers = self._readers, []
        for _ in readers:
            reader = await self._idle.get()
            await reader.close()
        await self._close_writer()

    async def _close_writer(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            await writer.run(self._close_alone)
            await writer.close()

    def _close_alone(self, con: sqlite3.Connection) -> None:
        """The last connection to close checkpoints: do that under the lock, like every checkpoint."""
        with self._lock:
            con.close()


def _run_unit(con: sqlite3.Connection, now: int, fn: Callable[..., T], args: Any, kwargs: Any) -> T | _Failed:
    con.execute("SAVEPOINT unit")
    try:
        answer = fn(SqliteTx(con, now), *args, **kwargs)
    except BaseException as error:  # a thread has nobody else to tell: SystemExit here would end the shop
        if not con.in_transaction:
            raise
        con.execute("ROLLBACK TO unit")
        con.execute("RELEASE unit")
        return _Failed(_tellable(error))
    con.execute("RELEASE unit")
    return answer


def _tellable(error: BaseException) -> Exception:
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


def _look(con: sqlite3.Connection, now: int, fn: Callable[..., T], args: Any, kwargs: Any) -> T:
    con.execute("BEGIN")
    try:
        return fn(SqliteTx(con, now), *args, **kwargs)
    except (StopIteration, GeneratorExit, KeyboardInterrupt, SystemExit) as error:
        raise _tellable(error) from error
    finally:
        if con.in_transaction:
            con.execute("ROLLBACK")


def _answer(done: "asyncio.Future[Any]", answer: Any) -> None:
    if done.done():
        return
    if isinstance(answer, _Failed):
        done.set_exception(answer.error)
        if isinstance(answer.error, Refusal):
            done.exception()  # a caller that went away leaves no "never retrieved" noise
    else:
        done.set_result(answer)
