"""What every engine does alike: groups, lone failures, looks that stand still."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from kashop.db import Reader, Tx, engine, migrate
from kashop.db.groups import Groups
from kashop.lib.clock import SystemClock
from kashop.lib.errors import Invalid
from kashop.settings.reads import Stored
from tests.db.units import add, slugs


@pytest.fixture(params=["sqlite", "postgres"])
async def db(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Groups]:
    place: Path | str = tmp_path / "kashop.db"
    if request.param == "postgres":
        shops = request.getfixturevalue("postgres")
        place = shops.address(shops.make())
    migrate.apply(place)
    db = await engine.open_db(place, SystemClock())
    yield db
    await db.close()


async def test_units_that_wait_share_a_commit(db: Groups) -> None:
    ids = await asyncio.gather(*(db.write(add, f"s{n}") for n in range(1000)))
    assert len(set(ids)) == 1000
    assert db.groups < 20


async def test_a_unit_that_fails_is_undone_alone(db: Groups) -> None:
    units = [db.write(add, f"s{n}", then=KeyError if n == 1 else None) for n in range(3)]
    answers = await asyncio.gather(*units, return_exceptions=True)
    assert isinstance(answers[1], KeyError)
    assert await db.read(slugs) == ["s0", "s2"]


@pytest.mark.parametrize("error", [StopIteration, SystemExit, KeyboardInterrupt])
async def test_what_no_future_carries_fails_its_own_unit_alone(db: Groups, error: type[BaseException]) -> None:
    def look(db: Reader) -> None:
        raise error

    units = [db.write(add, f"s{n}", then=error if n == 1 else None) for n in range(3)]
    looks = [db.read(look) for _ in range(3)]
    answers = await asyncio.wait_for(asyncio.gather(*units, *looks, return_exceptions=True), 30)
    assert [isinstance(a, RuntimeError) for a in answers] == [False, True, False, True, True, True]
    assert await asyncio.wait_for(db.read(slugs), 30) == ["s0", "s2"]


async def test_a_cancelled_caller_does_not_cancel_the_change(db: Groups) -> None:
    task = asyncio.create_task(db.write(add, "kept"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await db.write(add, "after")
    assert await db.read(slugs) == ["after", "kept"]


async def test_a_look_cannot_change(db: Groups) -> None:
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.ReadOnlySqlTransaction), match=r"read-?only"):
        await db.read(lambda reader: add(reader, "x"))  # type: ignore[arg-type]
    assert await db.read(slugs) == []


async def test_a_look_sees_one_moment(db: Groups) -> None:
    loop = asyncio.get_running_loop()

    def twice(reader: Reader) -> tuple[list[str], list[str]]:
        before = slugs(reader)
        asyncio.run_coroutine_threadsafe(db.write(add, "meanwhile"), loop).result()
        return before, slugs(reader)

    assert await db.read(twice) == ([], [])
    assert await db.read(slugs) == ["meanwhile"]


async def test_numbers_beyond_the_engine_are_refused_not_crashed(db: Groups) -> None:
    with pytest.raises(Invalid):
        await db.read(lambda reader: reader.value("SELECT CAST(:n AS BIGINT)", n=2**63))


async def test_rows_must_have_the_fields_in_order(db: Groups) -> None:
    with pytest.raises(TypeError, match="columns"):
        await db.read(lambda reader: reader.one("SELECT 1 AS value, 2 AS name", Stored))


async def test_a_unit_that_failed_before_it_changed_anything_undoes_nothing(db: Groups) -> None:
    runs: list[str] = []

    def counted(tx: Tx, slug: str, *, fails: bool = False) -> None:
        runs.append(slug)
        if fails:
            raise KeyError(slug)
        add(tx, slug)

    units = [db.write(counted, f"s{n}", fails=n == 1) for n in range(3)]
    answers = await asyncio.gather(*units, return_exceptions=True)
    assert [type(a) for a in answers] == [type(None), KeyError, type(None)]
    assert (runs, await db.read(slugs)) == (["s0", "s1", "s2"], ["s0", "s2"])


async def test_a_group_is_run_again_once_a_unit_failed_that_had_changed_something(db: Groups) -> None:
    runs: list[str] = []

    def counted(tx: Tx, slug: str, *, then: type[BaseException] | None = None) -> None:
        runs.append(slug)
        add(tx, slug, then=then)

    for round_ in range(3):  # from then on each unit is marked, and nothing is run twice
        units = [db.write(counted, f"s{round_}{n}", then=KeyError if n == 1 else None) for n in range(3)]
        answers = await asyncio.gather(*units, return_exceptions=True)
        assert [type(a) for a in answers] == [type(None), KeyError, type(None)]
    assert runs == ["s00", "s01", "s00", "s01", "s02", "s10", "s11", "s12", "s20", "s21", "s22"]
    assert await db.read(slugs) == ["s00", "s02", "s10", "s12", "s20", "s22"]


async def test_what_units_keep_for_each_other_is_forgotten_with_the_one_that_is_undone(db: Groups) -> None:
    async def write(*names: str) -> list[object]:
        def unit(tx: Tx, name: str) -> str:
            known = tx.kept.get("last", "nobody")
            add(tx, name)
            tx.kept["last"] = name
            if name.startswith("bad"):
                raise KeyError(name)
            return str(known)

        return list(await asyncio.gather(*(db.write(unit, name) for name in names), return_exceptions=True))

    assert await write("a", "b") == ["nobody", "a"]
    assert (await write("c", "bad1", "d", "e"))[2:] == ["nobody", "d"]
    assert (await write("f", "bad2", "g"))[2:] == ["nobody"]
