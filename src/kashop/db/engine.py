"""Which engine a place is for: the file of SQLite, the address of PostgreSQL."""

from pathlib import Path
from typing import Any

from kashop.db import Db, Place
from kashop.db.sqlite import SqliteDb
from kashop.lib.clock import Clock
from kashop.lib.errors import Unavailable


async def open_db(place: Place, clock: Clock, **how: Any) -> Db:
    """Open an existing, migrated database; `readers` is how many look at once. Raises Unavailable."""
    if isinstance(place, Path):
        return await SqliteDb.open(place, clock, **how)
    return await postgres("postgres").PostgresDb.open(place, clock, **how)  # type: ignore[no-any-return]


def exists(place: Place) -> bool:
    """Whether anything was ever made there. Raises Unavailable when a server does not answer."""
    return place.exists() if isinstance(place, Path) else bool(postgres("postgres_schema").applied(place))


def postgres(module: str) -> Any:
    """A module that needs psycopg. Raises Unavailable where that is not installed."""
    from importlib import import_module

    try:
        return import_module(f"kashop.db.{module}")
    except ModuleNotFoundError as error:
        raise Unavailable(
            "A shop on PostgreSQL needs {module}: install kashop with its extra `postgres` (`pip install 'kashop[postgres]'`).",
            module=error.name,
        ) from None
