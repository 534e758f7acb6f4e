"""SQLite connections, all set up alike; all but the event loop's own on a thread of theirs."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import aiosqlite

T = TypeVar("T")


class Connection(aiosqlite.Connection):
    """aiosqlite's thread and queue, with one verb added: run a function whole on that thread."""

    async def run(self, fn: Callable[..., T], *args: Any) -> T:
        """`fn(sqlite3 connection, *args)` on the connection's thread. Leans on `_execute` and `_conn`: tests/db pins both."""
        return cast(T, await self._execute(fn, self._conn, *args))  # type: ignore[no-untyped-call]


async def connect(path: Path, *pragmas: str) -> Connection:
    """An open connection on a thread of its own."""
    connection = Connection(partial(opened, path, *pragmas), iter_chunk_size=64)
    await connection
    return connection


def opened(path: Path, *pragmas: str) -> sqlite3.Connection:
    """A connection to an existing file, set up as every one of the shop's is, and then as it alone is to be; of the thread that
    opens it."""
    con = sqlite3.connect(
        f"file:{path.as_posix()}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=10,
        cached_statements=512,
    )
    for pragma in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        "PRAGMA temp_store=MEMORY",
        "PRAGMA secure_delete=ON",  # what is erased is overwritten, whatever the library was built to do
        *pragmas,
    ):
        con.execute(pragma).fetchall()
    return con
