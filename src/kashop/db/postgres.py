"""PostgreSQL, and what speaks its wire: one writer for each node that commits in groups, and a pool of readers.

Always true: of all nodes one writes at a time, in the turn of a row that each group locks first, so that a change finds what it
would find on SQLite: everything before it, and nobody beside it (docs/decisions/0042). An answer is given only after its COMMIT;
a group that another transaction stood in the way of, or whose connection was lost before COMMIT, is run again; a lost answer to
COMMIT is an unknown outcome.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg_pool import ConnectionPool

from kashop.db import Reader
from kashop.db.groups import CAREFUL_GROUPS, Done, Groups
from kashop.db.postgres_units import AGAIN, LOST, MACHINE, Con, PostgresTx, adapt, look, run_bare, run_marked, said
from kashop.db.units import Undo, Unit
from kashop.lib import logs
from kashop.lib.clock import Clock
from kashop.lib.errors import Unavailable, UnknownOutcome

T = TypeVar("T")
P = ParamSpec("P")

TRIES = 5
"""How often a group is run at most: another time after a conflict or a lost connection, when nothing of it stays."""

LONGEST_MS = 30_000
"""A session that does nothing for so long within its transaction is ended by the server: its node hangs, and others wait."""

TURN = b"BEGIN; SELECT version FROM versions WHERE name = 'writer' FOR UPDATE"

KEPT_ALIVE: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "connect_timeout": 10,
}

log = logs.get_logger("kashop.db")


class PostgresDb(Groups):
    """The shop's database on a server. Make one with `await PostgresDb.open(…)`."""

    has_nodes = True

    def __init__(self, address: str, clock: Clock, *, readers: int):
        super().__init__()
        self._address, self._clock = address, clock
        self._threads = ThreadPoolExecutor(readers, thread_name_prefix="kashop-look")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="kashop-write")
        self._writer: Con | None = None
        self._careful = 0
        how = {**KEPT_ALIVE, "autocommit": True}
        self._readers: ConnectionPool[Con] = ConnectionPool(
            address, kwargs=how, configure=adapt, min_size=1, max_size=readers, open=False, timeout=10
        )

    @classmethod
    async def open(cls, address: str, clock: Clock, *, readers: int = 4) -> "PostgresDb":
        """Open an existing, migrated database. Raises Unavailable when it does not answer."""
        db = cls(address, clock, readers=readers)
        try:
            await asyncio.get_running_loop().run_in_executor(db._writing, db._connect)
        except psycopg.Error as error:
            db._writing.shutdown()
            db._threads.shutdown()
            raise Unavailable("The database does not answer: {problem}.", problem=said(error)) from None
        db._readers.open()
        return db

    async def read(self, fn: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a look in one snapshot on a reader's thread; another time when its connection was lost."""
        if self._is_closing:
            raise Unavailable("The shop is stopping. Please try again in a moment.")
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, self._look, fn, args, kwargs))

    async def glance(self, fn: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a look of a few rows; the way to a server is too long for the loop."""
        return await self.read(fn, *args, **kwargs)

    def _look(self, fn: Callable[..., T], args: Any, kwargs: Any) -> T:
        for tries in range(TRIES):
            try:
                with self._readers.connection() as con:
                    return look(con, self._clock.now(), fn, args, kwargs)
            except LOST as error:
                log.warning("a look failed", problem=said(error), tries=tries + 1)
                refused = Unavailable("The shop cannot read just now: {problem}.", problem=said(error))
        raise refused

    @property
    def is_shared(self) -> bool:
        """Other servers are taken to write all the time: nobody tells."""
        return True

    async def close(self) -> None:
        """Finish what is queued, and let go of the connections."""
        if not await self._finish():
            return
        await asyncio.get_running_loop().run_in_executor(self._writing, self._disconnect)
        self._writing.shutdown()
        await asyncio.to_thread(self._threads.shutdown)
        await asyncio.to_thread(self._readers.close)
        log.info("database closed", commits=self.groups, changes=self.units)

    async def _commit(self, group: list[Unit]) -> Done:
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._commit_group, group)

    def _commit_group(self, group: list[Unit]) -> Done:
        for tries in range(TRIES):
            try:
                return self._commit_once(group)
            except AGAIN as error:
                log.info("a group is run again", problem=said(error), tries=tries + 1)
            except MACHINE as error:
                log.warning("the writer lost its connection", problem=said(error), tries=tries + 1)
                self._disconnect()
                time.sleep(0.05 * 2**tries)
        raise Unavailable("The shop cannot write just now: {problem}.", problem="the database does not answer")

    def _commit_once(self, group: list[Unit]) -> Done:
        """On the writer's thread: the turn, every unit, then one COMMIT."""
        con = self._writer = self._writer or self._connected()
        started = time.perf_counter()
        try:
            con.execute(TURN)
            answers, kept = self._run_group(con, group)
            seen = [watching(PostgresTx(con, self._clock.now(), kept)) for watching, _ in self._watched]
        except BaseException:
            if not con.broken:
                con.execute("ROLLBACK")
            raise
        done = time.perf_counter()
        try:
            said_so = con.execute("COMMIT").statusmessage
        except AGAIN:
            raise
        except psycopg.Error as error:
            raise UnknownOutcome(
                "The shop could not confirm this change ({problem}). Retry with the same key to learn its outcome.",
                problem=said(error),
            ) from error
        if said_so != "COMMIT":
            raise RuntimeError(f"the server answered {said_so} to COMMIT")
        return answers, seen, done - started, time.perf_counter() - done

    def _run_group(self, con: Con, group: list[Unit]) -> tuple[list[Any], dict[str, Any]]:
        """Every unit's answer; with savepoints only where one failed lately that had changed something, as on SQLite."""
        kept: dict[str, Any] = {}
        if not self._careful:
            try:
                return [run_bare(con, unit, self._clock.now(), kept) for unit in group], kept
            except Undo:
                con.execute("ROLLBACK")
                con.execute(TURN)
                kept.clear()
                self._careful = CAREFUL_GROUPS
        self._careful -= 1
        return [run_marked(con, unit, self._clock.now(), kept) for unit in group], kept

    async def _recover(self) -> None:
        attempt = 0
        while not self._is_closing:
            attempt += 1
            try:
                await asyncio.get_running_loop().run_in_executor(self._writing, self._reconnect)
                self.problem = ""
                log.warning("the writer works again", attempt=attempt)
                return
            except psycopg.Error as error:
                log.error("the writer does not work yet", attempt=attempt, error=said(error))
                await asyncio.sleep(min(0.1 * 2**attempt, 5))

    def _reconnect(self) -> None:
        self._disconnect()
        self._connect()

    def _connect(self) -> None:
        self._writer = self._connected()

    def _connected(self) -> Con:
        con: Con = psycopg.connect(self._address, autocommit=True, **KEPT_ALIVE)
        adapt(con)
        con.execute(f"SET idle_in_transaction_session_timeout = {LONGEST_MS}")
        row = con.execute("SHOW synchronous_commit").fetchone()
        if row is not None and row[0] == "off":
            con.execute("SET synchronous_commit = on")
        return con

    def _disconnect(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
