"""Help, init, migrate, version: from an empty directory to a shop, and every way in which that is refused."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import rich_click as click
from click.testing import CliRunner

from kashop.cli.root import COMMANDS
from kashop.cli.root import kashop as root
from tests import beside
from tests.cast import config
from tests.cli.conftest import Program, Terminal


def test_help_needs_neither_shop_nor_web() -> None:
    asked = """
import sys
from kashop.cli.root import kashop
kashop(["--help"], standalone_mode=False)
heavy = {"litestar", "uvicorn", "nacl", "aiosqlite", "kashop.shop", "kashop.app"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Run a shop" in done.stdout


def commands() -> list[tuple[str, ...]]:
    """Every command and sub-command there is."""
    found: list[tuple[str, ...]] = []
    with click.Context(root) as ctx:
        for name in COMMANDS:
            _, command, _ = root.resolve_command(ctx, [name])
            found.append((name,))
            if isinstance(command, click.Group):
                found += [(name, sub) for sub in command.commands]
    return found


WITHOUT_A_SHOP = {("codes", "supplier-key"), ("codes", "shop-key")}
"""What a supplier runs, on a machine of his own."""


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(root, [*words, "--help"])
    assert result.exit_code == 0
    assert "--help" in result.stdout
    if words != ("version",) and len(words) == 2:
        assert ("--data" in result.stdout) == (words not in WITHOUT_A_SHOP)
        assert "--json" in result.stdout


def test_init_makes_a_whole_shop_and_says_where_its_key_is(program: Program, tmp_path: Path) -> None:
    done = program("init", "--data", "s", "--owner", "Me@Example.com", "--shop-name", "我的小店")
    assert done.returncode == 0, done.stderr
    assert f"Its unseal key is {tmp_path}/s.key (made now)." in done.stdout
    assert "Owner: Me@Example.com" in done.stdout
    assert stat.S_IMODE((tmp_path / "s.key").stat().st_mode) == 0o400
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700
    assert not [p for p in (tmp_path / "s").rglob("*") if stat.S_IMODE(p.stat().st_mode) & 0o077]
    assert program("setting", "get", "shop.name", "--data", "s").stdout == "我的小店\n"
    again = program("init", "--data", "s")
    assert (again.returncode, again.stderr) == (1, "kashop: There is a shop in this directory already.\n")


def test_init_for_scripts(program: Program, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("correct horse 电池\n", encoding="utf-8")
    done = program("init", "--json", "--owner-password-file", "pw", "--currency", "usd", KASHOP_DATA="t")
    told = json.loads(done.stdout)
    assert (told["data"], told["password"], told["made_key"]) == (str(tmp_path / "t"), None, True)
    assert "horse" not in done.stdout + done.stderr
    assert program("setting", "get", "shop.currency", KASHOP_DATA="t").stdout == "USD\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--owner", "nobody"), "email: This is not an e-mail address."),
        (("--currency", "RMB"), "currency"),
        (("--timezone", "Mars/Olympus"), "timezone"),
        (("--locale", "tlh"), "locale"),
        (("--shop-name", "x" * 61), "shop.name: Use 60 characters at most."),
        (("--owner-password-file", "absent"), "absent: No such file or directory"),
        (("--owner-password-file", "empty"), "is empty"),
        (("--owner-password-file", "binary"), "is not UTF-8 text"),
        (("--owner-password-file", "weak"), "owner_password: From 10 to 128 characters."),
        (("--data", "broken"), "kashop.toml"),
        (("--data", "inside"), "The unseal key must stand outside the data directory."),
        (("--data", "/proc/nowhere"), "/proc/nowhere: No such file or directory"),
    ],
)
def test_init_refuses_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "weak").write_text("123")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/kashop.toml").write_text("port = = 1")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/kashop.toml").write_text('unseal_key_file = "inside/x.key"')
    line = Terminal(tmp_path / "new").refused("init", *args)
    assert said in line
    assert not list(tmp_path.rglob("kashop.db"))
    assert not list(tmp_path.rglob("*.key"))


@pytest.mark.parametrize(
    "args", [("nonsense",), ("init", "--nonsense"), ("init", "--data"), ("product", "add"), ("order", "show"), ("product", "fly")]
)
def test_wrong_usage_is_2(terminal: Terminal, args: tuple[str, ...]) -> None:
    result = terminal.run(*args)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_bytes_that_are_no_text_are_refused(data: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kashop.cli", "category", "add", "--data", str(data), "--slug", "x", "--name", b"\xb2\xe2"],
        capture_output=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert done.returncode == 2
    assert b"not valid UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("args", [("check",), ("doctor",), ("product", "list"), ("serve", "--port", "0"), ("migrate",)])
def test_no_shop_is_one_line(tmp_path: Path, args: tuple[str, ...]) -> None:
    line = Terminal(tmp_path / "absent").refused(*args)
    assert f"There is no shop in {tmp_path}/absent: make one with" in line
    assert not (tmp_path / "absent").exists()


def test_a_refusal_for_scripts(tmp_path: Path) -> None:
    result = Terminal(tmp_path / "absent").run("check", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stderr)["error"]
    assert (error["code"], error["errors"]) == ("unavailable", [])
    assert "There is no shop" in error["message"]


def test_keys_that_do_not_fit(terminal: Terminal) -> None:
    key = terminal.data.with_name("shop.key")
    secret = key.read_bytes()
    key.chmod(0o600)
    key.write_bytes(bytes(32))
    assert "does not open this shop: it is another shop's key" in terminal.refused("product", "list")
    key.write_bytes(secret[:-1])
    assert "does not hold 32 bytes" in terminal.refused("check")
    key.unlink()
    assert "is missing: put it back" in terminal.refused("vault", "status")


def test_migrate(terminal: Terminal) -> None:
    assert terminal.json("migrate", "--check") == {"pending": []}
    assert terminal.good("migrate") == "The schema is up to date.\n"
    place = config(terminal.data).place
    table = next(name for name in beside.row_counts(place) if "migrations" in name)
    beside.change(place, f"UPDATE {table} SET name = '9999_from_the_future' WHERE name LIKE '0001%'")
    for command in ("migrate", "check", "doctor"):
        result = terminal.run(command)
        assert result.exit_code == 1
        assert "written by a newer kashop (it has 9999_from_the_future)" in result.output


def test_version(terminal: Terminal) -> None:
    assert json.loads(terminal.good("version", "--json"))["sqlite"] == sqlite3.sqlite_version
    assert terminal.good("--version").startswith("kashop ")
