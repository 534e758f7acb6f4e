"""Looks at the river, its signer and its checkpoints."""

import msgspec

from kashop.audit import rules
from kashop.audit.types import Act, Checkpoint, Event, Head, Signer, Told, Touched
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


def touched(db: Reader, after: int, *, limit: int = 1000) -> list[Touched]:
    """What each event after a place in the river was about, oldest first."""
    sql = "SELECT seq, object_kind, object_id FROM events WHERE seq > :after ORDER BY seq LIMIT :limit"
    return db.all(sql, Touched, after=after, limit=limit)


def timeline(db: Reader, object_kind: str, object_id: int, *, limit: int = 200) -> list[Told]:
    """What happened to one thing, oldest first."""
    sql = """SELECT e.seq, e.at, e.name, e.actor_kind, e.actor_ref, e.reason, e.payload, p.value AS personal
             FROM events e LEFT JOIN event_personal p ON p.personal_id = e.personal_id AND p.value <> ''
             WHERE e.object_kind = :kind AND e.object_id = :id ORDER BY e.seq LIMIT :limit"""
    return db.all(sql, Told, kind=object_kind, id=object_id, limit=limit)


def last_before(db: Reader, moment: int) -> int:
    """The last event from before a moment; 0 if there is none."""
    return int(db.value("SELECT seq FROM events WHERE at < :moment ORDER BY at DESC, seq DESC LIMIT 1", moment=moment) or 0)


def erased_through(db: Reader) -> int:
    """Up to which event personal values were erased."""
    sql = "SELECT payload FROM events WHERE name = 'personal.erased' ORDER BY seq DESC LIMIT 1"
    newest = db.value(sql)
    return int(msgspec.json.decode(newest, type=dict[str, int])["through"]) if newest else 0


def signer(db: Reader) -> Signer | None:
    """Who signs now; None before the first."""
    sql = "SELECT name, public_key, sealed_seed FROM audit_signers ORDER BY signer_id DESC LIMIT 1"
    return db.one(sql, Signer)


def newest_checkpoint(db: Reader) -> Checkpoint | None:
    """The last note on the chain."""
    return next(iter(checkpoints(db, limit=1)), None)


def checkpoints(db: Reader, before: int = 2**62, *, limit: int = 50) -> list[Checkpoint]:
    """Notes on the chain, the newest first."""
    sql = """SELECT seq, hash, at, note, pushed_at, acknowledged_at, acknowledged_by FROM audit_checkpoints
             WHERE seq < :before ORDER BY seq DESC LIMIT :limit"""
    return db.all(sql, Checkpoint, before=before, limit=limit)


def find_checkpoint(db: Reader, seq: int) -> Checkpoint | None:
    """The note on the first `seq` events."""
    sql = """SELECT seq, hash, at, note, pushed_at, acknowledged_at, acknowledged_by FROM audit_checkpoints WHERE seq = :seq"""
    return db.one(sql, Checkpoint, seq=seq)


def acknowledged_to(db: Reader) -> int:
    """The last event that something off the host stands witness for; 0 if none."""
    sql = "SELECT seq FROM audit_checkpoints WHERE acknowledged_at IS NOT NULL ORDER BY seq DESC LIMIT 1"
    return int(db.value(sql) or 0)


def last_mailed_at(db: Reader) -> int:
    """When a checkpoint last went by mail; 0: never."""
    return int(db.value("SELECT at FROM audit_checkpoints WHERE is_mailed = 1 ORDER BY seq DESC LIMIT 1") or 0)


def moment_of(db: Reader, seq: int) -> int | None:
    """When an event was written; None if there is no such event."""
    at: int | None = db.value("SELECT at FROM events WHERE seq = :seq", seq=seq)
    return at


def acts_since(db: Reader, name: str, actor_kind: str, actor_ref: str, since: int, *, limit: int = 20_000) -> list[Act]:
    """What a member of staff or a terminal did of one kind since a moment, newest first."""
    sql = """SELECT at, payload FROM events
             WHERE actor_kind = :kind AND actor_kind IN ('staff', 'cli') AND actor_ref = :ref AND seq >= :first AND name = :name
             ORDER BY seq DESC LIMIT :limit"""
    first = last_before(db, since) + 1
    return db.all(sql, Act, name=name, first=first, kind=actor_kind, ref=actor_ref, limit=limit)


def last_at(db: Reader, name: str) -> int | None:
    """When an event of that name was last written."""
    at: int | None = db.value("SELECT at FROM events WHERE name = :name ORDER BY seq DESC LIMIT 1", name=name)
    return at


def count_since(db: Reader, name: str, since: int) -> int:
    """How many events of that name were written since a moment."""
    return int(db.value("SELECT COUNT(*) FROM events WHERE name = :name AND at >= :since", name=name, since=since))


def latest(db: Reader, object_kind: str, object_id: int, *, limit: int = 20) -> list[Told]:
    """What last happened to one thing, newest first."""
    sql = """SELECT e.seq, e.at, e.name, e.actor_kind, e.actor_ref, e.reason, e.payload, p.value AS personal
             FROM events e LEFT JOIN event_personal p ON p.personal_id = e.personal_id
             WHERE e.object_kind = :kind AND e.object_id = :id ORDER BY e.seq DESC LIMIT :limit"""
    return db.all(sql, Told, kind=object_kind, id=object_id, limit=limit)


def next_id(db: Reader, object_kind: str) -> int:
    """An id that no thing of a kind ever had: what was deleted leaves its number to nobody, and its history to itself."""
    return int(db.value("SELECT COALESCE(MAX(object_id), 0) + 1 FROM events WHERE object_kind = :kind", kind=object_kind))


def count_acts(db: Reader, staff_ref: str) -> int:
    """How many facts name a member of staff as their doer."""
    sql = """SELECT count(*) FROM events
             WHERE actor_kind = 'staff' AND actor_kind IN ('staff', 'cli') AND actor_ref = :ref"""
    return int(db.value(sql, ref=staff_ref))
