"""`kashop audit verify` on a copy: offline, without a key of the shop, without a trace, at exit 2 with the first bad event."""

import hashlib
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kashop.audit.writes import record
from kashop.db import examine
from kashop.flows import checkpoint
from kashop.lib.actor import Actor
from kashop.shop import Shop
from tests import serving
from tests.cast import config
from tests.cli.conftest import Terminal

pytestmark = pytest.mark.sqlite  # a file is read, and copies of it

WHO = Actor("staff", "1", ip="203.0.113.9")


def state(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


async def fill(data: Path, count: int) -> str:
    """Events, then a checkpoint, then one event more; the checkpoint's note."""
    shop = await Shop.open(config(data))
    await shop.db.write(lambda tx: [record(tx, "thing.done", WHO, ("thing", n)) for n in range(count)])
    made = await checkpoint.make(shop)
    await shop.db.write(record, "thing.done", WHO, ("thing", count))
    await shop.close()
    return made.note


@pytest.fixture
def copies(data: Path, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Copies of a database with all of its events in the log: with log and index, with the log alone, and with neither."""
    con = sqlite3.connect(data / "kashop.db")
    con.execute("PRAGMA wal_autocheckpoint=0")
    con.execute("UPDATE pools SET name = 'in the log'")
    con.commit()
    found = {}
    for name, suffixes in {"all": ("", "-wal", "-shm"), "log": ("", "-wal"), "alone": ("",)}.items():
        found[name] = tmp_path / name
        found[name].mkdir()
        for suffix in suffixes:
            shutil.copy2(data / f"kashop.db{suffix}", found[name] / f"kashop.db{suffix}")
    yield found
    con.close()


@pytest.mark.parametrize("kind", ["all", "log", "alone"])
def test_a_copy_is_read_whole_and_left_as_it_was(copies: dict[str, Path], kind: str) -> None:
    before = state(copies[kind])
    whole = Terminal(copies[kind]).json("audit", "verify", "--database", copies[kind] / "kashop.db")
    assert whole["ok"] is True
    with examine.reading(copies[kind] / "kashop.db") as db:
        assert db.values("SELECT name FROM pools") == ["Default" if kind == "alone" else "in the log"]
    after = state(copies[kind])
    assert {n: d for n, d in after.items() if n != "kashop.db-shm"} == {n: d for n, d in before.items() if n != "kashop.db-shm"}


@pytest.mark.skipif(os.geteuid() != 0, reason="a folder is read-only for its owner only when root hands it to somebody else")
@pytest.mark.parametrize("kind", ["all", "log", "alone"])
def test_a_copy_in_a_folder_that_may_not_be_written_is_read(copies: dict[str, Path], kind: str) -> None:
    folder = Path(tempfile.mkdtemp()) / "shop"
    shutil.copytree(copies[kind], folder)
    folder.parent.chmod(0o755)
    for path in (folder, *folder.iterdir()):
        path.chmod(path.stat().st_mode & ~0o222 | stat.S_IRGRP | stat.S_IROTH | (0o111 if path.is_dir() else 0))
    child = os.fork()
    if child == 0:  # nobody: the folder is another's, and not writable
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.chdir("/")
            fd = os.open(folder / "kashop.db", os.O_RDONLY)
            os.close(fd)
            with examine.reading(folder / "kashop.db") as db:
                os._exit(0 if db.value("SELECT count(*) FROM events") else 1)
        finally:
            os._exit(2)
    read = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    shutil.rmtree(folder.parent)
    assert read


async def test_no_key_and_no_configuration_is_needed(data: Path, tmp_path: Path) -> None:
    note = await fill(data, 20)
    con = sqlite3.connect(data / "kashop.db")
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    con.close()
    away = tmp_path / "away"
    away.mkdir()
    shutil.copy2(data / "kashop.db", away / "copy.db")
    (away / "kept.txt").write_text(f"From: shop\n\n{note}\n")
    (away / "shop.pub").write_text(serving.kashop("audit", "pubkey", "--data", data))
    data.with_name("shop.key").unlink()
    options = ("--database", away / "copy.db", "--pubkey", away / "shop.pub", "--checkpoint", away / "kept.txt")
    said = serving.kashop("audit", "verify", *options, KASHOP_DATA=str(away / "nothing"))
    assert "The chain is whole: 24 events" in said
    assert "1 stored checkpoints and 1 from elsewhere, the last one at event 23" in said
    assert [path.name for path in sorted(away.iterdir())] == ["copy.db", "kept.txt", "shop.pub"]


async def test_what_is_cut_off_is_seen_only_against_a_checkpoint_from_elsewhere(data: Path, tmp_path: Path) -> None:
    note = await fill(data, 20)
    (tmp_path / "kept.txt").write_text(note)
    terminal = Terminal(data)
    (tmp_path / "shop.pub").write_text(serving.kashop("audit", "pubkey", "--data", data))
    con = sqlite3.connect(data / "kashop.db")
    con.executescript("""
        DROP TRIGGER events_never_deleted; DROP TRIGGER event_personal_never_deleted;
        DROP TRIGGER audit_checkpoints_never_deleted;
        DELETE FROM event_personal WHERE personal_id > (SELECT personal_id FROM events WHERE seq = 10);
        DELETE FROM events WHERE seq > 10;
        DELETE FROM audit_checkpoints;
    """)
    con.close()
    assert terminal.run("audit", "verify").exit_code == 0  # from within, a shorter chain is whole: the reference says so
    cut = terminal.run("audit", "verify", "--checkpoint", tmp_path / "kept.txt")
    assert cut.exit_code == 2
    assert "event 11: is missing: a checkpoint attests more events than there are" in cut.stderr
    keyed = terminal.run("audit", "verify", "--pubkey", tmp_path / "shop.pub")
    assert (keyed.exit_code, "no checkpoint" in keyed.stderr) == (2, True)


def test_a_file_without_a_key_or_note_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("nothing here\n")
    for option in ("--pubkey", "--checkpoint"):
        assert "There is none in the file" in Terminal(data).refused("audit", "verify", option, tmp_path / "empty.txt")
    assert "No such file" in Terminal(data).refused("audit", "verify", "--database", tmp_path / "missing.db")


@pytest.mark.parametrize("text", ["CAST(x'ff' AS TEXT)", "CAST(x'c328' AS TEXT)"])
async def test_text_that_is_none_is_found_where_it_stands(data: Path, text: str) -> None:
    await fill(data, 20)
    con = sqlite3.connect(data / "kashop.db")
    con.executescript(f"DROP TRIGGER events_never_updated; UPDATE events SET reason = {text} WHERE seq = 9")
    con.close()
    result = Terminal(data).run("audit", "verify")
    assert (result.exit_code, "event 9:" in result.stderr) == (2, True)


async def test_a_file_that_breaks_off_is_a_finding_and_no_error(data: Path) -> None:
    await fill(data, 3000)
    con = sqlite3.connect(data / "kashop.db")
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    con.close()
    path = data / "kashop.db"
    raw = bytearray(path.read_bytes())
    for at in range(len(raw) // 2, len(raw) // 2 + 200_000, 4096):
        raw[at : at + 4096] = b"\xff" * 4096
    path.write_bytes(raw)
    result = Terminal(data).run("audit", "verify")
    assert (result.exit_code, "the chain is broken" in result.stderr) == (2, True), result.output


async def test_a_file_from_before_there_were_checkpoints_is_read(data: Path) -> None:
    await fill(data, 20)
    con = sqlite3.connect(data / "kashop.db")
    con.executescript("DROP TABLE audit_checkpoints; DROP TABLE audit_signers")
    con.close()
    assert Terminal(data).json("audit", "verify", "--database", data / "kashop.db")["ok"] is True


async def test_it_reads_beside_a_running_server(data: Path) -> None:
    with serving.Served(data) as served:
        whole = serving.kashop("audit", "verify", "--data", data)
        made = serving.kashop("audit", "checkpoint", "--data", data)
        served.check()
    assert "The chain is whole" in whole
    assert made.startswith("kashop/")
