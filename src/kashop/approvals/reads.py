"""Looks at what was asked for."""

from kashop.approvals.rules import packed, unpacked
from kashop.approvals.types import Approval
from kashop.db import Reader
from kashop.lib.errors import NotFound


def get(db: Reader, approval_id: int) -> Approval:
    """One request. Raises NotFound."""
    sql = """SELECT approval_id, kind, status, count, value_minor, facts, reason, asked_by, asked_at, expires_at, decided_by,
               decided_at, note, used_at
             FROM approvals WHERE approval_id = :approval_id"""
    found = db.one(sql, Approval, approval_id=approval_id)
    if found is None:
        raise NotFound("There is no such request.")
    return found


def items(db: Reader, approval_id: int) -> list[int]:
    """The ids that a request is about, in its order."""
    kept = db.value("SELECT items FROM approvals WHERE approval_id = :approval_id", approval_id=approval_id)
    return unpacked(kept) if kept else []


def page(db: Reader, before: int, *, limit: int = 50) -> list[Approval]:
    """Requests below a cursor, newest first."""
    sql = """SELECT approval_id, kind, status, count, value_minor, facts, reason, asked_by, asked_at, expires_at, decided_by,
               decided_at, note, used_at
             FROM approvals WHERE approval_id < :before ORDER BY approval_id DESC LIMIT :limit"""
    return db.all(sql, Approval, before=before, limit=limit)


def count_waiting(db: Reader, kinds: list[str], *, but_by: str) -> int:
    """How many of these kinds wait for somebody else than the one who asked."""
    sql = """SELECT COUNT(*) FROM approvals
             WHERE status = 'waiting' AND expires_at > :now AND asked_by <> :but_by AND kind = :kind"""
    return sum(int(db.value(sql, now=db.now, but_by=but_by, kind=kind)) for kind in kinds)


def newest_of(db: Reader, kind: str, item: int) -> Approval | None:
    """The newest request that is still good, waiting or approved, for one thing alone."""
    sql = """SELECT approval_id, kind, status, count, value_minor, facts, reason, asked_by, asked_at, expires_at, decided_by,
               decided_at, note, used_at
             FROM approvals
             WHERE status IN ('waiting', 'approved') AND expires_at > :now AND kind = :kind AND items = :items
             ORDER BY approval_id DESC LIMIT 1"""
    return db.one(sql, Approval, now=db.now, kind=kind, items=packed([item]))
