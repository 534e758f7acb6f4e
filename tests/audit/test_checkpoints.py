"""Checkpoints: signed when due, in a standard's shape, checked by strangers; what the doctor says when none leaves the host."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from kashop.audit import notes, reads, writes
from kashop.audit.chain import reads as chain
from kashop.audit.writes import record
from kashop.cli import ailments
from kashop.flows import checkpoint, settings
from kashop.flows import notices as notice_flow
from kashop.jobs.schedule import SCHEDULE
from kashop.lib.actor import CLI, Actor
from kashop.shop import Shop
from tests import beside
from tests.cast import TestClock

CHECKER = Path(__file__).parents[2] / "docs" / "reference" / "check_note.py"
WHO = Actor("staff", "1")
SEED, HEAD, AT = bytes(range(32)), b"\x07" * 32, 1_793_505_600_123


def note(**over: object) -> str:
    given = {"seed": SEED, "name": "kashop/abc", "size": 42, "head": HEAD, "at": AT, **over}
    return notes.sign(given.pop("seed"), **given)


def run_checker(tmp_path: Path, key: notes.Key, text: str) -> tuple[int, str]:
    (tmp_path / "shop.pub").write_text(f"{key}\n")
    done = subprocess.run([sys.executable, CHECKER, tmp_path / "shop.pub"], input=text.encode(), capture_output=True)
    return done.returncode, (done.stdout + done.stderr).decode()


def test_a_note_reads_as_the_standard_says() -> None:
    text = note()
    head, signature = text.split("\n\n")
    assert head.splitlines() == [
        "kashop/abc",
        "42",
        "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
        "time 2026-11-01T04:00:00.123Z",
    ]
    assert signature.startswith("— kashop/abc ")
    key = notes.key_of(SEED, "kashop/abc")
    assert key.public == bytes(SigningKey(SEED).verify_key)
    assert str(key).startswith(f"kashop/abc+{key.key_id.hex()}+A")
    (found,) = notes.find_notes(f"Dear owner,\r\n\r\n{text}\r\nYours".replace("\n", "\r\n"))
    assert (found.size, found.hash, found.at, found.text) == (42, HEAD, AT, text)
    assert found.is_signed_by(key)
    assert notes.find_notes(json.dumps({"text": f"Keep this:\n\n{text}", "note": text}, ensure_ascii=False)) == [found]
    assert notes.find_keys(f"my key:\n{key}\n") == [key]


@pytest.mark.parametrize("place", range(len(note()) - 1))
def test_a_changed_note_is_not_believed(place: int) -> None:
    text, key = note(), notes.key_of(SEED, "kashop/abc")
    changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
    assert not any(found.is_signed_by(key) for found in notes.find_notes(changed))


def test_another_key_or_name_signs_nothing_for_us() -> None:
    key = notes.key_of(SEED, "kashop/abc")
    for theirs in (note(seed=b"\x01" * 32), note(name="kashop/other")):
        (found,) = notes.find_notes(theirs)
        assert not found.is_signed_by(key)
    assert notes.find_keys(str(key).replace("+", "+0", 1)) == []
    assert notes.find_keys(str(key)[:-4] + "AAA=") == []


def test_strangers_check_a_note_in_thirty_lines(tmp_path: Path) -> None:
    key = notes.key_of(SEED, "kashop/abc")
    code, said = run_checker(tmp_path, key, note())
    assert (code, said) == (0, f"kashop/abc: 42 events, the last one's hash is {'07' * 32}, time 2026-11-01T04:00:00.123Z\n")
    for bad in (note().replace("\n42\n", "\n41\n"), note(seed=b"\x01" * 32), note(name="kashop/x"), "nothing\n\n"):
        assert run_checker(tmp_path, key, bad)[0] == 1, bad


async def test_the_key_is_made_at_the_founding_and_bound_to_the_chain(shop: Shop) -> None:
    key = await checkpoint.public_key(shop)
    assert key.name == f"kashop/{shop.settings.text('shop.id')}"
    (made,) = [e for e in await shop.db.read(reads.page, 0) if e.name == "audit.key_made"]
    assert str(key) in made.payload
    stored = await shop.db.read(reads.signer)
    assert stored is not None
    seed = shop.keyring.open_settings(stored.sealed_seed, name=checkpoint.SEED)
    assert notes.key_of(seed, key.name) == key
    assert not [path for path in shop.config.data.rglob("*") if path.is_file() and seed in path.read_bytes()]
    assert seed not in beside.stored(shop.config.place)


async def test_a_shop_from_before_makes_its_key_at_first_use(shop: Shop) -> None:
    await shop.db.write(lambda tx: tx.run("DELETE FROM audit_signers"))
    await checkpoint.make(shop)
    names = [e.name for e in await shop.db.read(reads.page, 0)]
    assert names.count("audit.key_made") == 2
    assert (await shop.db.read(chain.verify)).stored == 1


async def test_it_is_signed_while_the_vault_is_sealed(shop: Shop) -> None:
    shop.keyring.seal()
    made = await checkpoint.make(shop)
    (found,) = notes.find_notes(made.note)
    assert found.is_signed_by(await checkpoint.public_key(shop))


async def test_it_is_due_after_ten_minutes_or_a_thousand_events_and_never_for_nothing(shop: Shop, clock: TestClock) -> None:
    (job,) = [job for job in SCHEDULE if job.name == "checkpoint_audit"]
    assert await job.work(shop) == 1
    clock.pass_time(hours=30)
    assert await job.work(shop) == 0  # nothing new
    await shop.db.write(record, "thing.done", WHO, ("thing", 1))
    assert await job.work(shop) == 1
    await shop.db.write(record, "thing.done", WHO, ("thing", 1))
    clock.pass_time(minutes=9)
    assert await job.work(shop) == 0
    await shop.db.write(lambda tx: [record(tx, "thing.done", WHO, ("thing", n)) for n in range(999)])
    assert await job.work(shop) == 1
    newest = await shop.db.read(reads.newest_checkpoint)
    head = await shop.db.read(reads.head)
    assert newest is not None
    assert (newest.seq, newest.hash) == (head.seq, head.hash)
    verdict = await shop.db.read(chain.verify)
    assert (verdict.flaw, verdict.stored, verdict.signed_to) == (None, 3, head.seq)


async def test_owners_get_one_by_mail_a_day(shop: Shop, clock: TestClock) -> None:
    def mails() -> "object":
        return shop.db.read(
            lambda db: db.value("SELECT count(*) FROM notices WHERE about = 'audit.checkpoint' AND channel = 'mail'")
        )

    for hours, wanted in ((0, 1), (1, 1), (22, 1), (1.1, 2), (1, 2)):
        clock.pass_time(hours=hours)
        await shop.db.write(record, "thing.done", WHO, ("thing", 1))
        await checkpoint.make(shop)
        assert await mails() == wanted, hours


async def test_the_doctor_warns_when_none_left_the_host_for_a_day(shop: Shop, clock: TestClock) -> None:
    async def told(*, is_practice: bool = False) -> tuple[str, str]:
        head = await shop.db.read(reads.head)
        found = await shop.db.read(lambda db: list(ailments._audit(head, db, is_practice=is_practice)))
        (finding,) = [f for f in found if f.subject == "audit"]
        return finding.level, finding.said

    made = await checkpoint.make(shop)
    assert (await told())[0] == "ok"
    clock.pass_time(hours=24 * 400)
    assert (await told())[0] == "mend"
    assert (await told(is_practice=True))[0] == "note"
    assert await shop.db.write(writes.acknowledge, made.seq, by="webhook", at=clock.now())
    assert not await shop.db.write(writes.acknowledge, made.seq, by="mail", at=clock.now())
    level, said = await told()
    assert (level, f"up to event {made.seq}" in said) == ("ok", True)  # nothing new: nothing to vouch for
    await shop.db.write(record, "thing.done", WHO, ("thing", 1))
    clock.pass_time(hours=23)
    assert (await told())[0] == "ok"
    clock.pass_time(hours=2)
    assert (await told())[0] == "mend"


async def test_what_left_the_host_is_noted(shop: Shop, clock: TestClock, tmp_path: Path) -> None:
    """Acknowledged is what a channel took: here the notice file, synced to a disk outside the data directory."""
    away = tmp_path / "notices.jsonl"
    await settings.change(shop, {"notices.file": str(away)}, CLI)
    made = await checkpoint.make(shop)
    assert await checkpoint.make_due(shop) == 0  # it waits
    clock.pass_time(minutes=1)
    assert await notice_flow.send_due(shop)
    assert await checkpoint.make_due(shop) == 1
    kept = await shop.db.read(reads.find_checkpoint, made.seq)
    assert kept is not None
    assert (kept.acknowledged_by, kept.acknowledged_at) == ("file", clock.now())
    assert await shop.db.read(reads.acknowledged_to) == made.seq
    assert await checkpoint.make_due(shop) == 0
    (found,) = notes.find_notes(away.read_text())
    assert found.text == made.note
    whole = await shop.db.read(chain.verify, keys=[await checkpoint.public_key(shop)], outside=[found])
    assert (whole.flaw, whole.outside) == (None, 1)
