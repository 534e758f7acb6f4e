"""A copy of a shop on PostgreSQL: its schema is seen by nobody else, sees nobody else, and is gone afterwards."""

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from kashop.db import migrate, postgres_apart, postgres_door
from kashop.db.postgres_apart import schema
from kashop.lib.errors import Unavailable
from tests import beside
from tests.cli.conftest import Terminal
from tests.postgres import Shops
from tests.serving import Served

pytestmark = pytest.mark.sqlite  # it brings its own server

PREFIX = "kashop_stress_"


def schemas(address: str) -> list[str]:
    sql = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'kashop%' ORDER BY nspname"
    return [name for (name,) in beside.rows(address, sql)]


def test_it_is_apart_and_gone_afterwards(address: str) -> None:
    migrate.apply(address)
    before = beside.row_counts(address)
    with schema(address, PREFIX) as apart:
        assert migrate.pending(apart) == list(migrate.texts())
        migrate.apply(apart)
        beside.change(apart, "INSERT INTO categories (slug, name) VALUES ('a', 'a')")
        assert beside.value(apart, "SELECT COUNT(*) FROM categories") == 1
        assert beside.row_counts(address) == before
    assert schemas(address) == []
    assert beside.row_counts(address) == before


def test_it_goes_whatever_happens_and_the_next_run_takes_what_a_killed_one_left(address: str) -> None:
    def fails() -> None:
        with schema(address, PREFIX):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert schemas(address) == []
    beside.change(address, f"CREATE SCHEMA {PREFIX}left", "CREATE SCHEMA kashop_of_somebody")
    with schema(address, PREFIX):
        assert f"{PREFIX}left" not in schemas(address)
        (mine,) = [name for name in schemas(address) if name.startswith(PREFIX)]
        with schema(address, PREFIX):  # another run beside it
            assert mine in schemas(address)
        assert mine in schemas(address)
    assert schemas(address) == ["kashop_of_somebody"]


def test_a_role_that_may_make_none_is_told_so(postgres: Shops, address: str) -> None:
    beside.change(address, "CREATE ROLE apart_poor LOGIN")
    poor = address.replace("user=postgres", "user=apart_poor")
    with pytest.raises(Unavailable, match="may not do this"), schema(poor, PREFIX):
        pass
    assert schemas(address) == []
    beside.change(address, "DROP ROLE apart_poor")


def test_who_else_is_at_work_is_seen(address: str) -> None:
    assert postgres_apart.others(address) == 0
    with psycopg.connect(address):
        assert postgres_apart.others(address) == 1


def test_an_address_keeps_what_it_says_and_is_pinned_to_numbers(address: str) -> None:
    more = postgres_door.instead(
        "postgresql://u:p@h/n?sslmode=require&options=-cjit%3Doff", "options", "-csearch_path=x", is_more=True
    )
    assert conninfo_to_dict(more)["options"] == "-cjit=off -csearch_path=x"
    assert conninfo_to_dict(more)["sslmode"] == "require"
    assert postgres_door.pinned(address) == address  # a socket has no name to look up


class Relay(socketserver.BaseRequestHandler):
    """From a port to the server's socket: a server of the tests listens on no port, and a socket has no name."""

    to: str

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as there:
            there.connect(self.to)
            ways = {there: self.request, self.request: there}
            while True:
                for side in select.select(list(ways), [], [])[0]:
                    if not (read := side.recv(65536)):
                        return
                    ways[side].sendall(read)


@contextmanager
def by_name(address: str) -> Iterator[str]:
    """The same database at a name that must be looked up."""
    known = conninfo_to_dict(address)
    relay = type("_Relay", (Relay,), {"to": f"{known['host']}/.s.PGSQL.5432"})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), relay) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"postgresql://postgres@localhost:{server.server_address[1]}/{known['dbname']}?sslmode=disable&gssencmode=disable"
        server.shutdown()


def test_a_fenced_server_reaches_its_database_by_name(address: str, tmp_path: Path) -> None:
    with by_name(address) as named:
        assert conninfo_to_dict(postgres_door.pinned(named))["hostaddr"] == "127.0.0.1"
        Terminal(tmp_path / "shop").good("init", env={"KASHOP_DATABASE": named})
        (tmp_path / "shop" / "kashop.toml").write_text("is_fenced = true\n")
        with Served(tmp_path / "shop", KASHOP_DATABASE=named) as served:
            assert served.count("SELECT COUNT(*) FROM staff") == 1
