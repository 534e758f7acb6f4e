"""Fill an audit by the hundred thousand, as the shop would have written it: the same hashes, personal values and mixture."""

import os
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from kashop.audit import rules
from kashop.audit.types import Event

KINDS = (
    ("order.placed", "buyer", "order", True),
    ("attempt.opened", "buyer", "order", True),
    ("payment.received", "gateway", "order", True),
    ("order.paid", "gateway", "order", True),
    ("line.delivered", "gateway", "order", True),
    ("order.delivered", "gateway", "order", True),
    ("code.revealed", "buyer", "code", True),
    ("order.revealed", "buyer", "order", True),
    ("order.expired", "system", "order", False),
    ("staff.logged_in", "staff", "staff", True),
    ("code.viewed", "staff", "code", True),
    ("exception.closed", "staff", "order", True),
)
"""Name, actor, object, whether an address is known."""


def fill(path: Path, count: int, *, seed: int, at: int = 1_700_000_000_000, step: int = 500) -> None:
    """Append `count` events to a database in one transaction."""
    con = sqlite3.connect(path, isolation_level=None)
    con.execute("PRAGMA journal_mode=WAL")
    con.execute("BEGIN IMMEDIATE")
    seq, prev = con.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone() or (0, rules.GENESIS)
    (personal_id,) = con.execute("SELECT coalesce(max(personal_id), 0) FROM event_personal").fetchone()
    personal: list[tuple[int, bytes, str]] = []
    rows = _events(random.Random(seed), seq, prev, personal_id, personal, count=count, at=at, step=step)
    con.executemany(f"INSERT INTO events VALUES ({', '.join('?' * 15)})", rows)
    con.executemany("INSERT INTO event_personal VALUES (?, ?, ?)", personal)
    con.execute("COMMIT")
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    con.close()


def _events(
    dice: random.Random, seq: int, prev: bytes, personal_id: int, personal: list[Any], /, *, count: int, at: int, step: int
) -> Iterator[tuple[Any, ...]]:
    for n in range(1, count + 1):
        name, actor, kind, has_ip = dice.choice(KINDS)
        salt, value, kept = b"", "", None
        if has_ip:
            personal_id += 1
            salt, value = os.urandom(16), f'{{"ip":"203.0.113.{dice.randrange(250)}"}}'
            kept = personal_id
            personal.append((personal_id, salt, value))
        event = Event(
            seq=seq + n,
            at=at + n * step,
            name=name,
            actor_kind=actor,
            actor_ref=str(dice.randrange(1, 5)) if actor == "staff" else "epay-main" if actor == "gateway" else "",
            session=f"{dice.getrandbits(64):016x}" if actor == "staff" else "",
            request_id=f"{dice.getrandbits(64):016x}",
            object_kind=kind,
            object_id=dice.randrange(1, 100_000),
            personal_id=kept,
            personal_hash=rules.commitment(salt, value) if kept else None,
            reason="客户来电" if name == "exception.closed" else "",
            payload='{"amount":1250,"currency":"CNY","line":7}',
            prev_hash=prev,
            hash=b"",
        )
        prev = rules.chained(event)
        yield (*msgspec.structs.astuple(event)[:-1], prev)
