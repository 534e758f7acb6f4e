"""SQLite: one writer that commits in groups, and a pool of readers.

Always true: WAL with `synchronous=FULL`; the writer's connection is the only one that writes or checkpoints (readers are
`query_only`); an answer is given only after the COMMIT that holds it has returned; a unit that fails is undone alone; a
COMMIT that fails is an unknown outcome, after which the writer reopens and commits something small before it takes another
unit (promises V-1 to V-6).
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from kashop.db import Reader, checkpoints
from kashop.db.checkpoints import Log, Pace
from kashop.db.connections import Connection, connect
from kashop.db.glances import Glances, is_to_wait
from kashop.db.groups import CAREFUL_GROUPS, Done, Groups
from kashop.db.locks import WriteLock
from kashop.db.units import SqliteTx, Undo, Unit, look, run_bare, run_marked
from kashop.lib import logs
from kashop.lib.clock import Clock
from kashop.lib.errors import Unavailable, UnknownOutcome

T = TypeVar("T")
P = ParamSpec("P")

WRITER_CACHE = "PRAGMA cache_size=-16000"

log = logs.get_logger("kashop.db")


class SqliteDb(Groups):
    """The shop's database file. Make one with `await SqliteDb.open(…)`."""

    has_nodes = False

    def __init__(self, path: Path, clock: Clock, *, readers: int, pace: Pace | None = None):
        super().__init__()
        self.path = path
        self._clock = clock
        self._reader_count = readers
        self._lock = WriteLock(path.parent)
        self._log = Log(path, self._lock, pace)
        self._writer: Connection | None = None
        self._idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self._readers: list[Connection] = []
        self._glances: Glances | None = None
        self._careful = 0

    @classmethod
    async def open(cls, path: Path, clock: Clock, *, readers: int = 2, pace: Pace | None = None) -> "SqliteDb":
        """Open an existing, migrated file."""
        db = cls(path, clock, readers=readers, pace=pace)
        await db._connect()
        return db

    async def read(self, fn: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a look in one snapshot on a reader's thread."""
        if self._is_closing:
            raise Unavailable("The shop is stopping. Please try again in a moment.")
        reader = await self._idle.get()
        try:
            return await asyncio.shield(reader.run(look, self._clock.now(), fn, args, kwargs))
        finally:
            self._idle.put_nowait(reader)

    async def glance(self, fn: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a look of a few rows at once, on the loop, while that is quick; else on a reader's thread."""
        glances = self._glances
        if glances is not None and glances.is_quick:
            try:
                return glances.take(self._clock.now(), fn, args, kwargs)
            except sqlite3.OperationalError as error:
                if not is_to_wait(error):
                    raise
        return await self.read(fn, *args, **kwargs)

    @property
    def is_shared(self) -> bool:
        """Whether another process has been writing within the last second."""
        return self._lock.is_shared

    async def close(self) -> None:
        """Finish what is queued, checkpoint, and let go of the files."""
        if not await self._finish():
            return
        await self._disconnect()
        self._lock.close()
        log.info("database closed", commits=self.groups, changes=self.units)

    async def _commit(self, group: list[Unit]) -> Done:
        assert self._writer is not None
        return await self._writer.run(self._commit_group, group)

    async def _after(self, *, is_idle: bool) -> None:
        if self._writer is not None and self._log.is_due(self._writer.total_changes, is_idle=is_idle):
            await self._log.copy_back(self._writer)

    def _commit_group(self, con: sqlite3.Connection, group: list[Unit]) -> Done:
        """On the writer's thread: every unit, then one COMMIT; the answers, what those saw that watch, and how long the units
        and the COMMIT took."""
        started = time.perf_counter()
        with self._lock:
            con.execute("BEGIN IMMEDIATE")
            try:
                answers, kept = self._run_group(con, group)
                seen = [watching(SqliteTx(con, self._clock.now(), kept)) for watching, _ in self._watched]
            except BaseException:
                if con.in_transaction:  # not so after a full disk: SQLite has rolled back already (promises V-5)
                    con.execute("ROLLBACK")
                raise
            done = time.perf_counter()
            try:
                con.execute("COMMIT")
            except sqlite3.Error as error:
                raise UnknownOutcome(
                    "The shop could not confirm this change ({problem}). Retry with the same key to learn its outcome.",
                    problem=str(error),
                ) from error
        return answers, seen, done - started, time.perf_counter() - done

    def _run_group(self, con: sqlite3.Connection, group: list[Unit]) -> tuple[list[Any], dict[str, Any]]:
        """Every unit's answer. Savepoints cost as much as some of the units, and hardly one fails after it changed something:
        so they are set only in a group that is run again because one did, and for a while after it."""
        kept: dict[str, Any] = {}
        if not self._careful:
            try:
                return [run_bare(con, unit, self._clock.now(), kept) for unit in group], kept
            except Undo:
                con.execute("ROLLBACK")
                con.execute("BEGIN IMMEDIATE")
                kept.clear()
                self._careful = CAREFUL_GROUPS
        self._careful -= 1
        return [run_marked(con, unit, self._clock.now(), kept) for unit in group], kept

    async def _recover(self) -> None:
        """Reopen the writer and commit something small, so that the frames of the failed commit are overwritten and what
        everyone sees is what the log holds. Until that succeeds no unit is taken; readers go on all the while."""
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
        self._writer = await connect(self.path, *checkpoints.PRAGMAS, WRITER_CACHE)
        await self._writer.run(self._prove)

    def _prove(self, con: sqlite3.Connection) -> None:
        """On the writer's thread: one durable commit."""
        with self._lock:
            con.execute("BEGIN IMMEDIATE")
            (version,) = con.execute("PRAGMA user_version").fetchone()
            con.execute(f"PRAGMA user_version = {(version + 1) % 2**31}")
            con.execute("COMMIT")

    async def _connect(self) -> None:
        self._writer = await connect(self.path, *checkpoints.PRAGMAS, WRITER_CACHE)
        for _ in range(self._reader_count):
            reader = await connect(self.path, "PRAGMA wal_autocheckpoint=0", "PRAGMA query_only=1")
            self._readers.append(reader)
            self._idle.put_nowait(reader)
        self._glances = Glances(self.path)

    async def _disconnect(self) -> None:
        if self._glances is not None:
            self._glances.close()
            self._glances = None
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
