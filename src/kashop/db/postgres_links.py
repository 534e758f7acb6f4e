"""The way to a server: which one of several, how long silence is taken for patience, and what it says beside its answers.

Always true: a shop's connections go to a server that writes, never to one that only follows another: after a fail-over the old
address may lead to either. What the address itself says goes before what is said here.
"""

import contextlib
import os
import socket
from typing import Any

import psycopg
from psycopg import conninfo
from psycopg_pool import ConnectionPool

from kashop.db.postgres_units import adapt
from kashop.db.postgres_wire import Con

SILENCE: dict[str, Any] = {
    "client_encoding": "UTF8",
    "connect_timeout": 3,
    "tcp_user_timeout": 10_000,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""A machine that loses its power or its cable says no goodbye: after ten seconds without a sign of it the connection is lost."""

WRITES = {"target_session_attrs": "read-write"}

LONGEST_MS = 30_000
"""A session that does nothing for so long within its transaction is ended by the server: its node hangs, and others wait."""

RECONNECT_SECONDS = 0.5
"""A pool that could not connect for so long tries anew as soon as it is asked again; by itself it would wait up to minutes."""


def way(address: str, **more: Any) -> str:
    """An address with what it does not say itself."""
    return conninfo.make_conninfo("", **{**SILENCE, **more, **conninfo.conninfo_to_dict(address)})


class Warnings(list[str]):
    """What the server warned of since this was last emptied."""

    def hear(self, said: psycopg.errors.Diagnostic) -> None:
        """Keep what is more than a notice."""
        if said.severity_nonlocalized == "WARNING":
            self.append(said.message_primary or "a warning")


def writer(address: str, warnings: Warnings) -> Con:
    """A connection whose COMMIT waits for a standby where there is one, and that tells of warnings. Raises psycopg.Error."""
    con = Con.connect(way(address, **WRITES), autocommit=True)
    adapt(con)
    con.add_notice_handler(warnings.hear)
    con.execute(f"SET idle_in_transaction_session_timeout = {LONGEST_MS}")
    row = con.execute("SHOW synchronous_commit").fetchone()
    if row is not None and row[0] in ("off", "local"):
        con.execute("SET synchronous_commit = on")
    return con


def hang_up(con: Con) -> None:
    """End a connection that another thread waits on: for that one it is lost. The server is asked nothing: to cancel a COMMIT
    that waits for a standby would make it look confirmed."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(con.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def readers(address: str, most: int) -> ConnectionPool[Con]:
    """A pool, not open yet."""
    return ConnectionPool(
        way(address, **WRITES),
        connection_class=Con,
        kwargs={"autocommit": True},
        configure=adapt,
        min_size=1,
        max_size=most,
        open=False,
        timeout=RECONNECT_SECONDS,
        reconnect_timeout=RECONNECT_SECONDS,
    )
