"""Tampering with a copied audit: each of a great many is found with a key and a checkpoint kept elsewhere (I-32, goal 13)."""

import asyncio
import os
import random
import shutil
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from kashop.audit import notes
from kashop.audit.types import Verdict
from kashop.audit.writes import erase_personal
from kashop.db.sqlite import SqliteDb
from kashop.flows import checkpoint
from kashop.flows.verify import read_chain
from kashop.lib.actor import SYSTEM
from kashop.shop import Shop
from tests.audit import crimes
from tests.audit.filling import fill
from tests.cast import TestClock, config

pytestmark = pytest.mark.sqlite  # crimes are done to copies of a file

MILLION = 1_000_000


@dataclass(frozen=True)
class Evidence:
    """An audit, and what its owner kept elsewhere."""

    path: Path
    key: notes.Key
    kept: list[notes.Note]

    def read(self, path: Path) -> Verdict:
        return read_chain(path, keys=[self.key], outside=self.kept)


async def _make(data: Path) -> tuple[notes.Key, list[notes.Note]]:
    clock = TestClock()
    shop = await Shop.open(config(data), clock=clock)
    for part in range(5):
        fill(data / "kashop.db", 40, seed=part, at=clock.now() - 900_000)
        if part == 1:
            await shop.db.write(erase_personal, before=clock.now(), actor=SYSTEM)
        clock.pass_time(minutes=11)
        await checkpoint.make(shop)
    newest = await checkpoint.make(shop)
    key = await checkpoint.public_key(shop)
    await shop.close()
    return key, notes.find_notes(newest.note)


@pytest.fixture(scope="module")
def evidence(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    data = tmp_path_factory.mktemp("evidence") / "shop"
    shutil.copytree(founded, data)
    shutil.copy2(founded.with_name("shop.key"), data.with_name("shop.key"))
    key, kept = asyncio.run(_make(data))
    return Evidence(data / "kashop.db", key, kept)


def commit(evidence: Evidence, crime: crimes.Crime, dice: random.Random, to: Path) -> str:
    """Do it to a copy; what was done. Raises when nothing was changed."""
    shutil.copy2(evidence.path, to)
    con = sqlite3.connect(to)
    crimes.disarmed(con)
    con.commit()
    before = list(con.iterdump())
    said = crime(con, dice)
    con.commit()
    after = list(con.iterdump())
    con.close()
    assert before != after, f"the crime changed nothing: {said}"
    return said


def attempt(evidence: Evidence, folder: Path, count: int) -> None:
    seed = int(os.environ.get("KASHOP_TEST_SEED") or time.time_ns() % 10**9)
    print(f"KASHOP_TEST_SEED={seed}")
    dice, missed, kinds = random.Random(seed), [], set()
    for n in range(count):
        crime = crimes.CRIMES[n % len(crimes.CRIMES)]
        kinds.add(crime.__name__)
        said = commit(evidence, crime, dice, folder / "copy.db")
        if evidence.read(folder / "copy.db").flaw is None:
            missed.append(f"{n}: {said}")
    assert not missed, f"seed {seed}, {len(missed)} of {count} not found:\n" + "\n".join(missed)
    assert kinds == {crime.__name__ for crime in crimes.CRIMES}
    print(f"{count} of {count} found")


def test_an_untouched_copy_is_whole(evidence: Evidence) -> None:
    verdict = evidence.read(evidence.path)
    assert verdict.flaw is None
    assert (verdict.stored, verdict.outside, verdict.signed_to) == (5, 1, verdict.head.seq)
    assert verdict.head.seq == 204
    assert 60 < verdict.erased < verdict.personal


def test_tamperings_of_a_copy_are_all_found(evidence: Evidence, tmp_path: Path) -> None:
    attempt(evidence, tmp_path, 132)


@pytest.mark.drill
def test_a_thousand_tamperings_of_a_copy_are_all_found(evidence: Evidence, tmp_path: Path) -> None:
    attempt(evidence, tmp_path, 1000)


@pytest.mark.parametrize("crime", dict.fromkeys(crimes.CRIMES), ids=lambda crime: crime.__name__)
def test_without_what_is_kept_elsewhere_some_are_not_seen(evidence: Evidence, tmp_path: Path, crime: crimes.Crime) -> None:
    """What the reference says: a file that was cut, or written and signed anew as a whole, is whole in itself."""
    dice, unseen = random.Random(7), []
    for _ in range(8):
        said = commit(evidence, crime, dice, tmp_path / "copy.db")
        if read_chain(tmp_path / "copy.db").flaw is None:
            unseen.append(said)
    assert bool(unseen) == (crime.__name__ in crimes.UNSEEN_FROM_WITHIN), unseen


def test_the_first_bad_event_is_named(evidence: Evidence, tmp_path: Path) -> None:
    for seq in (1, 2, 77, 203, 204):
        shutil.copy2(evidence.path, tmp_path / "copy.db")
        con = sqlite3.connect(tmp_path / "copy.db")
        crimes.disarmed(con)
        con.execute("UPDATE events SET actor_ref = 'somebody else' WHERE seq = ?", (seq,))
        con.commit()
        con.close()
        flaw = evidence.read(tmp_path / "copy.db").flaw
        assert flaw is not None
        assert flaw.seq == seq


async def test_the_filler_writes_what_the_shop_would(data: Path, clock: TestClock) -> None:
    """The million below are judged by the same rules as events that the shop itself recorded after them."""
    fill(data / "kashop.db", 50, seed=3)
    db = await SqliteDb.open(data / "kashop.db", clock)
    await db.close()
    shop = await Shop.open(config(data), clock=clock)
    await checkpoint.make(shop)
    await shop.close()
    verdict = read_chain(data / "kashop.db")
    assert (verdict.flaw, verdict.stored) == (None, 1)


@pytest.mark.drill
def test_a_million_events_are_read_within_a_minute_in_flat_memory(data: Path) -> None:
    import resource

    fill(data / "kashop.db", MILLION, seed=1)
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock_began = time.monotonic()
    verdict = read_chain(data / "kashop.db")
    took, cpu = time.monotonic() - clock_began, time.process_time() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    print(f"{verdict.head.seq} events in {took:.1f} s, {cpu:.1f} s of one core, {grown} MiB more memory")
    assert verdict.flaw is None
    assert verdict.head.seq > MILLION
    assert cpu < 60
    assert grown < 50
