"""Looks at the river."""

from kashop.audit import rules
from kashop.audit.types import Event, Head, Told
from kashop.db import Reader


def head(db: Reader) -> Head:
    """The end of the chain."""
    sql = "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1"
    return db.one(sql, Head) or Head(0, rules.GENESIS)


def page(db: Reader, after: int, *, limit: int = 500) -> list[Event]:
    """Events after a cursor, oldest first."""
    sql = """SELECT seq, at, name, actor_kind, actor_ref, session, request_id, object_kind, object_id, personal_id, personal_hash,
               reason, payload, prev_hash, hash
             FROM events WHERE seq > :after ORDER BY seq LIMIT :limit"""
    return db.all(sql, Event, after=after, limit=limit)


def timeline(db: Reader, object_kind: str, object_id: int, *, limit: int = 200) -> list[Told]:
    """What happened to one thing, oldest first."""
    sql = """SELECT e.seq, e.at, e.name, e.actor_kind, e.actor_ref, e.reason, e.payload, p.value AS personal
             FROM events e LEFT JOIN event_personal p ON p.personal_id = e.personal_id
             WHERE e.object_kind = :kind AND e.object_id = :id ORDER BY e.seq LIMIT :limit"""
    return db.all(sql, Told, kind=object_kind, id=object_id, limit=limit)


def broken_link(db: Reader, *, chunk: int = 2000) -> int | None:
    """The first seq that does not follow from the one before it, or None when the chain is whole."""
    seq, prev = 0, rules.GENESIS
    while events := page(db, seq, limit=chunk):
        for event in events:
            seq += 1
            if event.seq != seq or event.prev_hash != prev or rules.chained(event) != event.hash:
                return seq
            prev = event.hash
    return None
