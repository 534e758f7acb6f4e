"""A PostgreSQL that no shop could work on: each command says what to do in one line, and nothing was made anywhere."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kashop.db import postgres_door
from kashop.lib.errors import Invalid
from kashop.settings.config import check_address
from tests import beside
from tests.cli.conftest import Terminal
from tests.postgres import Shops

pytestmark = pytest.mark.sqlite  # it brings its own server

BEGIN = {
    "init": ("init", "--owner", "owner@example.com"),
    "demo": ("demo", "--no-serve"),
}

ADD = ("product", "add", "--slug", "a", "--name", "a", "--price", "1")


class Databases:
    """Made as a test asks, gone with it."""

    def __init__(self, postgres: Shops):
        self.postgres, self.made, self.roles = postgres, list[str](), list[str]()

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.postgres.address("postgres"), autocommit=True) as con:
            for statement in statements:
                con.execute(statement.encode())

    def make(self, how: str = "", *, role: str = "postgres") -> str:
        """The address of a new one."""
        name = f"unfit_{len(self.made)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0 {how}")
        self.made.append(name)
        return self.address(name, role)

    def address(self, name: str, role: str) -> str:
        return self.postgres.address(name).replace("user=postgres", f"user={role}")

    def role(self, name: str) -> str:
        self.run(f"CREATE ROLE {name} LOGIN")
        self.roles.append(name)
        return name


@pytest.fixture
def databases(postgres: Shops) -> Iterator[Databases]:
    databases = Databases(postgres)
    yield databases
    for name in databases.made:
        postgres.drop(name)
    for role in databases.roles:
        databases.run(f"DROP ROLE {role}")


def refused(tmp_path: Path, address: str, command: str = "init") -> str:
    """What is said where nothing may be made: not the directory, not a key, not a table."""
    said = told_no(Terminal(tmp_path / "shop"), *BEGIN[command], address=address)
    assert list(tmp_path.iterdir()) == []
    return said


def told_no(there: Terminal, *arguments: str, address: str) -> str:
    """The last line, behind what a command says of its way there or a log does: never a traceback."""
    done = there.run(*arguments, env={"KASHOP_DATABASE": address})
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("kashop: ")
    return last


def tables(databases: Databases, name: str) -> int:
    return int(beside.value(databases.postgres.address(name), "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"))


@pytest.mark.parametrize("command", BEGIN)
def test_a_database_that_is_not_utf_8_is_refused(databases: Databases, tmp_path: Path, command: str) -> None:
    address = databases.make("ENCODING 'LATIN1' LOCALE 'C'")
    assert "encoding is LATIN1" in refused(tmp_path, address, command)
    assert tables(databases, databases.made[0]) == 0


def test_a_database_that_sorts_in_another_way_is_refused(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postgres_door._SORTED.startswith("SELECT 'B' < 'a'")
    monkeypatch.setattr(postgres_door, "_SORTED", "SELECT 'a' < 'B'")  # no machine is sure to have a locale where that is so
    address = databases.make()
    assert "sorts text in another way" in refused(tmp_path, address)
    assert tables(databases, databases.made[0]) == 0


def test_a_standby_is_refused_but_may_be_looked_at(databases: Databases, tmp_path: Path) -> None:
    address = databases.make()
    there = Terminal(tmp_path / "shop")
    env = {"KASHOP_DATABASE": address}
    there.good("init", env=env)
    databases.run(f"ALTER DATABASE {databases.made[0]} SET default_transaction_read_only = on")
    for arguments in (("serve", "--port", "0"), ("init",), ("demo", "--no-serve")):
        assert "takes no changes" in told_no(there, *arguments, address=address)
    assert "takes no changes" in told_no(there, "product", "list", address=address)
    there.good("migrate", env=env)  # there is nothing to do
    env = {"KASHOP_DATABASE": f"{address}&target_session_attrs=any"}
    there.good("product", "list", env=env)
    there.good("audit", "verify", env=env)
    checked = there.json("check", "--all", env=env)
    assert checked["ok"]
    assert [r["id"] for r in checked["results"] if r["ok"] is None] == ["I-19"]
    assert "takes no orders" in there.run("doctor", env=env).stdout


def test_a_role_without_rights_is_refused_everywhere(databases: Databases, tmp_path: Path) -> None:
    poor = databases.role("unfit_poor")
    empty = databases.make(role=poor)
    assert "permission denied for schema public" in refused(tmp_path, empty)
    there = Terminal(tmp_path / "shop")
    there.good("init", env={"KASHOP_DATABASE": databases.make()})
    env = {"KASHOP_DATABASE": databases.address(databases.made[1], poor)}
    for arguments in (("serve", "--port", "0"), ("migrate",), ("product", "list"), ("check", "--all"), ("audit", "verify")):
        assert "may not do this (permission denied for table" in there.refused(*arguments, env=env)
    said = there.run("doctor", env=env).stdout
    assert "may not change its tables" in said
    assert "server: does not run" in said  # and it goes on to what else it can look at


def test_a_role_that_may_only_look_can_look(databases: Databases, tmp_path: Path) -> None:
    reader = databases.role("unfit_reader")
    address = databases.make()
    there = Terminal(tmp_path / "shop")
    there.good("init", env={"KASHOP_DATABASE": address})
    beside.change(address, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
    env = {"KASHOP_DATABASE": databases.address(databases.made[0], reader)}
    there.good("product", "list", env=env)
    assert there.json("migrate", "--check", env=env) == {"pending": []}
    assert "lacks a right" in told_no(there, *ADD, address=env["KASHOP_DATABASE"])
    assert beside.value(address, "SELECT COUNT(*) FROM products") == 0


def test_a_shop_that_is_there_gets_no_second_key(databases: Databases, tmp_path: Path) -> None:
    address = databases.make()
    Terminal(tmp_path / "shop").good("init", env={"KASHOP_DATABASE": address})
    other = tmp_path / "other"
    other.mkdir()
    assert "There is a shop in this database already" in refused(other, address)
    assert "There is no directory" in Terminal(other / "shop").refused(
        "serve", env={"KASHOP_DATABASE": address, "KASHOP_UNSEAL_KEY_FILE": str(tmp_path / "shop.key")}
    )


def test_a_server_that_does_not_answer_is_said_so_and_the_doctor_goes_on(tmp_path: Path) -> None:
    address = f"postgresql:///x?host={tmp_path / 'nowhere'}"
    for command in BEGIN:
        assert "does not answer" in refused(tmp_path, address, command)
    there = Terminal(tmp_path / "shop")
    for arguments in (("serve",), ("product", "list"), ("check",), ("migrate",), ("audit", "verify"), ("stress", "--no-report")):
        assert "does not answer" in there.refused(*arguments, env={"KASHOP_DATABASE": address})
    said = there.run("doctor", env={"KASHOP_DATABASE": address}).stdout
    assert "does not answer" in said
    assert "clock" in said


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://kashop:hunter2@geheim@db.example/shop",
        "postgresql://kashop:geheim/2@db.example/shop",
        "postgresql://kashop:7/geheim@db.example/shop",
        "postgresql://kashop:geheim?@db.example/shop",
        "postgresql://kashop:%geheim@db.example/shop",
        "postgresql://kashop:geheim@db.example:port/shop",
        "postgresql://db.example/shop?geheim=1",
    ],
)
def test_an_address_that_cannot_be_read_is_not_shown(tmp_path: Path, address: str) -> None:
    said = refused(tmp_path, address)
    assert "geheim" not in said
    assert "%25" in said


@pytest.mark.parametrize(
    "address",
    [
        "postgresql:///kashop",
        "postgres://kashop@/kashop?host=%2Frun%2Fpostgresql",
        "postgresql://kashop:p%40ss#!$&()*+,;=:x@db.example:5432/kashop?sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca.pem",
        "postgresql://kashop@10.0.0.1:5432,10.0.0.2,[::1]:5433/kashop?target_session_attrs=read-write",
    ],
)
def test_an_address_that_can_be_read_is_taken(address: str) -> None:
    check_address(address)
    assert psycopg.conninfo.conninfo_to_dict(address)


def test_what_is_no_address_is_refused_by_its_name() -> None:
    for address in ("mysql://x", "postgresql:/x", "host=x dbname=y", "postgresql://a b/c"):
        with pytest.raises(Invalid, match="postgresql://USER"):
            check_address(address)
