"""A schema of its own within a shop's database: room for a throw-away copy beside the merchant's tables.

Always true: whoever connects by the address that is given out sees that schema alone; it is dropped when the block ends, and what
a run that was killed left behind is dropped by the next one. Nothing else of the database is changed.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

from psycopg import sql

from kashop.db.postgres_door import connect, connected, instead
from kashop.db.postgres_wire import Con

CLOSING = 20
"""So many looks, a tenth of a second apart: connections that this very process closed a moment ago are still going."""

_LEFT = """
    SELECT nspname FROM pg_namespace
    WHERE starts_with(nspname, CAST(%(prefix)s AS TEXT)) AND pg_get_userbyid(nspowner) = current_user
      AND nspname NOT IN (SELECT application_name FROM pg_stat_activity WHERE application_name IS NOT NULL)"""

_OTHERS = """
    SELECT COUNT(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""


def others(address: str) -> int:
    """How many connections besides this one are open to the database: servers of the shop, most likely. Raises Unavailable."""
    with connected(address) as con:
        for _ in range(CLOSING):
            (count,) = con.execute(_OTHERS).fetchone() or (0,)
            if not count:
                break
            time.sleep(0.1)
        return int(count)


@contextmanager
def schema(address: str, prefix: str) -> Iterator[str]:
    """The address of a new, empty schema in a database. Raises Unavailable."""
    name = f"{prefix}{secrets.token_hex(6)}"
    con = connect(instead(address, "application_name", name))  # by which the next run knows that this one is at work
    try:
        with connected(address) as own:
            for (left,) in own.execute(_LEFT, {"prefix": prefix}).fetchall():
                _drop(own, left)
            _run(own, "CREATE SCHEMA {}", name)
        yield instead(address, "options", f"-csearch_path={name}", is_more=True)
    finally:
        con.close()
        with connected(address) as own:  # another one: hours may have passed
            _drop(own, name)


def _drop(con: Con, name: str) -> None:
    con.execute("SET lock_timeout = '30s'")
    _run(con, "DROP SCHEMA IF EXISTS {} CASCADE", name)


def _run(con: Con, statement: LiteralString, name: str) -> None:
    con.execute(sql.SQL(statement).format(sql.Identifier(name)))
