"""One statement to a PostgreSQL and its answer, by libpq's own calls.

Always true: a statement means what it means through psycopg's cursors: types, texts and errors are the same. It is there for its
price: of a sale's dozen statements each took the writer's thread 70 microseconds in cursors and 15 here, while all other nodes
wait for their turn (docs/decisions/0044).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import psycopg
from psycopg import errors
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from kashop.db.dialect import numbered

OFTEN = 3
"""From this time on a statement is kept by the server, planned once for good."""

MOST_KEPT = 500
"""Statements that a connection keeps at the server; further ones are sent whole each time."""

_INT8, _FLOAT8, _BYTEA, _UNTOLD = 20, 701, 17, 0
_TEXT, _BINARY = 0, 1


class Con(psycopg.Connection[tuple[Any, ...]]):
    """A connection with a wire of its own."""

    @cached_property
    def wire(self) -> "Wire":
        """The quick way to its server."""
        return Wire(self)


class Answer:
    """What a statement gave, whole."""

    __slots__ = ("_got", "_rows", "_wire")

    def __init__(self, of: "Wire", got: PGresult):
        self._wire, self._got = of, got
        self._rows: list[tuple[Any, ...]] | None = None

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return next(iter(self), None)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self._rows is None:
            self._rows = self._wire.loaded(self._got)
        return iter(self._rows)

    @property
    def is_look(self) -> bool:
        """Whether it was a SELECT."""
        return (self._got.command_status or b"").startswith(b"SELECT")

    @property
    def rowcount(self) -> int:
        """Rows that were changed, or found."""
        return self._got.command_tuples or 0

    @property
    def description(self) -> list[tuple[str]]:
        """The names of the columns."""
        return [((self._got.fname(n) or b"").decode(),) for n in range(self._got.nfields)]


class Wire:
    """Sends statements over one connection, from one thread at a time, and remembers which ones the server keeps."""

    def __init__(self, con: Con):
        self._pg = con.pgconn
        self._loading = Transformer(con)
        self._seen: dict[tuple[str, tuple[int, ...]], int] = {}
        self._kept: dict[tuple[str, tuple[int, ...]], bytes] = {}

    def execute(self, sql: str, params: Mapping[str, Any]) -> Answer:
        """Run a statement of the rooms. Raises what psycopg would."""
        text, names = numbered(sql)
        values: list[bytes | None] = []
        types, formats = [], []
        for name in names:
            value, kind, form = _sent(params[name])
            values.append(value)
            types.append(kind)
            formats.append(form)
        return Answer(self, self._run((sql, tuple(types)), text, values, formats))

    def command(self, text: bytes) -> str:
        """Run a command without parameters, or several at once; what the server called the last."""
        return (self._checked(lambda: self._pg.exec_(text)).command_status or b"").decode()

    def loaded(self, got: PGresult) -> list[tuple[Any, ...]]:
        """All rows of an answer, as Python has them."""
        if not got.ntuples:
            return []
        self._loading.set_pgresult(got)
        return self._loading.load_rows(0, got.ntuples, tuple)

    def _run(self, key: tuple[str, tuple[int, ...]], text: bytes, values: list[bytes | None], formats: list[int]) -> PGresult:
        name = self._kept.get(key) or self._keep(key, text)
        if name is None:
            return self._checked(lambda: self._pg.exec_params(text, values, key[1], formats))
        return self._checked(lambda: self._pg.exec_prepared(name, values, formats))  # type: ignore[arg-type]

    def _keep(self, key: tuple[str, tuple[int, ...]], text: bytes) -> bytes | None:
        times = self._seen[key] = self._seen.get(key, 0) + 1
        if times < OFTEN or len(self._kept) >= MOST_KEPT:
            return None
        name = b"kashop_%d" % len(self._kept)
        self._checked(lambda: self._pg.prepare(name, text, key[1]))
        self._kept[key] = name
        return name

    def _checked(self, call: Callable[[], PGresult]) -> PGresult:
        if self._pg.status != ConnStatus.OK:
            raise psycopg.OperationalError("the connection is closed")
        try:
            got = call()
        except MemoryError:  # libpq gave no answer at all: nothing could be sent
            raise psycopg.OperationalError(self._said()) from None
        if got.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            return got
        error = errors.error_from_result(got)
        if self._pg.status != ConnStatus.OK and not isinstance(error, psycopg.OperationalError):
            raise psycopg.OperationalError(self._said())
        raise error

    def _said(self) -> str:
        return self._pg.get_error_message().strip() or "the connection is lost"


def _sent(value: Any) -> tuple[bytes | None, int, int]:
    """A value as the server takes it: its bytes, its type, and how they are to be read."""
    if value is None:
        return None, _UNTOLD, _TEXT
    if isinstance(value, str):
        if "\0" in value:
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        return value.encode(), _UNTOLD, _TEXT
    if isinstance(value, int):
        return b"%d" % value, _INT8, _TEXT
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), _BYTEA, _BINARY
    if isinstance(value, float):
        return repr(value).encode(), _FLOAT8, _TEXT
    raise psycopg.ProgrammingError(f"a {type(value).__name__} is no value of a statement")
