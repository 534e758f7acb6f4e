"""The river: gapless, chained, and whole when a person is forgotten."""

import asyncio
import sqlite3
from pathlib import Path

import psycopg
import pytest

from kashop.audit import reads, writes
from kashop.audit.chain import reads as chain
from kashop.audit.writes import record
from kashop.db import Tx
from kashop.flows import checkpoint
from kashop.lib.actor import Actor
from kashop.shop import Shop
from tests import beside
from tests.cast import TestClock, config

WHO = Actor("staff", "1", ip="203.0.113.9")


async def test_events_follow_one_another(shop: Shop) -> None:
    first = (await shop.db.read(reads.head)).seq
    for n in range(5):
        await shop.db.write(record, "thing.done", WHO, ("thing", n), count=n)
    assert (await shop.db.read(reads.head)).seq == first + 5
    assert (await shop.db.read(chain.verify)).flaw is None
    (told,) = await shop.db.read(reads.timeline, "thing", 3)
    assert (told.name, told.payload, told.personal) == ("thing.done", '{"count":3}', '{"ip":"203.0.113.9"}')


@pytest.mark.parametrize(
    "crime",
    [
        "UPDATE events SET reason = 'x' WHERE seq = 4",
        "UPDATE events SET at = at + 1 WHERE seq = 4",
        "UPDATE events SET object_id = 99 WHERE seq = 4",
        "UPDATE events SET personal_hash = :zero WHERE seq = 4",
        "DELETE FROM events WHERE seq = 4",
        "UPDATE events SET seq = 99 WHERE seq = 4",
    ],
)
async def test_every_crime_is_found_where_it_was_done(data: Path, crime: str) -> None:
    shop = await Shop.open(config(data))
    for n in range(5):
        await shop.db.write(record, "thing.done", WHO, ("thing", n))
    await shop.close()
    values = {"zero": bytes(32)} if ":zero" in crime else {}
    beside.change(config(data).place, crime, past=("events_never_updated", "events_never_deleted"), **values)
    shop = await Shop.open(config(data))
    flaw = (await shop.db.read(chain.verify)).flaw
    assert flaw is not None
    assert flaw.seq == 4
    await shop.close()


async def test_a_person_can_be_forgotten(shop: Shop, clock: TestClock) -> None:
    await shop.db.write(record, "thing.done", WHO, ("thing", 1), personal={"contact": "somebody@forgotten.example"})
    assert b"somebody@forgotten.example" in await bytes_of(shop)
    assert await checkpoint.forget_personal(shop) == 0
    clock.pass_time(hours=24 * 1097)
    await shop.db.write(record, "thing.done", WHO, ("thing", 2))
    assert await checkpoint.forget_personal(shop) == 2  # the founding's event has some too
    assert await checkpoint.forget_personal(shop) == 0
    verdict = await shop.db.read(chain.verify)
    assert (verdict.flaw, verdict.erased) == (None, 2)
    (told,) = await shop.db.read(reads.timeline, "thing", 1)
    assert told.personal is None
    (kept,) = await shop.db.read(reads.timeline, "thing", 2)
    assert kept.personal == '{"ip":"203.0.113.9"}'
    assert b"somebody@forgotten.example" not in await bytes_of(shop)


async def bytes_of(shop: Shop) -> bytes:
    """What is kept; of a file, all that is in the log written into it."""
    await shop.db.write(lambda tx: tx.run("UPDATE pools SET name = name"))
    if isinstance(shop.config.place, Path):
        con = sqlite3.connect(shop.config.place)
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        con.close()
    return beside.stored(shop.config.place)


async def test_erasing_goes_by_chunks_and_never_twice(shop: Shop, clock: TestClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "ERASED_AT_ONCE", 3)
    for n in range(10):
        await shop.db.write(record, "thing.done", WHO, ("thing", n))
    clock.pass_time(hours=24 * 1097)
    assert await checkpoint.forget_personal(shop) == 11
    told = [e for e in await shop.db.read(reads.page, 0) if e.name == "personal.erased"]
    assert [e.payload for e in told] == [
        '{"through":3,"values":1}',
        '{"through":6,"values":3}',
        '{"through":9,"values":3}',
        '{"through":12,"values":3}',
        '{"through":13,"values":1}',
    ]
    assert (await shop.db.read(chain.verify)).flaw is None


@pytest.mark.parametrize(
    "crime",
    [
        "UPDATE event_personal SET value = '{}' WHERE personal_id = 1",
        "UPDATE event_personal SET personal_id = 99 WHERE personal_id = 1",
        "DELETE FROM event_personal",
        "UPDATE events SET reason = 'x'",
        "DELETE FROM events",
        "UPDATE audit_checkpoints SET note = 'x'",
        "DELETE FROM audit_checkpoints",
    ],
)
async def test_the_database_itself_refuses_to_change_history(shop: Shop, crime: str) -> None:
    await checkpoint.make(shop)
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException), match=r"never|only ever"):
        await shop.db.write(lambda tx: tx.run(crime))


async def test_the_chain_holds_when_units_of_one_group_record_and_some_of_them_fail(shop: Shop) -> None:
    def told(tx: Tx, number: int) -> None:
        record(tx, "thing.done", WHO, ("thing", number))
        record(tx, "thing.done", Actor("cli"), ("thing", number), personal={"mail": f"{number}@example.com"})
        if number % 5 == 3:
            raise KeyError(number)

    for _ in range(2):
        await asyncio.gather(*(shop.db.write(told, n) for n in range(20)), return_exceptions=True)
    assert (await shop.db.read(chain.verify)).flaw is None
    kept = [e.object_id for e in await shop.db.read(reads.page, 0) if e.name == "thing.done"]
    assert kept == [n for n in range(20) if n % 5 != 3 for _ in "ab"] * 2
