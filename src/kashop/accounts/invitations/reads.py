"""Looks at invitations."""

from kashop.accounts import reads
from kashop.accounts.roles import reads as roles
from kashop.accounts.types import Invitation
from kashop.db import Reader
from kashop.lib.errors import NotFound


def pending(db: Reader) -> list[Invitation]:
    """Invitations that were neither accepted nor withdrawn, run out ones too, the newest first."""
    sql = """SELECT invitation_id, email, role, staff_id, link_hash, inviter_kind, inviter_ref, created_at, expires_at
             FROM invitations WHERE ended_at IS NULL ORDER BY invitation_id DESC LIMIT 200"""
    return db.all(sql, Invitation)


def find(db: Reader, invitation_id: int) -> Invitation | None:
    """A pending invitation, run out or not."""
    sql = """SELECT invitation_id, email, role, staff_id, link_hash, inviter_kind, inviter_ref, created_at, expires_at
             FROM invitations WHERE invitation_id = :invitation_id AND ended_at IS NULL"""
    return db.one(sql, Invitation, invitation_id=invitation_id)


def get(db: Reader, invitation_id: int) -> Invitation:
    """A pending invitation, run out or not. Raises NotFound."""
    found = find(db, invitation_id)
    if found is None:
        raise NotFound("There is no such invitation.")
    return found


def find_by_link(db: Reader, link_hash: bytes) -> Invitation | None:
    """The invitation that a link opens now; None when it is used, withdrawn, run out, or no longer vouched for."""
    sql = """SELECT invitation_id, email, role, staff_id, link_hash, inviter_kind, inviter_ref, created_at, expires_at
             FROM invitations WHERE link_hash = :link_hash AND ended_at IS NULL"""
    found = db.one(sql, Invitation, link_hash=link_hash)
    return found if found is not None and holds(db, found) else None


def holds(db: Reader, invitation: Invitation) -> bool:
    """Whether an invitation may be used now: in time, and by the word of somebody who may still give these rights."""
    staff = None if invitation.staff_id is None else reads.get(db, invitation.staff_id)
    given = reads.permissions(db, staff.role if staff else invitation.role)
    is_welcome = db.now < invitation.expires_at and not (staff and staff.is_disabled)
    return is_welcome and bool(given) and given <= roles.reach(db, invitation.inviter)
