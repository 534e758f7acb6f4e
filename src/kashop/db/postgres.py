"""PostgreSQL, and what speaks its wire: one writer for each node that commits in groups, and a pool of readers.

Always true: of all nodes one writes at a time, in the turn of a row that each group locks first, so that a change finds what it
would find on SQLite: everything before it, and nobody beside it (docs/decisions/0042). An answer is given only after its COMMIT;
a group that another transaction stood in the way of, or whose connection was lost before COMMIT, is run again; a lost answer to
COMMIT, or one with a warning that no standby has it, is an unknown outcome.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg import errors
from psycopg_pool import PoolTimeout

from kashop.db import Reader, migrate, postgres_links
from kashop.db.groups import AWAY, CAREFUL_GROUPS, Done, Groups, Unreachable
from kashop.db.postgres_door import refusal
from kashop.db.postgres_units import AGAIN, LOST, MACHINE, PostgresTx, look, plainly, run_bare, run_marked, said
from kashop.db.postgres_wire import Con
from kashop.db.units import Undo, Unit
from kashop.lib import logs
from kashop.lib.clock import Clock
from kashop.lib.errors import Unavailable, UnknownOutcome

T = TypeVar("T")
P = ParamSpec("P")

TRIES = 5
"""How often a group is run at most that others stood in the way of, or a look whose connection was lost."""

STATE = b"SELECT pg_is_in_recovery(), array(SELECT name FROM kashop_migrations)"

TURN = b"BEGIN; SELECT version FROM versions WHERE name = 'writer' FOR UPDATE"

CONFIRMED = b"UPDATE versions SET version = version WHERE name = 'writer'"
"""A change that changes nothing: once its COMMIT is confirmed, so is everything that was committed before it."""

RETRY_SECONDS = 0.2
"""Between two tries to reach a server that writes."""

PATIENCE = 10.0
"""Seconds that a group, or a look, waits for a server that takes it: as long as a planned change of the primary lasts."""

LONGEST_WAIT = 45.0
"""Seconds that a turn, or the answer to COMMIT, may take: longer than a cluster needs to do without a standby that died. With no
standby at all COMMIT waits for ever, and buyers should not."""

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
        self._wanted = frozenset(path.stem for path in migrate.scripts())  # now: the files may be a newer program's later
        self._warnings = postgres_links.Warnings()
        self._waits: tuple[Con, float] | None = None
        self._drained = 0.0
        self._readers = postgres_links.readers(address, readers)

    @classmethod
    async def open(cls, address: str, clock: Clock, *, readers: int = 4) -> "PostgresDb":
        """Open an existing, migrated database. Raises Unavailable when it does not answer."""
        db = cls(address, clock, readers=readers)
        try:
            await asyncio.get_running_loop().run_in_executor(db._writing, db._connect)
        except psycopg.Error as error:
            db._writing.shutdown()
            db._threads.shutdown()
            raise refusal(error) from None
        db._readers.open()
        return db

    async def read(self, fn: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a look in one snapshot on a reader's thread; another time when its connection was lost."""
        if self._is_closing:
            raise Unavailable("The shop is stopping. Please try again in a moment.")
        until = time.monotonic() + PATIENCE
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._threads, self._look, until, fn, args, kwargs))

    async def glance(self, fn: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a look of a few rows; the way to a server is too long for the loop."""
        return await self.read(fn, *args, **kwargs)

    def _look(self, until: float, fn: Callable[..., T], args: Any, kwargs: Any) -> T:
        tries, is_over = 0, False
        while not is_over:
            taken = time.monotonic()
            try:
                left = max(until - taken, 0.05)
                with self._readers.connection(timeout=min(left, postgres_links.RECONNECT_SECONDS)) as con:
                    return look(con, self._clock.now(), fn, args, kwargs)
            except PoolTimeout as error:
                problem, is_over = said(error), time.monotonic() >= until
                continue
            except errors.QueryCanceled as error:  # the server lets nobody ask for so long: it would not another time
                problem, is_over = said(error), True
            except errors.InsufficientPrivilege as error:
                log.error("a look failed", problem=said(error))
                raise Unavailable("The shop cannot read just now: {problem}.", problem=plainly(error)) from None
            except LOST as error:
                if taken > self._drained:  # what this connection met, the others that were there will
                    self._drained = time.monotonic()
                    self._readers.drain()
                problem, tries = said(error), tries + 1
                is_over = tries == TRIES
                log.warning("a look lost its connection", problem=problem, tries=tries)
        log.error("a look failed", problem=problem)
        raise Unavailable("The shop cannot read just now: {problem}.", problem=AWAY)

    async def trouble(self) -> str:
        """Why no change can be made: a commit in doubt, a standby, a schema older than this program's. A newer one is none.
        Raises Unavailable when the server does not answer."""
        if self.problem or self._is_closing:
            return self.problem or "it is stopping"
        is_standby, names = await asyncio.get_running_loop().run_in_executor(self._threads, self._state)
        if is_standby:
            return "is a standby"
        lacking = sorted(self._wanted.difference(names))
        return f"lacks {', '.join(lacking)}" if lacking else ""

    def _state(self) -> tuple[bool, list[str]]:
        """Whether the server is a standby, and which migrations it has; once more when the connection was an old one."""
        for _ in range(2):
            try:
                with self._readers.connection(timeout=3) as con:
                    is_standby, names = con.execute(STATE).fetchone() or (False, [])
                    return bool(is_standby), list(names)
            except LOST as error:
                refused = Unavailable("The database does not answer: {problem}.", problem=said(error))
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
        return await self._written(self._commit_group, group)

    async def _written(self, fn: Callable[..., T], *args: Any) -> T:
        """Run this on the writer's thread; what waits too long there loses its connection."""
        work = asyncio.get_running_loop().run_in_executor(self._writing, fn, *args)
        while not (await asyncio.wait((work,), timeout=LONGEST_WAIT / 4))[0]:
            if (waits := self._waits) and time.monotonic() - waits[1] > LONGEST_WAIT:
                log.error("the database does not go on, and is given up", seconds=LONGEST_WAIT)
                postgres_links.hang_up(waits[0])
        return await work

    def _wait(self, con: Con, statement: bytes) -> str:
        """Run what may wait for others: for another node's turn, or for a standby."""
        self._waits = con, time.monotonic()
        try:
            return con.execute(statement).statusmessage or ""
        finally:
            self._waits = None

    def _commit_group(self, group: list[Unit]) -> Done:
        """Again, and again: a planned change of the primary is a pause for buyers, and not an error."""
        conflicts, until, known = 0, time.monotonic() + PATIENCE, ""
        while True:
            try:
                return self._commit_once(group)
            except AGAIN as error:
                conflicts += 1
                log.info("a group is run again", problem=said(error), tries=conflicts)
                if conflicts == TRIES:
                    raise Unavailable("The shop cannot write just now: {problem}.", problem=said(error)) from error
            except errors.InsufficientPrivilege as error:
                log.info("the writer could not write", problem=said(error))
                raise Unavailable("The shop cannot write just now: {problem}.", problem=plainly(error)) from None
            except MACHINE as error:
                if (problem := said(error)) != known:
                    log.warning("the writer lost its connection", problem=problem)
                known = problem
                self._disconnect()
                if self._is_closing or time.monotonic() >= until:
                    raise Unreachable("The shop cannot write just now: {problem}.", problem=AWAY) from error
                time.sleep(RETRY_SECONDS)

    def _commit_once(self, group: list[Unit]) -> Done:
        """On the writer's thread: the turn, every unit, then one COMMIT."""
        con = self._writer = self._writer or postgres_links.writer(self._address, self._warnings)
        try:
            self.take_turn(con)
            started = time.perf_counter()  # what the others had of it says nothing of these units
            answers, kept = self._run_group(con, group)
            seen = [watching(PostgresTx(con, self._clock.now(), kept)) for watching, _ in self._watched]
        except BaseException:
            if not con.broken:
                con.wire.command(b"ROLLBACK")
            raise
        done = time.perf_counter()
        self._confirm(con)
        return answers, seen, done - started, time.perf_counter() - done

    def _confirm(self, con: Con) -> None:
        """COMMIT. A warning beside its answer says that somebody ended the wait for the standby: the primary alone has it."""
        self._warnings.clear()
        try:
            said_so = self._wait(con, b"COMMIT")
            problem = " ".join(self._warnings)
        except AGAIN:
            raise
        except psycopg.Error as error:
            problem, said_so = said(error), ""
        if problem:
            raise UnknownOutcome(
                "The shop could not confirm this change ({problem}). Retry with the same key to learn its outcome.",
                problem=problem,
            )
        if said_so != "COMMIT":
            raise RuntimeError(f"the server answered {said_so} to COMMIT")

    def _run_group(self, con: Con, group: list[Unit]) -> tuple[list[Any], dict[str, Any]]:
        """Every unit's answer; with savepoints only where one failed lately that had changed something, as on SQLite."""
        kept: dict[str, Any] = {}
        if not self._careful:
            try:
                return [run_bare(con, unit, self._clock.now(), kept) for unit in group], kept
            except Undo:
                con.wire.command(b"ROLLBACK")
                self.take_turn(con)
                kept.clear()
                self._careful = CAREFUL_GROUPS
        self._careful -= 1
        return [run_marked(con, unit, self._clock.now(), kept) for unit in group], kept

    def take_turn(self, con: Con) -> None:
        """Begin a transaction as the only one of all nodes that writes; waits until that is so."""
        self._wait(con, TURN)

    async def _recover(self) -> None:
        """Until a change is confirmed: a server that can be reached need not be one that writes, or has its standby."""
        attempt, known = 0, ""
        while not self._is_closing:
            attempt += 1
            try:
                await self._written(self._try_to_write)
                self.problem = ""
                log.warning("the writer works again", attempt=attempt)
                return
            except (psycopg.Error, UnknownOutcome) as error:
                if (problem := said(error)) != known:
                    log.error("the writer does not work yet", attempt=attempt, error=problem)
                known = problem
                await asyncio.sleep(RETRY_SECONDS)

    def _try_to_write(self) -> None:
        self._disconnect()
        self._connect()
        assert self._writer is not None
        self._writer.execute(b"BEGIN")
        self._wait(self._writer, CONFIRMED)
        self._confirm(self._writer)

    def _connect(self) -> None:
        self._writer = postgres_links.writer(self._address, self._warnings)

    def _disconnect(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
