"""Changes of invitations. Each writes its fact; none of them knows the link."""

from kashop.accounts import reads, rules
from kashop.accounts import writes as staff_writes
from kashop.accounts.invitations import reads as invitations
from kashop.accounts.roles import reads as roles
from kashop.accounts.types import Invitation
from kashop.audit import writes as audit
from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid, NotFound


def invite(tx: Tx, email: str, role: str, link_hash: bytes, actor: Actor) -> Invitation:
    """Hold a place for somebody new. `link_hash` is `lib.ids.digest` of the link's token. Raises Invalid by field, Denied."""
    email, role = rules.checked_email(email), roles.checked(tx, role)
    roles.check_reach(tx, actor, role)
    if reads.find_by_email(tx, email) is not None:
        raise Invalid.of("email", "Somebody has this address already.")
    if any(each.email == email for each in invitations.pending(tx)):
        raise Invalid.of("email", "This address is invited already: renew that invitation.")
    return _add(tx, email, role, None, link_hash, actor)


def invite_again(tx: Tx, staff_id: int, link_hash: bytes, actor: Actor) -> Invitation:
    """Let somebody who is here set a new password. Raises Conflict for a disabled account, Denied, NotFound."""
    staff = reads.get(tx, staff_id)
    roles.check_reach(tx, actor, staff.role)
    if staff.is_disabled:
        raise Conflict("This account is disabled.", code="disabled")
    for old in invitations.pending(tx):
        if old.email == staff.email:
            _end(tx, old, "withdrawn")
    return _add(tx, staff.email, staff.role, staff_id, link_hash, actor)


def renew(tx: Tx, invitation_id: int, link_hash: bytes, actor: Actor) -> Invitation:
    """Give an invitation two more days and another link; the old link is worth nothing any more."""
    old = invitations.get(tx, invitation_id)
    roles.check_reach(tx, actor, roles.checked(tx, old.role))
    sql = """UPDATE invitations SET link_hash = :link_hash, expires_at = :until, inviter_kind = :kind, inviter_ref = :ref
             WHERE invitation_id = :invitation_id"""
    until = tx.now + rules.INVITATION_LIFETIME
    tx.run(sql, link_hash=link_hash, until=until, kind=actor.kind, ref=actor.ref, invitation_id=invitation_id)
    audit.record(tx, "invitation.renewed", actor, ("invitation", invitation_id), role=old.role, personal={"email": old.email})
    return invitations.get(tx, invitation_id)


def withdraw(tx: Tx, invitation_id: int, actor: Actor) -> None:
    """End an invitation before it is used."""
    old = invitations.get(tx, invitation_id)
    roles.check_reach(tx, actor, old.role)
    _end(tx, old, "withdrawn")
    personal = {"email": old.email}
    audit.record(tx, "invitation.withdrawn", actor, ("invitation", invitation_id), role=old.role, personal=personal)


def accept(tx: Tx, link_hash: bytes, password_hash: str, guest: Actor) -> int:
    """Use an invitation with the invitee's own password; who they are now. Raises NotFound for one that no longer holds."""
    invitation = invitations.find_by_link(tx, link_hash)
    if invitation is None:
        raise NotFound("This invitation is used, withdrawn or older than two days. Ask for a new one.")
    _end(tx, invitation, "accepted")
    if invitation.staff_id is None:
        staff_id = staff_writes.add_staff(tx, invitation.email, invitation.role, password_hash, invitation.inviter)
    else:
        staff_id = invitation.staff_id
        staff_writes.change_password(tx, staff_id, password_hash, Actor("staff", str(staff_id), guest.ip))
    by = Actor("staff", str(staff_id), guest.ip, request_id=guest.request_id)
    audit.record(tx, "invitation.accepted", by, ("invitation", invitation.invitation_id), staff=staff_id, role=invitation.role)
    return staff_id


def _add(tx: Tx, email: str, role: str, staff_id: int | None, link_hash: bytes, actor: Actor) -> Invitation:
    sql = """INSERT INTO invitations (email, role, staff_id, link_hash, inviter_kind, inviter_ref, created_at, expires_at)
             VALUES (:email, :role, :staff_id, :link_hash, :kind, :ref, :now, :until) RETURNING invitation_id"""
    until = tx.now + rules.INVITATION_LIFETIME
    by = {"kind": actor.kind, "ref": actor.ref, "now": tx.now, "until": until}
    added = tx.value(sql, email=email, role=role, staff_id=staff_id, link_hash=link_hash, **by)
    subject, personal = ("invitation", int(added)), {"email": email}
    audit.record(tx, "staff.invited", actor, subject, role=role, again=staff_id or 0, personal=personal)
    return invitations.get(tx, int(added))


def _end(tx: Tx, invitation: Invitation, outcome: str) -> None:
    sql = "UPDATE invitations SET ended_at = :now, outcome = :outcome WHERE invitation_id = :invitation_id AND ended_at IS NULL"
    tx.run(sql, now=tx.now, outcome=outcome, invitation_id=invitation.invitation_id)
