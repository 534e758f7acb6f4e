"""Changes of what was asked for. Each writes its fact."""

from typing import Any

import msgspec

from kashop.approvals import reads
from kashop.approvals.rules import KINDS, LIFETIME, packed
from kashop.approvals.types import Approval
from kashop.audit.writes import record
from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Denied


def ask(tx: Tx, kind: str, items: list[int], actor: Actor, *, value_minor: int, reason: str, facts: dict[str, Any]) -> int:
    """Put a request before a second person; its id."""
    if kind not in KINDS:
        raise LookupError(f"nobody can be asked for {kind!r}")
    sql = """INSERT INTO approvals (kind, status, items, count, value_minor, facts, reason, asked_by, asked_at, expires_at)
             VALUES (:kind, 'waiting', :items, :count, :value_minor, :facts, :reason, :by, :now, :until)
             RETURNING approval_id"""
    approval_id = int(
        tx.value(
            sql,
            kind=kind,
            items=packed(items),
            count=len(items),
            value_minor=value_minor,
            facts=msgspec.json.encode(facts).decode(),
            reason=reason,
            by=str(actor),
            now=tx.now,
            until=tx.now + LIFETIME,
        )
    )
    subject = ("approval", approval_id)
    record(tx, "approval.asked", actor, subject, reason=reason, kind=kind, count=len(items), value=value_minor)
    return approval_id


def decide(tx: Tx, approval_id: int, actor: Actor, *, is_approved: bool, note: str) -> None:
    """Approve or refuse, once. Raises Denied for one's own request, Conflict when it waits no longer."""
    asked = reads.get(tx, approval_id)
    if asked.asked_by == str(actor):
        raise Denied("Somebody else has to decide: you asked for this yourself.", code="own_request")
    sql = """UPDATE approvals SET status = :status, decided_by = :by, decided_at = :now, note = :note
             WHERE approval_id = :approval_id AND status = 'waiting' AND expires_at > :now"""
    status = "approved" if is_approved else "refused"
    if not tx.run(sql, status=status, by=str(actor), now=tx.now, note=note, approval_id=approval_id):
        raise Conflict("This request is decided already, or its day is over.", code="not_waiting")
    record(tx, f"approval.{status}", actor, ("approval", approval_id), reason=note, kind=asked.kind)


def use(tx: Tx, approval_id: int, kind: str, actor: Actor) -> Approval:
    """Spend an approved request of the actor's own, for good. Raises Conflict when it cannot be, or no longer."""
    sql = """UPDATE approvals SET status = 'used', used_at = :now
             WHERE approval_id = :approval_id AND kind = :kind AND status = 'approved' AND asked_by = :by AND expires_at > :now"""
    if not tx.run(sql, now=tx.now, approval_id=approval_id, kind=kind, by=str(actor)):
        raise Conflict("This is not approved for you, was done already, or its day is over.", code="not_approved")
    record(tx, "approval.used", actor, ("approval", approval_id), kind=kind)
    return reads.get(tx, approval_id)
