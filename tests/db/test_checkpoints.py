"""The write-ahead log: small under load that never rests, told of when somebody holds it, and lost by no kill."""

import asyncio
import contextlib
import random
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from kashop.db import Reader, Tx, checkpoints, migrate
from kashop.db.checkpoints import PAGE, Pace
from kashop.db.sqlite import SqliteDb
from kashop.lib.clock import SystemClock

SMALL = Pace(bite=40, most=160, share=1, patience=0.05)
OFF = Pace(bite=10**9, most=10**9, idle_groups=10**9)
BOUND = 400 * PAGE
"""Twice what is copied at the most, and a group."""
GROUPS = 300


def add(tx: Tx, slug: str) -> None:
    tx.run("INSERT INTO categories (slug, name) VALUES (:slug, :name)", slug=slug, name="x" * 3000)


def count(db: Reader) -> int:
    return int(db.value("SELECT COUNT(*) FROM categories"))


@contextlib.asynccontextmanager
async def opened(folder: Path, pace: Pace) -> AsyncIterator[SqliteDb]:
    migrate.apply(folder / "kashop.db")
    db = await SqliteDb.open(folder / "kashop.db", SystemClock(), pace=pace)
    try:
        yield db
    finally:
        await db.close()


def log_of(db: SqliteDb) -> Path:
    return db.path.with_name("kashop.db-wal")


async def never_resting(db: SqliteDb, name: str, groups: int = GROUPS) -> None:
    """Somebody always waits for the writer, so that it is never idle."""

    async def one(n: int) -> None:
        number = 0
        while db.groups < until:
            await db.write(add, f"{name}-{n}-{number}")
            number += 1

    until = db.groups + groups
    await asyncio.gather(*(one(n) for n in range(8)))


async def test_the_log_stays_small_though_the_writer_never_rests(tmp_path: Path) -> None:
    async with opened(tmp_path, SMALL) as db:
        await never_resting(db, "s")
        assert log_of(db).stat().st_size <= BOUND
        assert db.path.stat().st_size > BOUND, "more was written than the log holds"


async def test_without_copying_the_same_load_makes_it_grow(tmp_path: Path) -> None:
    async with opened(tmp_path, OFF) as db:
        await never_resting(db, "s")
        assert log_of(db).stat().st_size > BOUND


async def test_it_is_copied_back_while_nobody_waits(tmp_path: Path) -> None:
    async with opened(tmp_path, Pace(bite=10**9, most=10**9, idle_groups=16)) as db:
        for n in range(200):
            await db.write(add, f"s{n}")
        assert log_of(db).stat().st_size <= BOUND, "what was copied back is written over"


class Overlapping:
    """Looks of which the next begins before the last one ends, and none sees the newest commit unless the writer stands still."""

    def __init__(self, db: SqliteDb, *, patience: float):
        """`patience` is how long each waits for two commits before it ends without them."""
        self._db, self._patience, self._is_over = db, patience, False

    async def run(self) -> None:
        """Until told to stop."""
        end, last = await self._begun()
        while not self._is_over:
            seen, (next_end, newer) = self._db.groups, await self._begun()
            until = time.monotonic() + self._patience
            while self._db.groups < seen + 2 and time.monotonic() < until and not self._is_over:  # noqa: ASYNC110 - commits ring no bell
                await asyncio.sleep(0.0005)
            end.set()
            await last
            end, last = next_end, newer
        end.set()
        await last

    def stop(self) -> None:
        """No more."""
        self._is_over = True

    async def _begun(self) -> tuple[threading.Event, asyncio.Task[int]]:
        begun, end = threading.Event(), threading.Event()

        def look(db: Reader) -> int:
            found = count(db)
            begun.set()
            end.wait(5)
            return found

        looking = asyncio.create_task(self._db.read(look))
        await asyncio.to_thread(begun.wait, 5)
        return end, looking


async def looked_at(db: SqliteDb, *, patience: float) -> int:
    """How often the log was begun anew by a load beside such looks."""
    await db.write(add, "first")
    before = begun(db)
    looks = Overlapping(db, patience=patience)
    looking = asyncio.create_task(looks.run())
    await never_resting(db, "s")
    looks.stop()
    await looking
    return begun(db) - before


def begun(db: SqliteDb) -> int:
    return int.from_bytes(log_of(db).read_bytes()[12:16])


async def test_a_long_log_is_begun_anew_though_looks_overlap_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "RESTART_MS", 2000)  # on a busy machine a short look takes long
    async with opened(tmp_path, SMALL) as db:
        assert await looked_at(db, patience=0.005) > 0


async def test_without_waiting_for_them_it_never_is(tmp_path: Path) -> None:
    async with opened(tmp_path, Pace(bite=40, most=10**9, share=1)) as db:
        assert await looked_at(db, patience=60) == 0


async def test_a_long_look_is_told_of_and_what_it_held_is_written_over_once_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SAFETY_PAGES", 500)
    async with opened(tmp_path, SMALL) as db:
        await db.write(add, "first")
        end, begun = threading.Event(), threading.Event()

        def look(reader: Reader) -> int:
            found = count(reader)
            begun.set()
            end.wait(30)
            return found

        holding = asyncio.create_task(db.read(look))
        await asyncio.to_thread(begun.wait, 5)
        with capture_logs() as told:
            await never_resting(db, "held")
        held = log_of(db).stat().st_size
        assert held > BOUND
        assert [line["event"] for line in told] == ["a long look holds the log, which grows until it ends"]
        end.set()
        assert await holding == 1
        await never_resting(db, "after", groups=GROUPS)
        assert log_of(db).stat().st_size <= held + BOUND


async def test_a_log_that_grew_is_cut_when_it_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "PRAGMAS", ("PRAGMA wal_autocheckpoint=0", f"PRAGMA journal_size_limit={64 * PAGE}"))
    async with opened(tmp_path, Pace(bite=10**9, most=600, share=1)) as db:
        await never_resting(db, "s")
        await db.write(add, "a")
        while log_of(db).stat().st_size > BOUND:  # until the next time it is begun anew
            await never_resting(db, f"more-{db.groups}", groups=10)
            assert db.groups < 20 * GROUPS


WRITES_UNTIL_KILLED = """
    import asyncio, json, sys
    from pathlib import Path
    from kashop.db.checkpoints import Pace
    from kashop.db.sqlite import SqliteDb
    from kashop.lib.clock import SystemClock

    def add(tx, slug):
        tx.run("INSERT INTO categories (slug, name) VALUES (:slug, :name)", slug=slug, name="x" * 3000)

    async def main(path, name):
        db = await SqliteDb.open(path, SystemClock(), pace=Pace(bite=10, most=40, share=1))
        async def one(n):
            for number in range(10**9):
                slug = f"{name}-{n}-{number}"
                await db.write(add, slug)
                print(slug, flush=True)
        await asyncio.gather(*(one(n) for n in range(8)))

    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


def test_no_kill_loses_what_was_answered(tmp_path: Path) -> None:
    path, answered = tmp_path / "kashop.db", set[str]()
    migrate.apply(path)
    for number in range(4):
        run = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITES_UNTIL_KILLED), str(path), f"r{number}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert run.stdout is not None
        first = run.stdout.readline()
        time.sleep(random.uniform(0.05, 0.3))
        run.kill()
        rest = run.stdout.read()
        run.wait(10)
        answered |= {line for line in (first + rest).split("\n")[:-1] if line}
        con = sqlite3.connect(path)
        assert con.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        there = {slug for (slug,) in con.execute("SELECT slug FROM categories")}
        con.close()
        assert answered <= there
    assert len(answered) > 100


HOLDS = """
    import sqlite3, sys
    con = sqlite3.connect(sys.argv[1], isolation_level=None)
    con.execute("BEGIN")
    con.execute("SELECT COUNT(*) FROM categories").fetchone()
    print("holds", flush=True)
    sys.stdin.read()
"""

LOOKS = """
    import sys
    from pathlib import Path
    from kashop.db.examine import log_state
    state = log_state(Path(sys.argv[1]))
    print(state.size, *state.readers)
"""


async def test_who_holds_the_log_is_named(tmp_path: Path) -> None:
    def looked(path: Path) -> list[int]:
        told = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(LOOKS), str(path)], capture_output=True, text=True, check=True
        )
        return [int(word) for word in told.stdout.split()]

    async with opened(tmp_path, SMALL) as db:
        await db.write(add, "first")
        held = [sys.executable, "-c", textwrap.dedent(HOLDS), str(db.path)]
        holder = subprocess.Popen(held, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == "holds\n"
        assert await asyncio.to_thread(looked, db.path) == [log_of(db).stat().st_size], "it reads the newest there is"
        await db.write(add, "second")
        size, *readers = await asyncio.to_thread(looked, db.path)
        assert (size, readers) == (log_of(db).stat().st_size, [holder.pid])
        await asyncio.to_thread(holder.communicate, "")
        assert await asyncio.to_thread(looked, db.path) == [size]
    assert looked(tmp_path / "kashop.db") == [0]
