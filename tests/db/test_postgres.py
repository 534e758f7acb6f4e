"""What only a server can do to a shop: connections that are lost, other nodes that write, a COMMIT that nobody confirms."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import psycopg
import pytest

from kashop.db import Reader, Tx, examine, migrate, postgres, postgres_links
from kashop.db.postgres import PostgresDb
from kashop.lib.clock import SystemClock
from kashop.lib.errors import Invalid, Unavailable, UnknownOutcome
from tests import beside
from tests.postgres import Shops


@asynccontextmanager
async def node(address: str) -> AsyncIterator[PostgresDb]:
    db = await PostgresDb.open(address, SystemClock())
    try:
        yield db
    finally:
        await db.close()


def add(tx: Tx, slug: str) -> int:
    return tx.run("INSERT INTO categories (slug, name) VALUES (:slug, 'x')", slug=slug)


def slugs(db: Reader) -> list[str]:
    return db.values("SELECT slug FROM categories ORDER BY slug")


def end_session(address: str, pid: int) -> None:
    with psycopg.connect(address, autocommit=True) as con:
        con.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


async def test_a_group_whose_connection_is_lost_before_commit_is_run_again(address: str) -> None:
    runs: list[str] = []

    def cut(tx: Tx) -> None:
        runs.append("cut")
        add(tx, "cut")
        if len(runs) == 1:
            end_session(address, tx.value("SELECT pg_backend_pid()"))
        add(tx, "after")

    async with node(address) as db:
        await asyncio.gather(db.write(add, "before"), db.write(cut))
        assert (runs, await db.read(slugs)) == (["cut", "cut"], ["after", "before", "cut"])


async def test_a_commit_that_nobody_confirms_is_an_unknown_outcome_and_the_writer_recovers(address: str) -> None:
    async with node(address) as db:

        def cut(_reader: Reader) -> None:  # the last thing in a group, on the writer's thread
            if not db.problem and not asked:
                asked.append("cut")
                assert db._writer is not None
                end_session(address, db._writer.info.backend_pid)

        asked: list[str] = []
        db.watch(cut, lambda _: None)
        with pytest.raises(UnknownOutcome):
            await db.write(add, "unknown")
        while db.problem:  # noqa: ASYNC110 - it recovers by itself
            await asyncio.sleep(0.01)
        await db.write(add, "known")
        assert await db.read(slugs) == ["known"]


async def test_a_look_whose_connection_is_lost_is_made_again(address: str) -> None:
    async with node(address) as db:
        pid = await db.read(lambda reader: reader.value("SELECT pg_backend_pid()"))
        end_session(address, pid)
        assert await db.read(slugs) == []


async def count_up(address: str, times: int) -> int:
    """Two nodes count one number up, each as one who looks first and then writes; how far it came."""

    def up(tx: Tx) -> None:
        seen = tx.value("SELECT position FROM categories WHERE slug = 'n'")
        tx.run("UPDATE categories SET position = :next WHERE slug = 'n'", next=seen + 1)

    async with node(address) as one, node(address) as other:
        await one.write(add, "n")
        await asyncio.gather(*(each.write(up) for _ in range(times) for each in (one, other)))
        return int(await other.read(lambda reader: reader.value("SELECT position FROM categories WHERE slug = 'n'")))


async def test_of_two_nodes_one_writes_at_a_time(address: str) -> None:
    assert await count_up(address, 300) == 600


async def test_control_without_the_turn_what_one_counts_is_lost(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "TURN", b"BEGIN")
    assert await count_up(address, 300) < 600


async def test_a_node_that_hangs_in_its_turn_is_ended(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_links, "LONGEST_MS", 200)
    async with node(address) as one, node(address) as other:
        assert one._writer is not None
        one._writer.execute(postgres.TURN)  # and then nothing more
        assert await asyncio.wait_for(other.write(add, "goes on"), 20) == 1


async def test_a_conflict_is_run_again(address: str) -> None:
    runs: list[int] = []

    def conflicting(tx: Tx) -> None:
        runs.append(1)
        add(tx, "once")
        if len(runs) == 1:
            raise psycopg.errors.SerializationFailure("could not serialize access")

    async with node(address) as db:
        await db.write(conflicting)
        assert (len(runs), await db.read(slugs)) == (2, ["once"])


async def test_who_cannot_be_reached_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await PostgresDb.open(f"postgresql:///nothing?host={tmp_path}&user=postgres", SystemClock())
    with pytest.raises(Unavailable, match="does not answer"):
        migrate.pending(f"postgresql:///nothing?host={tmp_path}&user=postgres")


async def test_numbers_and_text_are_as_the_file_gives_them(address: str) -> None:
    async with node(address) as db:
        await db.write(add, "a")
        sums = await db.read(lambda reader: reader.value("SELECT SUM(position) FROM categories"))
        assert (sums, type(sums)) == (0, int)
        assert await db.read(lambda reader: reader.value("SELECT COUNT(*) FROM categories WHERE slug LIKE :like", like="A%")) == 1
        with pytest.raises(Invalid):
            await db.write(add, "a\x00b")
        assert await db.read(slugs) == ["a"]


def test_migrations_are_applied_once_by_whoever_comes_first(postgres: Shops) -> None:
    name = postgres.make()
    address = postgres.address(name)
    assert migrate.pending(address) == list(migrate.texts())
    assert migrate.apply(address) == list(migrate.texts())
    assert (migrate.apply(address), migrate.pending(address)) == ([], [])
    with psycopg.connect(address, autocommit=True) as con:
        con.execute("INSERT INTO kashop_migrations (name) VALUES ('9999_newer')")
    with pytest.raises(Unavailable, match="9999_newer"):
        migrate.pending(address)
    postgres.drop(name)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DROP TRIGGER events_never_changed ON events", "events.events_never_changed is missing"),
        ("ALTER TABLE events DISABLE TRIGGER events_never_changed", "events.events_never_changed was changed"),
        ("DROP INDEX orders_unpaid_client", "orders_unpaid_client is missing"),
        ("ALTER TABLE orders ALTER COLUMN order_no TYPE VARCHAR(80)", "orders.order_no was changed"),
    ],
)
def test_a_schema_that_was_changed_is_seen(address: str, sql: str, said: str) -> None:
    assert examine.schema(address) == ""
    with psycopg.connect(address, autocommit=True) as con:
        con.execute(sql.encode())
    assert examine.schema(address) == said


def test_a_database_that_was_given_back_is_lent_again_as_it_was(
    founded_on_postgres: Path, postgres: Shops, tmp_path: Path
) -> None:
    like = postgres.name(founded_on_postgres)
    name = postgres.lend(tmp_path, like)
    address = postgres.address(name)
    before = beside.row_counts(address)
    with closing(psycopg.connect(address, autocommit=True)) as left_open:
        left_open.execute("INSERT INTO pools (slug, name) VALUES ('vip', 'VIP')")
        left_open.execute("BEGIN; UPDATE settings SET value = 'x'")
        beside.change(address, "DELETE FROM staff", past=("any",))
        postgres.take_back(name, like)
    assert postgres.lend(tmp_path, like) == name
    assert beside.row_counts(address) == before
    assert not beside.rows(address, "SELECT name FROM settings WHERE value = 'x'")
    beside.change(address, "INSERT INTO pools (slug, name) VALUES ('next', 'Next')")
    assert beside.value(address, "SELECT MAX(pool_id) FROM pools") == 2  # the first number that was free then is free again
    beside.change(address, "ALTER TABLE events DISABLE TRIGGER events_never_changed")
    postgres.take_back(name, like)
    assert postgres.lend(tmp_path, like) != name  # its rules were changed: it is no more
