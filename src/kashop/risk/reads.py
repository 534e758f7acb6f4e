"""Looks of the risk room: what servers on one database counted."""

import msgspec

from kashop.db import Reader


class Told(msgspec.Struct, frozen=True):
    """What a server told the others."""

    told_id: int
    node: str
    tries: str


class Counted(msgspec.Struct, frozen=True):
    """Tries of one subject: how many, and when the oldest was."""

    count: int
    oldest: int


class Place(msgspec.Struct, frozen=True):
    """A client's place in the line: for how much work, and from when to when it serves."""

    work_ms: int
    opens_at: int
    until: int


def find_place(db: Reader, client: str) -> Place | None:
    """A client's place, while it serves or will."""
    sql = "SELECT work_ms, opens_at, until FROM waiting_turns WHERE client = :client AND until > :now"
    return db.one(sql, Place, client=client, now=db.now)


def end_of_line(db: Reader) -> int:
    """Until when the last place in the line serves; 0 when nobody stands there."""
    return int(db.value("SELECT COALESCE(MAX(until), 0) FROM waiting_turns"))


def told_after(db: Reader, told_id: int, *, since: int, limit: int) -> list[Told]:
    """What was told next, oldest first, as far as it is newer than a moment."""
    sql = """SELECT told_id, node, tries FROM told_tries
             WHERE told_id > :told_id AND told_at > :since ORDER BY told_id LIMIT :limit"""
    return db.all(sql, Told, told_id=told_id, since=since, limit=limit)


def tries_of(db: Reader, subject: str, *, since: int, before: int) -> Counted:
    """A subject's tries between two moments."""
    sql = """SELECT COALESCE(SUM(count), 0) AS count, COALESCE(MIN(tried_at), 0) AS oldest FROM tries
             WHERE subject = :subject AND tried_at > :since AND tried_at < :before"""
    found = db.one(sql, Counted, subject=subject, since=since, before=before)
    assert found is not None
    return found
