"""The writer: groups, lone failures, unknown outcomes, and who may write at all."""

import asyncio
import fcntl
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kashop.db import Tx, migrate
from kashop.db.connections import Connection
from kashop.db.locks import ServerLock, WriteLock
from kashop.db.sqlite import SqliteDb
from kashop.lib.clock import SystemClock
from kashop.lib.errors import Unavailable
from tests.db.units import add, slugs


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDb]:
    migrate.apply(tmp_path / "kashop.db")
    db = await SqliteDb.open(tmp_path / "kashop.db", SystemClock())
    yield db
    await db.close()


async def test_the_file_is_durable_and_in_order(db: SqliteDb) -> None:
    def pragmas(tx: Tx) -> list[object]:
        return [tx.value("PRAGMA journal_mode"), tx.value("PRAGMA synchronous"), tx.value("PRAGMA foreign_keys")]

    assert await db.write(pragmas) == ["wal", 2, 1]


async def test_a_closed_database_takes_nothing(tmp_path: Path) -> None:
    migrate.apply(tmp_path / "kashop.db")
    db = await SqliteDb.open(tmp_path / "kashop.db", SystemClock())
    pending = [asyncio.create_task(db.write(add, f"s{n}")) for n in range(10)]
    await asyncio.sleep(0)
    await db.close()
    assert len(await asyncio.gather(*pending)) == 10
    with pytest.raises(Unavailable):
        await db.write(add, "late")
    with pytest.raises(Unavailable):
        await asyncio.wait_for(db.read(slugs), 30)
    assert not (tmp_path / "kashop.db-wal").exists()


async def test_the_private_names_of_aiosqlite_still_do_what_we_lean_on(tmp_path: Path) -> None:
    connection = Connection(lambda: sqlite3.connect(":memory:"), iter_chunk_size=1)
    await connection
    try:
        got = await connection.run(lambda con, n: (type(con), n), 7)
        assert got == (sqlite3.Connection, 7)
    finally:
        await connection.close()


def test_one_server_at_a_time(tmp_path: Path) -> None:
    first, second = ServerLock(tmp_path), ServerLock(tmp_path)
    first.take()
    with pytest.raises(Unavailable, match="already runs"):
        second.take()
    assert second.holder() is not None
    first.release()
    assert second.holder() is None
    second.take()
    second.release()


def test_one_writer_at_a_time_across_processes(tmp_path: Path) -> None:
    script = """
        import sys, time; from pathlib import Path; from kashop.db.locks import WriteLock
        with WriteLock(Path(sys.argv[1])): print("in", flush=True); time.sleep(0.5); print("out", flush=True)
    """
    other = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "in\n"
    with WriteLock(tmp_path):
        assert other.stdout.readline() == "out\n"
    assert other.wait(60) == 0


def test_the_lock_knows_that_it_had_to_wait_for_another_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, others = WriteLock(tmp_path), WriteLock(tmp_path)
    with mine:
        assert not mine.is_shared
    real = fcntl.flock

    def flock(fd: int, how: int) -> None:
        try:
            real(fd, how)
        except BlockingIOError:
            others.__exit__(None, None, None)
            raise

    others.__enter__()
    monkeypatch.setattr(fcntl, "flock", flock)
    with mine:
        assert mine.is_shared
    assert not others.is_shared


COMMIT_FAILS = """
    import asyncio, resource, signal, sys
    from pathlib import Path
    from kashop.db import migrate
    from kashop.db.sqlite import SqliteDb
    from kashop.lib.clock import SystemClock
    from kashop.lib.errors import UnknownOutcome, Unavailable

    def add(tx, slug):
        tx.run("INSERT INTO categories (slug, name) VALUES (:slug, :name)", slug=slug, name="x" * 20000)

    def slugs(db):
        return db.values("SELECT slug FROM categories ORDER BY slug")

    async def main(path):
        migrate.apply(path)
        db = await SqliteDb.open(path, SystemClock())
        await db.write(add, "a")
        size = path.with_name("kashop.db-wal").stat().st_size
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, hard))
        answers = await asyncio.gather(*(db.write(add, s) for s in "bcd"), return_exceptions=True)
        assert all(isinstance(a, UnknownOutcome) for a in answers), answers
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        for _ in range(600):
            if not db.problem: break
            await asyncio.sleep(0.1)
        await db.write(add, "e")
        print(await db.read(slugs))
        await db.close()

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_commit_that_fails_is_an_unknown_outcome_and_the_writer_recovers(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(COMMIT_FAILS), str(tmp_path / "kashop.db")],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert run.returncode == 0, run.stderr
    assert "'a'" in run.stdout
    assert "'e'" in run.stdout
    check = sqlite3.connect(tmp_path / "kashop.db")
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


def test_a_server_leaves_word_of_where_it_answers(tmp_path: Path) -> None:
    server = ServerLock(tmp_path)
    server.take("http://127.0.0.1:8123")
    pid, url = ServerLock(tmp_path).holder() or (0, "")
    assert (pid, url) == (os.getpid(), "http://127.0.0.1:8123")
    server.release()
