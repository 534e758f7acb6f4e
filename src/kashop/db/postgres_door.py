"""The way into a PostgreSQL: a connection, or a refusal that says what to do.

Always true: no refusal holds a password or a part of one; what a database may not be like is told before anything is made in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
from psycopg import errors

from kashop.db.postgres_links import way
from kashop.db.postgres_units import LOST, adapt, said
from kashop.db.postgres_wire import Con
from kashop.lib.errors import Unavailable

_KEPT = (
    "SELECT current_setting('server_encoding'), pg_is_in_recovery() OR CAST(current_setting('transaction_read_only') AS BOOLEAN)"
)

_SORTED = "SELECT 'B' < 'a' AND 'a-c' < 'ab' AND 'Z' < 'é' AND 'é' < '中'"
"""As bytes are, which is how SQLite sorts."""


def connect(address: str) -> Con:
    """A connection that commits each statement. Raises Unavailable."""
    try:
        con = Con.connect(way(address), autocommit=True)
    except psycopg.Error as error:
        raise refusal(error) from None
    adapt(con)
    return con


def pinned(address: str) -> str:
    """The address of the very server that it leads to now, as numbers: for who may look up no name. Raises Unavailable."""
    with connect(address) as con:
        found = {"host": con.info.host, "port": str(con.info.port), "hostaddr": con.info.hostaddr}
    for name, value in found.items() if found["hostaddr"] else ():
        address = instead(address, name, value)
    return address


def instead(address: str, name: str, value: str, *, is_more: bool = False) -> str:
    """The address with another value of a setting; with `is_more` behind the one that it has."""
    where, _, query = address.partition("?")
    settings = dict(part.partition("=")[::2] for part in query.split("&") if part)
    said = f"{settings.get(name, '')}%20" if is_more and name in settings else ""
    settings[name] = said + quote(value, safe="")
    return f"{where}?{'&'.join(f'{key}={text}' for key, text in settings.items())}"


@contextmanager
def connected(address: str) -> Iterator[Con]:
    """A connection while the block runs. Raises Unavailable when the server does not answer, or refuses what is asked."""
    with connect(address) as con:
        try:
            yield con
        except (*LOST, errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction) as error:
            raise refusal(error) from None


def refusal(error: psycopg.Error) -> Unavailable:
    """What to tell of it."""
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:  # it quotes it: a password
        return Unavailable(
            "The database's address has a setting that PostgreSQL does not know, or a % that stands for nothing: write %25 "
            "for it."
        )
    if isinstance(error, errors.ReadOnlySqlTransaction) or "session is read-only" in said(error):  # so libpq puts it
        return _standby()
    if isinstance(error, errors.InsufficientPrivilege):
        return Unavailable("The database's role may not do this ({problem}): let it own the database.", problem=said(error))
    return Unavailable("The database does not answer: {problem}.", problem=said(error))


def require_writable(con: Con) -> None:
    """Raises Unavailable where a shop could not work: on a standby, or in another encoding than UTF-8."""
    encoding, is_still = con.execute(_KEPT).fetchone() or ("", True)
    if is_still:
        raise _standby()
    if encoding != "UTF8":
        raise Unavailable(
            "The database's encoding is {encoding}: make another one with ENCODING 'UTF8' and TEMPLATE template0.",
            encoding=encoding,
        )


def require_sorting(con: Con) -> None:
    """Raises Unavailable where text is sorted in another way than the file does it."""
    if not sorts_as_a_file(con):
        raise Unavailable(
            "The database sorts text in another way than a shop does: make another one with LOCALE 'C.UTF-8' and "
            "TEMPLATE template0."
        )


def sorts_as_a_file(con: Con) -> bool:
    """Whether text is sorted by its bytes."""
    try:
        return con.execute(_SORTED.encode()).fetchone() == (True,)
    except errors.UntranslatableCharacter:
        return False  # in an encoding that has not even the characters


def _standby() -> Unavailable:
    return Unavailable("This PostgreSQL takes no changes (a standby, or one set to read only): give the address of the primary.")
