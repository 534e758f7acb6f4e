"""A shop's database as another process, a thief or a fault gets at it: beside the shop, and past its rules."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from kashop.db import Place
from kashop.db.dialect import for_postgres
from tests.postgres import within

IN_MEMORY = {"told_tries", "tries", "waiting_turns", "node_numbers"}
"""What servers count and keep together (migrations/0032), and one on its file in memory: a look may add to it."""


def rows(place: Place, sql: str, **values: object) -> list[tuple[Any, ...]]:
    """What is committed."""
    return _run(place, sql, values).fetchall()


def value(place: Place, sql: str, **values: object) -> Any:
    """The first column of the first row."""
    return rows(place, sql, **values)[0][0]


def change(place: Place, *statements: str, past: tuple[str, ...] = (), **values: object) -> int:
    """Change it, each statement at once; how many rows the last one did. `past` names triggers of SQLite that are in the way;
    on the other engine then none is heard."""
    count = 0
    for statement in statements:
        count = _run(place, statement, values, past).rowcount
    return count


def row_counts(place: Place) -> dict[str, int]:
    """How many rows every table has but those that are `IN_MEMORY`: the witness that a refused request left nothing behind."""
    names = [name for (name,) in rows(place, _tables_of(place)) if name not in IN_MEMORY]
    return dict(rows(place, " UNION ALL ".join(f"SELECT '{name}', COUNT(*) FROM {name}" for name in names)))


def stored(place: Place) -> bytes:
    """All that is kept: the file and its log, with what was deleted from them; or every value of every table of a server."""
    if isinstance(place, Path):
        return b"".join(path.read_bytes() for path in sorted(place.parent.glob(f"{place.name}*")))
    tables = [rows(place, f"SELECT * FROM {table}") for (table,) in rows(place, _tables_of(place))]
    values = [value for table in tables for row in table for value in row]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def everything(place: Place) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, over one connection."""
    if not isinstance(place, Path):
        return _everything(within(place), place)
    with contextlib.closing(sqlite3.connect(place)) as con:
        return _everything(con, place)


def _everything(con: Any, place: Place) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for (table,) in con.execute(_tables_of(place)).fetchall():
        answer = con.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in answer.description]
        found[table] = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    return found


def _tables_of(place: Place) -> str:
    if isinstance(place, Path):
        return "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%'"
    return "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


def dump(place: Place) -> bytes:
    """Every row of every table as text: what is alike is alike; but for what one server alone keeps in memory."""
    if isinstance(place, Path):
        with contextlib.closing(sqlite3.connect(f"{place.absolute().as_uri()}?mode=ro", uri=True, timeout=20)) as con:
            return "\n".join(con.iterdump()).encode()
    found = rows(place, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    parts = []
    for name in (name for (name,) in found if name not in IN_MEMORY):
        with within(place).cursor().copy(f"COPY {name} TO STDOUT".encode()) as copy:
            parts += [name.encode(), *(bytes(part) for part in copy)]
    return b"\n".join(parts)


def columns(place: Place, table: str) -> list[str]:
    """A table's columns, by name."""
    if isinstance(place, Path):
        return [row[1] for row in rows(place, f"PRAGMA table_info({table})")]
    sql = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = :table"
    return [name for (name,) in rows(place, sql, table=table)]


def poison(place: Place, table: str, *, on: str = "UPDATE", only: str = "") -> None:
    """From now on any such change of a table, or of the rows that `only` says of, fails."""
    if isinstance(place, Path):
        when = f"WHEN {only}" if only else ""
        change(place, f"CREATE TRIGGER poison BEFORE {on} ON {table} {when} BEGIN SELECT RAISE(ABORT, 'poisoned'); END")
        return
    body = "BEGIN RAISE EXCEPTION 'poisoned'; END"
    change(place, f"CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    when = f"WHEN ({only})" if only else ""
    change(place, f"CREATE TRIGGER poison BEFORE {on} ON {table} FOR EACH ROW {when} EXECUTE FUNCTION poison()")


class _Answer:
    """What a statement gave, its connection closed."""

    def __init__(self, cursor: Any, *, has_rows: bool):
        self.rowcount: int = cursor.rowcount
        self._rows = cursor.fetchall() if has_rows else []

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


def _run(place: Place, sql: str, values: dict[str, object], past: tuple[str, ...] = ()) -> _Answer:
    if isinstance(place, Path):
        con = sqlite3.connect(place, timeout=20, isolation_level=None)
        try:
            for trigger in past:
                con.execute(f"DROP TRIGGER IF EXISTS {trigger}")
            cursor = con.execute(sql, values)
            return _Answer(cursor, has_rows=cursor.description is not None)
        finally:
            con.close()
    server = within(place)
    try:
        if past:
            server.execute("SET session_replication_role = replica")
        answer = server.execute(for_postgres(sql), values) if values else server.execute(sql.encode())
        return _Answer(answer, has_rows=answer.description is not None)
    finally:
        if past:
            server.execute("RESET session_replication_role")
