"""The schema on PostgreSQL: which migrations it has, bringing it up to date, and what is not as they make it.

Always true: each migration runs in one transaction with the record of it, which whoever else applies it waits for; it has the
writers' turn meanwhile, so that it meets no half of a change, and it makes nobody's look wait for longer than `PATIENCE_MS`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from psycopg import errors

from kashop.db import dialect
from kashop.db.postgres_door import connected, require_sorting, require_writable, sorts_as_a_file
from kashop.db.postgres_units import AGAIN, PostgresTx, said
from kashop.db.postgres_wire import Con
from kashop.lib import logs
from kashop.lib.errors import Unavailable

PATIENCE_MS = 2000
"""How long a migration waits for a table that a long look has, with everybody who comes after it behind it."""

TRIES = 60
"""How often it steps aside and begins again before the start is given up."""

_ONCE = "INSERT INTO kashop_migrations (name) VALUES (%(name)s) ON CONFLICT DO NOTHING"
"""Does nothing where another node did it, once that node's transaction is over."""

_TURN = "SELECT version FROM versions WHERE name = 'writer' FOR UPDATE"

_RECORD = "CREATE TABLE IF NOT EXISTS kashop_migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"

_SHAPE = """
    SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()
    UNION ALL
    SELECT tgrelid::regclass || '.' || tgname, pg_get_triggerdef(t.oid) || CAST(tgenabled AS TEXT)
    FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
    WHERE NOT tgisinternal AND c.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    UNION ALL
    SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = current_schema()::regnamespace"""

log = logs.get_logger("kashop.db")


def applied(address: str) -> set[str]:
    """The names of the migrations that were applied; none where there is no shop."""
    with connected(address) as con:
        return _applied(con)


def _applied(con: Con) -> set[str]:
    try:
        return {str(name) for (name,) in con.execute("SELECT name FROM kashop_migrations")}
    except errors.UndefinedTable:
        return set()


def apply(address: str, scripts: dict[str, str]) -> list[str]:
    """Apply what is missing of the migrations by name, in order; what this call applied.

    Raises Unavailable, nothing changed, where no shop could work, this role may not, or a look never lets go of a table.
    """
    with connected(address) as con:
        require_writable(con)
        found = _applied(con)
        if not found:
            require_sorting(con)
        if not scripts.keys() - found:
            return []  # a role that may do no more than a shop's work starts one too
        try:
            _make_record(con)
            return [name for name, script in scripts.items() if _apply(con, name, script)]
        except errors.InsufficientPrivilege as error:
            raise Unavailable(
                "The database is older than this program, and this role may not change that ({problem}): "
                "run `kashop migrate` as the database's owner.",
                problem=said(error),
            ) from None


def _make_record(con: Con) -> None:
    try:
        con.execute(_RECORD)
    except (errors.UniqueViolation, errors.DuplicateTable):  # another node made it in this very moment
        con.execute(_RECORD)


def _apply(con: Con, name: str, script: str) -> bool:
    for tries in range(TRIES):
        try:
            with con.transaction():
                if not con.execute(_ONCE, {"name": name}).rowcount:
                    return False
                _run(con, script)
                return True
        except (errors.LockNotAvailable, *AGAIN) as error:
            log.warning("a migration steps aside and begins again", name=name, problem=said(error), tries=tries + 1)
    raise Unavailable("The database could not be brought up to date: {name} never had all that it changes to itself.", name=name)


def _run(con: Con, script: str) -> None:
    """The turn first: writers then stand before it, and not across its way with what they changed."""
    if (con.execute("SELECT to_regclass('versions')").fetchone() or (None,))[0]:
        con.execute(_TURN)
    con.execute(f"SET LOCAL lock_timeout = {PATIENCE_MS}")
    for statement in dialect.statements(script, "postgres"):
        con.execute(statement.encode())


def flaw(address: str, scripts: dict[str, str]) -> str:
    """The first column, index, constraint, trigger or function that is not as the migrations make it; empty when all are."""
    with connected(address) as con:
        found = _shape(con)
        con.execute("BEGIN")
        try:
            con.execute("CREATE SCHEMA kashop_as_it_should_be")
            con.execute("SET LOCAL search_path TO kashop_as_it_should_be")
            for script in scripts.values():
                for statement in dialect.statements(script, "postgres"):
                    con.execute(statement.encode())
            wanted = _shape(con)
        finally:
            con.execute("ROLLBACK")
    for name, made in wanted.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != made:
            return f"{name} was changed"
    return ""


def _shape(con: Con) -> dict[str, str]:
    (schema,) = con.execute("SELECT current_schema()").fetchone() or ("",)
    return {_bare(name, schema): _bare(how, schema) for name, how in con.execute(_SHAPE.encode())}


def _bare(text: str, schema: str) -> str:
    return text.replace(f"{schema}.", "")


@contextmanager
def reading(address: str, now: int) -> Iterator[PostgresTx]:
    """One snapshot for looks."""
    with connected(address) as con:
        con.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield PostgresTx(con, now)
        con.execute("ROLLBACK")


class Server(msgspec.Struct, frozen=True):
    """How a server keeps a shop."""

    version: str
    size: int
    fsync: str
    synchronous_commit: str
    encoding: str
    is_standby: bool
    is_encrypted: bool
    is_local: bool
    is_superuser: bool
    may_write: bool
    is_sorting: bool


def server(address: str) -> Server:
    """Look at the server. Raises Unavailable when it does not answer."""
    sql = """SELECT current_setting('server_version'), pg_database_size(current_database()), current_setting('fsync'),
               current_setting('synchronous_commit'), current_setting('server_encoding'),
               pg_is_in_recovery() OR CAST(current_setting('transaction_read_only') AS BOOLEAN),
               COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE),
               inet_client_addr() IS NULL OR inet_client_addr() = inet_server_addr(),
               (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
               (SELECT COALESCE(bool_and(has_table_privilege(oid, 'UPDATE')), TRUE) FROM pg_class
                WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace)"""
    with connected(address) as con:
        told: tuple[Any, ...] = (*(con.execute(sql).fetchone() or ()), sorts_as_a_file(con))
        return Server(*told)


def has_table(address: str, name: str) -> bool:
    """Whether there is a table."""
    with connected(address) as con:
        row = con.execute("SELECT to_regclass(%(name)s) IS NOT NULL", {"name": name}).fetchone()
        return bool(row and row[0])
