"""What happens to the server while a node works: it only reads for a while, ends every session, or loses its standby."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import conninfo

from kashop.db import Reader, Tx, migrate, postgres, postgres_links
from kashop.db.postgres import PostgresDb
from kashop.lib.clock import SystemClock
from kashop.lib.errors import Unavailable, UnknownOutcome
from tests.db.test_postgres import add, node, slugs
from tests.postgres import Shops


def run(address: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(address, autocommit=True) as con:
        con.execute("SET default_transaction_read_only = off")
        done = con.execute(sql.encode())
        return done.fetchall() if done.description else []


@contextmanager
def only_reading(address: str) -> Iterator[None]:
    """Every session from now on may only read, as on a standby; those that there are are ended, as when a primary steps down."""
    name = conninfo.conninfo_to_dict(address)["dbname"]
    run(address, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    end_sessions(address)
    yield
    run(address, f"ALTER DATABASE {name} RESET default_transaction_read_only")


def end_sessions(address: str) -> None:
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    run(address, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - it comes by itself
            await asyncio.sleep(0.01)


async def test_a_change_waits_for_a_server_that_writes(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "PATIENCE", 60)
    async with node(address) as db:
        with only_reading(address):
            change = asyncio.create_task(db.write(add, "waited"))
            await asyncio.sleep(0.5)
            assert not change.done()
        assert await asyncio.wait_for(change, 30) == 1
        assert db.problem == ""
        assert await db.read(slugs) == ["waited"]


async def test_who_waited_too_long_is_refused_and_so_is_everybody_until_a_change_is_confirmed(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE", 0.3)
    async with node(address) as db:
        with only_reading(address):
            with pytest.raises(Unavailable, match="does not answer"):
                await db.write(add, "refused")
            assert db.problem
            with pytest.raises(Unavailable, match="does not answer"):
                await asyncio.wait_for(db.write(add, "refused at once"), 30)
            with pytest.raises(Unavailable, match="does not answer"):
                await db.read(slugs)
        monkeypatch.setattr(postgres, "PATIENCE", 60)
        await until(lambda: not db.problem)
        await db.write(add, "goes on")
        assert await db.read(slugs) == ["goes on"]


async def test_looks_are_made_again_when_every_session_is_ended(address: str) -> None:
    async with _Readers(address, 8) as db:
        end_sessions(address)
        assert await asyncio.gather(*(db.read(slugs) for _ in range(16))) == [[]] * 16


class _Readers:
    """A node whose readers all have a connection."""

    def __init__(self, address: str, count: int):
        self._address, self._count = address, count

    async def __aenter__(self) -> PostgresDb:
        self._db = await PostgresDb.open(self._address, SystemClock(), readers=self._count)
        await asyncio.gather(*(self._db.read(_linger) for _ in range(self._count * 2)))
        return self._db

    async def __aexit__(self, *_: object) -> None:
        await self._db.close()


def _linger(db: Reader) -> None:
    db.value("SELECT 1 FROM pg_sleep(0.1)")


async def test_a_commit_whose_standby_was_not_waited_for_is_an_unknown_outcome(address: str) -> None:
    async with node(address) as db:
        await db.write(add, "before")
        with standby("nobody", address):
            change = asyncio.create_task(db.write(add, "here alone"))
            await until(lambda: cancel_waiting(address))
            with pytest.raises(UnknownOutcome, match="canceling wait for synchronous replication"):
                await change
            assert await db.read(slugs) == ["before", "here alone"], "the primary itself has it"
            with pytest.raises(Unavailable, match="confirmed"):
                await db.write(add, "not before a standby is there")
            await until(lambda: waiting(address))
            assert db.problem, "a server without its standby confirms nothing"
        await until(lambda: not db.problem)
        await db.write(add, "goes on")


async def test_a_commit_that_waits_for_ever_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "LONGEST_WAIT", 0.2)
    async with node(address) as db:
        await db.write(add, "before")
        with standby("nobody", address):
            with pytest.raises(UnknownOutcome):
                await asyncio.wait_for(db.write(add, "on the leader alone"), 30)
            with pytest.raises(Unavailable, match="confirmed"):
                await asyncio.wait_for(db.write(add, "refused at once"), 30)
        await until(lambda: not db.problem)
        assert await db.write(add, "goes on") == 1
        assert await db.read(slugs) == ["before", "goes on", "on the leader alone"]


@contextmanager
def standby(name: str, address: str) -> Iterator[None]:
    """Every COMMIT from now on waits for a standby of that name."""
    set_to = "ALTER SYSTEM SET synchronous_standby_names = '{}'"
    run(address, set_to.format(name))
    run(address, "SELECT pg_reload_conf()")
    try:
        while run(address, "SHOW synchronous_standby_names") != [(name,)]:
            pass
        yield
    finally:
        run(address, set_to.format(""))
        run(address, "SELECT pg_reload_conf()")


_WAITING = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'"


def waiting(address: str) -> bool:
    return bool(run(address, f"SELECT pid {_WAITING}"))


def cancel_waiting(address: str) -> bool:
    """As an administrator does who wants a hanging COMMIT to go on."""
    return bool(run(address, f"SELECT pg_cancel_backend(pid) {_WAITING}"))


async def test_of_several_hosts_the_one_that_writes_is_taken(address: str, postgres: Shops, tmp_path: Path) -> None:
    parts = conninfo.conninfo_to_dict(address)
    hosts = ",".join(quote(str(host), safe="") for host in (tmp_path, parts["host"]))
    several = f"postgresql:///{parts['dbname']}?host={hosts}&user=postgres&target_session_attrs=read-write"
    assert migrate.pending(several) == []
    async with node(several) as db:
        await db.write(add, "a")
        end_sessions(address)
        await db.write(add, "b")
        assert await db.read(slugs) == ["a", "b"]


def test_what_an_address_says_goes_before_what_the_shop_would(address: str) -> None:
    ours = conninfo.conninfo_to_dict(postgres_links.way(address))
    theirs = conninfo.conninfo_to_dict(postgres_links.way(f"{address}&tcp_user_timeout=99&connect_timeout=60"))
    assert (ours["tcp_user_timeout"], ours["connect_timeout"]) == ("10000", "3")
    assert (theirs["tcp_user_timeout"], theirs["connect_timeout"]) == ("99", "60")
    with psycopg.connect(postgres_links.way(address)) as con:
        assert con.info.get_parameters()["tcp_user_timeout"] == "10000"


async def test_a_look_that_the_server_cuts_short_is_not_asked_again(address: str) -> None:
    runs: list[int] = []

    def slow(db: Reader) -> None:
        runs.append(1)
        db.value("SELECT 1 FROM pg_sleep(20)")

    async with node(f"{address}&options=-c%20statement_timeout%3D100") as db:
        with pytest.raises(Unavailable):
            await db.read(slow)
        assert runs == [1]

        def change(tx: Tx) -> None:
            add(tx, "undone")
            slow(tx)

        with pytest.raises(Unavailable):
            await db.write(change)
        await db.write(add, "kept")
        assert await db.read(slugs) == ["kept"]
