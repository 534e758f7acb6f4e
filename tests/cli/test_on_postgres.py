"""The command line on PostgreSQL: a shop is founded, stocked, looked at and moved."""

from pathlib import Path

import pytest

from kashop.settings.config import Config, Secret
from tests import beside
from tests.cli.conftest import Terminal

pytestmark = pytest.mark.sqlite


def test_a_shop_is_founded_stocked_and_sound_on_a_server(address: str, tmp_path: Path) -> None:
    (tmp_path / "address").write_text(address + "\n")
    there = Terminal(tmp_path / "shop")
    env = {"KASHOP_DATABASE_FILE": str(tmp_path / "address")}
    assert "There is no shop" in there.refused("product", "list", env=env)
    there.good("init", "--owner", "owner@example.com", env=env)
    assert not (there.data / "kashop.db").exists()
    (tmp_path / "codes.txt").write_text("A-1\nA-2\nA-3\n")
    there.good("product", "add", "--slug", "card", "--name", "卡", "--price", "10", env=env)
    there.good("codes", "import", tmp_path / "codes.txt", "--product", "card", env=env)
    assert beside.value(address, "SELECT COUNT(*) FROM codes") == 3
    assert there.json("check", "--all", env=env)["ok"]
    assert there.json("migrate", "--check", env=env) == {"pending": []}
    there.good("audit", "verify", env=env)
    findings = there.run("doctor", "--json", env=env).stdout
    assert '"schema"' in findings
    assert "superuser" in findings
    assert "SQLite" not in findings
    beside.change(address, "DROP INDEX orders_unpaid_client")
    assert "orders_unpaid_client is missing" in there.run("check", "--all", env=env).stdout


def test_a_shop_is_moved_from_the_terminal(terminal: Terminal, address: str, tmp_path: Path) -> None:
    (tmp_path / "address").write_text(address + "\n")
    moved = terminal.json("move", "--to-file", tmp_path / "address")
    assert moved["rows"]["staff"] == 1
    assert "KASHOP_DATABASE" in terminal.refused("product", "list")
    assert terminal.json("check", "--all", env={"KASHOP_DATABASE": address})["ok"]


@pytest.mark.parametrize("given", [(), ("--to", "mysql://x"), ("--to", "postgresql://x", "--to-file", __file__)])
def test_a_wrong_call_changes_nothing(terminal: Terminal, given: tuple[str, ...]) -> None:
    assert terminal.run("move", *given).exit_code == 2
    assert (terminal.data / "kashop.db").exists()


def test_an_address_is_never_shown() -> None:
    config = Config(data=Path("x"), unseal_key_file=Path("y"), database=Secret("postgresql://a:hunter2@b/c"))
    assert "hunter2" not in repr(config)
