"""Looks for events, the newest first, a page at a time.

Always true: each way of looking is driven by an index that holds what it looks for, so a page costs about as much as it shows;
what a wish says beside it is sifted on the way.
"""

from itertools import chain

from kashop.audit.search.types import ALWAYS, Found, Wish
from kashop.db import Reader

PEOPLE = ("staff", "cli")
"""Actors who are people of the shop."""
MANY = "buyer"
"""Actors of whom there are as many as orders: they are sifted from what others drive, being most of it anyway."""
MOST_ACTORS = 500


def find(db: Reader, wish: Wish, before: int = ALWAYS, *, limit: int) -> list[Found]:
    """Events that fit, before a cursor (a seq)."""
    if wish.object_kind:
        return _of_object(db, wish, before, limit)
    if wish.actor_ref or wish.actor_kind not in ("", MANY):
        refs = [wish.actor_ref] if wish.actor_ref else _refs(db, wish.actor_kind)
        return _newest([_of_actor(db, wish, ref, before, limit) for ref in refs], limit)
    if wish.names:
        return _newest([_of_name(db, wish, name, before, limit) for name in wish.names], limit)
    if wish.since > 0 or wish.until < ALWAYS:
        return _of_time(db, wish, before, limit)
    return _any(db, wish, before, limit)


def _newest(found: list[list[Found]], limit: int) -> list[Found]:
    return sorted(chain.from_iterable(found), key=lambda event: -event.seq)[:limit]


def _of_object(db: Reader, wish: Wish, before: int, limit: int) -> list[Found]:
    sql = """SELECT e.seq, e.at, e.name, e.actor_kind, e.actor_ref, e.object_kind, e.object_id, e.reason, e.payload,
               p.value AS personal
             FROM events e LEFT JOIN event_personal p ON p.personal_id = e.personal_id AND p.value <> ''
             WHERE e.object_kind = :object_kind AND e.object_id = :object_id AND e.seq < :before
               AND e.at >= :since AND e.at < :until
               AND (CAST(:actor_kind AS TEXT) = '' OR e.actor_kind = :actor_kind)
               AND (CAST(:actor_ref AS TEXT) = '' OR e.actor_ref = :actor_ref)
               AND (CAST(:names AS TEXT) = '' OR :names LIKE '%,' || e.name || ',%')
             ORDER BY e.seq DESC LIMIT :limit"""
    thing = {"object_kind": wish.object_kind, "object_id": wish.object_id, "names": _joined(wish.names)}
    who = {"actor_kind": wish.actor_kind, "actor_ref": wish.actor_ref}
    return db.all(sql, Found, before=before, limit=limit, since=wish.since, until=wish.until, **thing, **who)


def _of_actor(db: Reader, wish: Wish, ref: str, before: int, limit: int) -> list[Found]:
    sql = """SELECT e.seq, e.at, e.name, e.actor_kind, e.actor_ref, e.object_kind, e.object_id, e.reason, e.payload,
               p.value AS personal
             FROM events e LEFT JOIN event_personal p ON p.personal_id = e.personal_id AND p.value <> ''
             WHERE e.actor_kind = :actor_kind AND e.actor_ref = :actor_ref
               AND e.seq < :before AND e.at >= :since AND e.at < :until
               AND (CAST(:names AS TEXT) = '' OR :names LIKE '%,' || e.name || ',%')
             ORDER BY e.seq DESC LIMIT :limit"""
    who = {"actor_kind": wish.actor_kind, "actor_ref": ref, "names": _joined(wish.names)}
    return db.all(sql, Found, before=before, limit=limit, since=wish.since, until=wish.until, **who)


def _refs(db: Reader, kind: str) -> list[str]:
    """Which actors of a kind there are, by a step of the index for each."""
    sql = "SELECT actor_ref FROM events WHERE actor_kind = :kind AND actor_ref > :after ORDER BY actor_ref LIMIT 1"
    first = "SELECT actor_ref FROM events WHERE actor_kind = :kind ORDER BY actor_ref LIMIT 1"
    found: list[str] = []
    ref: str | None = db.value(first, kind=kind)
    while ref is not None and len(found) < MOST_ACTORS:
        found.append(ref)
        ref = db.value(sql, kind=kind, after=ref)
    return found


def _of_name(db: Reader, wish: Wish, name: str, before: int, limit: int) -> list[Found]:
    sql = """SELECT e.seq, e.at, e.name, e.actor_kind, e.actor_ref, e.object_kind, e.object_id, e.reason, e.payload,
               p.value AS personal
             FROM events e LEFT JOIN event_personal p ON p.personal_id = e.personal_id AND p.value <> ''
             WHERE e.name = :name AND e.seq < :before AND e.at >= :since AND e.at < :until
               AND (CAST(:kind AS TEXT) = '' OR e.actor_kind = :kind)
             ORDER BY e.seq DESC LIMIT :limit"""
    return db.all(sql, Found, name=name, before=before, limit=limit, kind=wish.actor_kind, since=wish.since, until=wish.until)


def _of_time(db: Reader, wish: Wish, before: int, limit: int) -> list[Found]:
    """By the clock and then by seq: a clock that was set back hides nothing."""
    at: int | None = db.value("SELECT at FROM events WHERE seq = :before", before=before)
    sql = """SELECT e.seq, e.at, e.name, e.actor_kind, e.actor_ref, e.object_kind, e.object_id, e.reason, e.payload,
               p.value AS personal
             FROM events e LEFT JOIN event_personal p ON p.personal_id = e.personal_id AND p.value <> ''
             WHERE e.at >= :since AND e.at < :until AND (e.at, e.seq) < (:before_at, :before)
               AND (CAST(:kind AS TEXT) = '' OR e.actor_kind = :kind)
             ORDER BY e.at DESC, e.seq DESC LIMIT :limit"""
    before_at = ALWAYS if at is None else at
    return db.all(
        sql, Found, before=before, before_at=before_at, limit=limit, kind=wish.actor_kind, since=wish.since, until=wish.until
    )


def _any(db: Reader, wish: Wish, before: int, limit: int) -> list[Found]:
    sql = """SELECT e.seq, e.at, e.name, e.actor_kind, e.actor_ref, e.object_kind, e.object_id, e.reason, e.payload,
               p.value AS personal
             FROM events e LEFT JOIN event_personal p ON p.personal_id = e.personal_id AND p.value <> ''
             WHERE e.seq < :before
               AND (CAST(:kind AS TEXT) = '' OR e.actor_kind = :kind)
             ORDER BY e.seq DESC LIMIT :limit"""
    return db.all(sql, Found, before=before, limit=limit, kind=wish.actor_kind)


def _joined(names: tuple[str, ...]) -> str:
    return f",{','.join(names)}," if names else ""
