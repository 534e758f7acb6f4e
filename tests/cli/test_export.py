"""`kashop codes export`: the same rules as in the panel, for whoever sits at the terminal."""

import asyncio
import stat
from pathlib import Path

import pytest

from kashop.accounts import writes as accounts
from kashop.approvals import writes as approvals
from kashop.lib.actor import CLI, Actor
from kashop.shop import Shop
from tests import beside
from tests.cast import add_product, config
from tests.cli.conftest import Terminal
from tests.workbooks import codes as codes_in

WHY = ("--reason", "for the partner")


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "pw.txt").write_text("芝麻 open sesame\n", encoding="utf-8")
    return tmp_path / "pw.txt"


@pytest.fixture
def stocked(data: Path) -> Path:
    async def fill() -> None:
        shop = await Shop.open(config(data), is_server=True)
        await add_product(shop, "goods", codes=60)
        await shop.close()

    asyncio.run(fill())
    return data


def events(data: Path, name: str) -> list[tuple[str, str, str]]:
    return beside.rows(config(data).place, "SELECT actor_kind, reason, payload FROM events WHERE name = :name", name=name)


def test_codes_are_exported_sealed_and_written_down(terminal: Terminal, stocked: Path, words: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    told = terminal.json("codes", "export", "--product", "goods", "--count", "5", "--out", out, "--passphrase-file", words, *WHY)
    assert codes_in(out.read_bytes(), "芝麻 open sesame") == [f"GOODS-{n:05}" for n in range(5)]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    ((kind, reason, payload),) = events(stocked, "export.made")
    assert (kind, reason) == ("cli", "for the partner")
    assert told["digest"] in payload
    assert len(events(stocked, "code.exported")) == told["codes"] == 5
    assert b"GOODS-0" not in out.read_bytes()


def test_what_is_lacking_is_said_and_nothing_is_written(terminal: Terminal, stocked: Path, words: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    most = ("--count", "5", "--out", out, "--passphrase-file", words)
    assert "Say why" in terminal.refused("codes", "export", "--product", "goods", *most)
    assert "no product" in terminal.refused("codes", "export", "--product", "none", *most, *WHY)
    assert "No code fits" in terminal.refused("codes", "export", "--product", "goods", "--state", "void", *most, *WHY)
    words.write_text("short")
    assert "passphrase" in terminal.refused("codes", "export", "--product", "goods", *most, *WHY)
    words.write_text("long enough again")
    out.write_text("mine")
    assert "there already" in terminal.refused("codes", "export", "--product", "goods", *most, *WHY)
    assert out.read_text() == "mine"
    assert events(stocked, "export.begun") == []


def test_above_the_bound_a_second_person_approves_first(terminal: Terminal, stocked: Path, words: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    most = ("--out", out, "--passphrase-file", words)
    said = terminal.refused("codes", "export", "--product", "goods", *most, *WHY)
    assert "run the command again with --approved 1" in said
    assert "not approved" in terminal.refused("codes", "export", "--approved", "1", *most)

    async def approve() -> None:
        shop = await Shop.open(config(stocked))
        mate = await shop.db.write(accounts.add_staff, "mate@example.com", "manager", "x", CLI)
        await shop.db.write(approvals.decide, 1, Actor("staff", str(mate)), is_approved=True, note="agreed")
        await shop.close()

    asyncio.run(approve())
    assert "Wrote 60 codes" in terminal.good("codes", "export", "--approved", "1", *most)
    assert len(codes_in(out.read_bytes(), "芝麻 open sesame")) == 60
    out.unlink()
    terminal.refused("codes", "export", "--approved", "1", *most)
    assert not out.exists()
