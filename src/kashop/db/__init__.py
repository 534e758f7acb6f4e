"""The database as the rooms see it: a Reader to look, a Tx to change, a Db that runs functions in either.

A look (`def f(db: Reader, …)`) runs whole on a reader's thread in one snapshot. A change (`def f(tx: Tx, …)`) runs whole on the
writer's thread inside a savepoint of a group commit, sees one `now`, and may be run again. Nobody is handed a connection.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

__all__ = ["Db", "Place", "Reader", "Tx"]

Place = Path | str
"""Where a database is: a SQLite file, or the address of a PostgreSQL, which may hold a password."""

T = TypeVar("T")
P = ParamSpec("P")


class Reader(Protocol):
    """A consistent snapshot. `into` is a Struct or dataclass whose fields are the statement's columns, in order."""

    now: int
    """Milliseconds UTC, the same throughout one unit of work."""

    def one(self, sql: str, into: type[T], /, **params: Any) -> T | None:
        """The first row, or None."""
        ...

    def all(self, sql: str, into: type[T], /, **params: Any) -> list[T]:
        """Every row."""
        ...

    def value(self, sql: str, /, **params: Any) -> Any:
        """The first column of the first row, or None."""
        ...

    def values(self, sql: str, /, **params: Any) -> list[Any]:
        """The first column of every row."""
        ...


class Tx(Reader, Protocol):
    """A Reader that may also change; everything it did is committed, or nothing."""

    kept: dict[str, Any]
    """What units of the same transaction tell each other, so that none looks for it again; emptied when any of them is undone."""

    def run(self, sql: str, /, **params: Any) -> int:
        """Change rows; how many were."""
        ...

    def add(self, sql: str, /, **params: Any) -> int:
        """Insert a row whose key the database gives; that key. Where an engine wants it named, the statement ends on
        `/*+returning key*/`."""
        ...

    def many(self, sql: str, rows: Iterable[Mapping[str, Any]], /) -> int:
        """Run one change for each row of parameters; how many rows were changed."""
        ...


class Db(Protocol):
    """Runs units of work."""

    has_nodes: bool
    """Whether other servers may work on the same database."""

    async def read(self, fn: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a look."""
        ...

    async def glance(self, fn: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a look that reads a handful of rows by their keys and does nothing else, at once where the engine can: it saves the
        way to a thread, and everybody waits for it meanwhile. A list, a count, a search, or anything with a hash in it is for
        `read`."""
        ...

    async def write(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a change; returns after it is durable.

        Raises what `fn` raises (its change undone), Unavailable (nothing changed) or UnknownOutcome (promises V-4).
        """
        ...

    async def trouble(self) -> str:
        """Why no change can be made here just now, as far as looking tells; empty when one can. Raises Unavailable."""
        ...

    @property
    def waiting(self) -> int:
        """How many changes wait for the writer or are under way."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether another process has been writing within the last second."""
        ...

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this on the event loop whenever something was committed here: it must not wait, and learns nothing but that."""
        ...

    def watch(self, look: Callable[[Reader], T], told: Callable[[T], None]) -> None:
        """Run a look at the end of everything that is committed here, within its transaction, and tell on the event loop what it
        saw once that is durable, before who waits for the commit goes on."""
        ...

    async def close(self) -> None:
        """Finish what is queued and let go of the files."""
        ...
