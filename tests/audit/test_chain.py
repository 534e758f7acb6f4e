"""The river: gapless, chained, and whole when a person is forgotten."""

import sqlite3
from pathlib import Path

import pytest

from kashop.audit import reads
from kashop.audit.writes import record
from kashop.lib.actor import Actor
from kashop.shop import Shop
from tests.cast import config

WHO = Actor("staff", "1", ip="203.0.113.9")


async def test_events_follow_one_another(shop: Shop) -> None:
    first = (await shop.db.read(reads.head)).seq
    for n in range(5):
        await shop.db.write(record, "thing.done", WHO, ("thing", n), count=n)
    assert (await shop.db.read(reads.head)).seq == first + 5
    assert await shop.db.read(reads.broken_link) is None
    (told,) = await shop.db.read(reads.timeline, "thing", 3)
    assert (told.name, told.payload, told.personal) == ("thing.done", '{"count":3}', '{"ip":"203.0.113.9"}')


@pytest.mark.parametrize(
    "crime",
    [
        "UPDATE events SET reason = 'x' WHERE seq = 3",
        "UPDATE events SET at = at + 1 WHERE seq = 3",
        "UPDATE events SET object_id = 99 WHERE seq = 3",
        "UPDATE events SET personal_hash = zeroblob(32) WHERE seq = 3",
        "DELETE FROM events WHERE seq = 3",
        "UPDATE events SET seq = CASE seq WHEN 3 THEN -4 WHEN 4 THEN 3 END WHERE seq IN (3, 4)",
    ],
)
async def test_every_crime_is_found_where_it_was_done(data: Path, crime: str) -> None:
    shop = await Shop.open(config(data))
    for n in range(5):
        await shop.db.write(record, "thing.done", WHO, ("thing", n))
    await shop.close()
    con = sqlite3.connect(data / "kashop.db")
    for (trigger,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        con.execute(f"DROP TRIGGER {trigger}")
    con.execute(crime)
    con.commit()
    con.close()
    shop = await Shop.open(config(data))
    assert await shop.db.read(reads.broken_link) == 3
    await shop.close()


async def test_a_person_can_be_forgotten(shop: Shop, data: Path) -> None:
    await shop.db.write(record, "thing.done", WHO, ("thing", 1), personal={"contact": "a@example.com"})
    await shop.db.write(lambda tx: tx.run("DELETE FROM event_personal"))
    assert await shop.db.read(reads.broken_link) is None
    (told,) = await shop.db.read(reads.timeline, "thing", 1)
    assert told.personal is None
