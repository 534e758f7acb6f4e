"""Looks on the event loop: which, what they may, and when they go to a thread after all."""

import itertools
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kashop.db import Reader, Tx, migrate
from kashop.db.glances import REST_SECONDS, SLOW_SECONDS, Glances
from kashop.db.sqlite import SqliteDb
from kashop.lib.clock import SystemClock
from kashop.lib.errors import Unavailable


class Seconds:
    """A clock, and a count of blocks, that looks move on."""

    def __init__(self) -> None:
        self.now, self.blocks = 100.0, 5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDb]:
    migrate.apply(tmp_path / "kashop.db")
    db = await SqliteDb.open(tmp_path / "kashop.db", SystemClock())
    yield db
    await db.close()


def add(tx: Tx, slug: str) -> None:
    tx.run("INSERT INTO categories (slug, name) VALUES (:slug, 'x')", slug=slug)


def slugs(db: Reader) -> list[str]:
    return db.values("SELECT slug FROM categories ORDER BY slug")


def whose(db: Reader) -> int:
    slugs(db)
    return threading.get_ident()


async def test_it_sees_what_was_committed_and_runs_on_the_loop(db: SqliteDb) -> None:
    await db.write(add, "a")
    assert await db.glance(slugs) == ["a"]
    assert await db.glance(whose) == threading.get_ident()
    assert await db.read(whose) != threading.get_ident()


async def test_it_is_one_moment(db: SqliteDb, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "kashop.db", isolation_level=None)

    def twice(db: Reader) -> tuple[list[str], list[str]]:
        first = slugs(db)
        other.execute("INSERT INTO categories (slug, name) VALUES ('between', 'x')")
        return first, slugs(db)

    assert await db.glance(twice) == ([], [])
    assert await db.glance(slugs) == ["between"]
    other.close()


async def test_it_can_write_nothing(db: SqliteDb) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await db.glance(add, "a")  # type: ignore[arg-type]  # what no caller may
    assert await db.glance(slugs) == []


@pytest.mark.parametrize("error", [StopIteration, SystemExit])
async def test_what_would_end_the_loop_is_told(db: SqliteDb, error: type[BaseException]) -> None:
    def odd(db: Reader) -> None:
        raise error

    with pytest.raises(RuntimeError):
        await db.glance(odd)
    assert await db.glance(slugs) == []


async def test_what_would_have_to_wait_waits_on_a_thread(db: SqliteDb) -> None:
    def locked(db: Reader) -> int:
        if threading.current_thread() is threading.main_thread():
            busy = sqlite3.OperationalError("database is locked")
            busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise busy
        return whose(db)

    assert await db.glance(locked) != threading.get_ident()


def test_a_slow_disk_is_let_alone_for_a_while(db: SqliteDb, tmp_path: Path) -> None:
    seconds = Seconds()
    glances = Glances(tmp_path / "kashop.db", seconds, lambda: seconds.blocks)

    def taking(took: float, *, blocks: int) -> bool:
        def slow(db: Reader) -> None:
            seconds.now += took
            seconds.blocks += blocks

        glances.take(0, slow, (), {})
        return glances.is_quick

    assert taking(SLOW_SECONDS * 0.9, blocks=0)
    assert taking(SLOW_SECONDS * 50, blocks=0)  # the core was somebody else's meanwhile
    assert not taking(SLOW_SECONDS * 1.1, blocks=8)
    seconds.now += REST_SECONDS
    assert glances.is_quick
    assert taking(SLOW_SECONDS * 50, blocks=0)
    glances.close()


async def test_while_it_is_slow_a_thread_looks(db: SqliteDb, monkeypatch: pytest.MonkeyPatch) -> None:
    assert db._glances is not None
    monkeypatch.setattr(db._glances, "_blocks", itertools.count().__next__)
    monkeypatch.setattr("kashop.db.glances.SLOW_SECONDS", -1.0)
    assert await db.glance(whose) == threading.get_ident()
    assert await db.glance(whose) != threading.get_ident()


async def test_a_closed_shop_looks_no_more(tmp_path: Path) -> None:
    migrate.apply(tmp_path / "kashop.db")
    db = await SqliteDb.open(tmp_path / "kashop.db", SystemClock())
    await db.glance(slugs)
    await db.close()
    with pytest.raises(Unavailable):
        await db.glance(slugs)
    assert not (tmp_path / "kashop.db-wal").exists()
