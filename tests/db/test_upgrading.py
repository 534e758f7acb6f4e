"""A database is brought up to date beside servers that work on it: once, by one of those who start, and in nobody's way."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest

from kashop.db import Tx, migrate, postgres_schema
from kashop.db.postgres import PostgresDb
from kashop.lib.clock import SystemClock
from kashop.lib.errors import Unavailable
from tests import beside

MORE = {**migrate.texts(), "9001_more": "ALTER TABLE categories ADD COLUMN more BIGINT NOT NULL DEFAULT 0;"}

IN_DOUBT = (
    "INSERT INTO kashop_migrations (name) SELECT %(name)s WHERE NOT EXISTS (SELECT FROM kashop_migrations WHERE name = %(name)s)"
)
"""Who looks first and then writes."""


def waiting(con: psycopg.Connection) -> int:
    sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return int((con.execute(sql).fetchone() or (0,))[0])


def two_at_once(address: str) -> list[list[str] | Exception]:
    """Two servers that start at one moment: both have looked and found something to do when the first of them may go on."""
    with (
        psycopg.connect(address) as holder,
        psycopg.connect(address, autocommit=True) as watcher,
        ThreadPoolExecutor(2) as starts,
    ):
        holder.execute("LOCK TABLE versions IN ACCESS EXCLUSIVE MODE")
        both = [starts.submit(postgres_schema.apply, address, MORE) for _ in range(2)]
        until(lambda: waiting(watcher) == 2, *both)
        holder.rollback()
        return [start.exception() or start.result() for start in both]  # type: ignore[misc]


def until(is_so: Callable[[], bool], *works: "Future[list[str]]") -> None:
    while not is_so() and not any(work.done() for work in works):
        threading.Event().wait(0.01)


def test_of_two_that_start_at_once_one_migrates(address: str) -> None:
    assert sorted(two_at_once(address), key=str) == [["9001_more"], []]
    assert "more" in beside.columns(address, "categories")


def test_control_who_looks_before_writing_it_down_stumbles(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_schema, "_ONCE", IN_DOUBT)
    assert [type(each) for each in two_at_once(address)].count(psycopg.errors.UniqueViolation) == 1


def test_a_migration_steps_aside_for_a_long_look(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits for a table nobody else gets at it: so it waits for a moment only."""
    monkeypatch.setattr(postgres_schema, "PATIENCE_MS", 50)
    aside = threading.Event()
    monkeypatch.setattr(postgres_schema.log, "warning", lambda *_args, **_more: aside.set())
    with psycopg.connect(address) as looking, ThreadPoolExecutor(1) as start:
        looking.execute("SELECT * FROM categories")  # and then it thinks
        applying = start.submit(postgres_schema.apply, address, MORE)
        until(aside.is_set, applying)
        assert not applying.done()
        assert beside.value(address, "SELECT COUNT(*) FROM categories") == 0
        looking.rollback()
        assert applying.result(60) == ["9001_more"]


async def test_a_migration_waits_its_turn_behind_a_change(address: str) -> None:
    db = await PostgresDb.open(address, SystemClock())
    in_it, goes_on = threading.Event(), threading.Event()

    def change(tx: Tx) -> None:
        tx.run("UPDATE versions SET version = version + 1 WHERE name = 'x'")
        in_it.set()
        assert goes_on.wait(60)
        tx.run("INSERT INTO categories (slug, name) VALUES ('a', 'x')")

    changing = asyncio.create_task(db.write(change))
    await asyncio.to_thread(in_it.wait, 60)
    applying = asyncio.create_task(asyncio.to_thread(postgres_schema.apply, address, MORE))
    with psycopg.connect(address, autocommit=True) as watcher:
        while not waiting(watcher):  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.01)
    goes_on.set()
    await changing
    assert await applying == ["9001_more"]
    assert beside.rows(address, "SELECT slug, more FROM categories") == [("a", 0)]
    await db.close()


def test_a_role_that_may_only_work_starts_and_is_told_what_to_do(address: str) -> None:
    role = "worker_" + address.partition("///")[2].partition("?")[0]
    beside.change(
        address,
        f"CREATE ROLE {role} LOGIN",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
    )
    its = address.replace("user=postgres", f"user={role}")
    assert migrate.apply(its) == []
    with pytest.raises(Unavailable, match="kashop migrate"):
        postgres_schema.apply(its, MORE)
    beside.change(address, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_a_server_knows_a_schema_that_it_cannot_work_with(address: str) -> None:
    db = await PostgresDb.open(address, SystemClock())
    newest = list(migrate.texts())[-1]
    assert await db.trouble() == ""
    beside.change(address, "INSERT INTO kashop_migrations (name) VALUES ('9999_newer')")
    assert await db.trouble() == ""
    beside.change(address, "DELETE FROM kashop_migrations WHERE name = :name", name=newest)
    assert await db.trouble() == f"lacks {newest}"
    await db.close()


async def test_a_server_knows_a_standby(address: str) -> None:
    beside.change(address, "CREATE FUNCTION public.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT TRUE'")
    db = await PostgresDb.open(f"{address}&options=-csearch_path%3Dpublic,pg_catalog", SystemClock())
    assert await db.trouble() == "is a standby"
    await db.close()
