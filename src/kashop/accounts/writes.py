"""Changes of staff, sessions and log-in links. Each writes its fact."""

from typing import Any

from kashop.accounts import reads, rules
from kashop.accounts.roles import reads as roles
from kashop.accounts.types import Browser, Session
from kashop.audit import writes as audit
from kashop.audit.reads import count_acts, next_id
from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid


def add_staff(tx: Tx, email: str, role: str, password_hash: str, actor: Actor) -> int:
    """A new member of staff; their id. An empty `password_hash` fits no password. Raises Invalid by field."""
    email, role = rules.checked_email(email), roles.checked(tx, role)
    roles.check_reach(tx, actor, role)
    if reads.find_by_email(tx, email) is not None:
        raise Invalid.of("email", "Somebody has this address already.")
    sql = """INSERT INTO staff (staff_id, email, password_hash, role, created_at)
             VALUES (:staff_id, :email, :password_hash, :role, :now)"""
    staff_id = next_id(tx, "staff")
    tx.run(sql, staff_id=staff_id, email=email, password_hash=password_hash, role=role, now=tx.now)
    audit.record(tx, "staff.added", actor, ("staff", staff_id), role=role, personal={"email": email})
    return staff_id


def change_role(tx: Tx, staff_id: int, role: str, actor: Actor) -> None:
    """Give another role; it holds from the next request on. Raises Conflict for the last owner, Denied beyond own rights."""
    staff, role = reads.get(tx, staff_id), roles.checked(tx, role)
    roles.check_reach(tx, actor, staff.role, role)
    if staff.role == role:
        return
    before, after = reads.permissions(tx, staff.role), reads.permissions(tx, role)
    tx.run("UPDATE staff SET role = :role WHERE staff_id = :staff_id", role=role, staff_id=staff_id)
    _keep_an_owner(tx)
    difference: dict[str, Any] = {"gained": sorted(after - before), "lost": sorted(before - after)}
    audit.record(tx, "staff.role_changed", actor, ("staff", staff_id), was=staff.role, role=role, **difference)


def disable(tx: Tx, staff_id: int, actor: Actor) -> None:
    """Let somebody in no more, and end their sessions. Raises Conflict for the last owner, Denied beyond own rights."""
    roles.check_reach(tx, actor, reads.get(tx, staff_id).role)
    tx.run("UPDATE staff SET is_disabled = 1 WHERE staff_id = :staff_id", staff_id=staff_id)
    _keep_an_owner(tx)
    end_sessions(tx, staff_id)
    audit.record(tx, "staff.disabled", actor, ("staff", staff_id))


def enable(tx: Tx, staff_id: int, actor: Actor) -> None:
    """Let somebody in again, and forget their failed log-ins. Raises Denied beyond own rights."""
    roles.check_reach(tx, actor, reads.get(tx, staff_id).role)
    sql = "UPDATE staff SET is_disabled = 0, failed_logins = 0, locked_until = 0 WHERE staff_id = :staff_id"
    tx.run(sql, staff_id=staff_id)
    audit.record(tx, "staff.enabled", actor, ("staff", staff_id))


def unlock(tx: Tx, staff_id: int, actor: Actor) -> None:
    """Forget somebody's failed log-ins and wrong codes, so that they may try again at once."""
    reads.get(tx, staff_id)
    sql = "UPDATE staff SET failed_logins = 0, locked_until = 0 WHERE staff_id = :staff_id"
    tx.run(sql, staff_id=staff_id)
    tx.run("UPDATE totp_seeds SET failures = 0, locked_until = 0 WHERE staff_id = :staff_id", staff_id=staff_id)
    audit.record(tx, "staff.unlocked", actor, ("staff", staff_id))


def change_password(tx: Tx, staff_id: int, password_hash: str, actor: Actor, *, keep: bytes = b"") -> None:
    """Set a new password and end every session but `keep`, and every log-in link."""
    reads.get(tx, staff_id)
    sql = """UPDATE staff SET password_hash = :password_hash, failed_logins = 0, locked_until = 0
             WHERE staff_id = :staff_id"""
    tx.run(sql, password_hash=password_hash, staff_id=staff_id)
    # whoever knew the old one gets no further to a code than a stranger
    tx.run("UPDATE totp_seeds SET failures = 0, locked_until = 0 WHERE staff_id = :staff_id", staff_id=staff_id)
    end_sessions(tx, staff_id, keep=keep)
    audit.record(tx, "staff.password_changed", actor, ("staff", staff_id))


def note_failure(tx: Tx, staff_id: int, actor: Actor) -> int:
    """Count a wrong password; until when the account is now locked, or 0.

    A try while it is locked makes that no longer; a lock that ended a day ago is forgotten.
    """
    staff = reads.get(tx, staff_id)
    if staff.locked_until > tx.now:
        audit.record(tx, "staff.login_failed", actor, ("staff", staff_id), failures=staff.failed_logins)
        return 0
    sql = """UPDATE staff
             SET failed_logins = CASE WHEN locked_until > 0 AND locked_until <= :stale THEN 1 ELSE failed_logins + 1 END
             WHERE staff_id = :staff_id RETURNING failed_logins"""
    failures = int(tx.value(sql, staff_id=staff_id, stale=tx.now - rules.FORGET_LOCK))
    until = rules.lock_after(failures, tx.now)
    tx.run("UPDATE staff SET locked_until = :until WHERE staff_id = :staff_id", until=until, staff_id=staff_id)
    audit.record(tx, "staff.login_failed", actor, ("staff", staff_id), failures=failures)
    return until


def open_session(
    tx: Tx, staff_id: int, session_hash: bytes, csrf_token: str, browser: Browser, *, old: bytes, is_proof: bool, is_known: bool
) -> None:
    """Log in: the browser's `old` session ends, a new one begins.

    `is_proof`: what was shown to get in also proves, for the first minutes, who it is. The failures are forgotten, unless
    the browser `is_known`: it never was held by them, and strangers who guess meanwhile shall not begin anew.
    """
    end_session(tx, old)
    sql = """INSERT INTO sessions (session_hash, staff_id, csrf_token, created_at, seen_at, expires_at, ip,
               user_agent, stepped_up_at)
             VALUES (:session_hash, :staff_id, :csrf_token, :created_at, :seen_at, :expires_at, :ip,
               :user_agent, :stepped_up_at)"""
    session = Session(
        session_hash,
        staff_id,
        csrf_token,
        tx.now,
        tx.now,
        tx.now + rules.LIFETIME,
        browser.ip,
        browser.user_agent[:200],
    )
    stepped_up_at = tx.now if is_proof else 0
    tx.run(sql, **{name: getattr(session, name) for name in session.__struct_fields__}, stepped_up_at=stepped_up_at)
    tx.run("UPDATE staff SET seen_at = :now WHERE staff_id = :staff_id", now=tx.now, staff_id=staff_id)
    if not is_known:
        tx.run("UPDATE staff SET failed_logins = 0, locked_until = 0 WHERE staff_id = :staff_id", staff_id=staff_id)
    actor = Actor("staff", str(staff_id), browser.ip, session_hash.hex()[:16], browser.request_id)
    audit.record(tx, "staff.logged_in", actor, ("staff", staff_id))


def touch_session(tx: Tx, session_hash: bytes) -> None:
    """Note that a session was used."""
    tx.run(
        "UPDATE sessions SET seen_at = :now WHERE session_hash = :session_hash",
        now=tx.now,
        session_hash=session_hash,
    )


def end_session(tx: Tx, session_hash: bytes) -> int:
    """Log one browser out; 1 if it was logged in."""
    return tx.run("DELETE FROM sessions WHERE session_hash = :session_hash", session_hash=session_hash)


def log_out(tx: Tx, staff_id: int, actor: Actor, *, session: str = "", keep: bytes = b"") -> int:
    """End somebody's session, or all but `keep` with what could still let them in; how many sessions.

    `session` is how events name one. Raises Denied beyond own rights.
    """
    roles.check_reach(tx, actor, reads.get(tx, staff_id).role)
    others = [s for s in reads.sessions_of(tx, staff_id) if s.session_hash != keep]
    chosen = [s for s in others if session in ("", s.session_hash.hex()[:16])]
    ended = sum(end_session(tx, s.session_hash) for s in chosen) if session else end_sessions(tx, staff_id, keep=keep)
    if ended:
        named = [s.session_hash.hex()[:16] for s in chosen]
        audit.record(tx, "staff.logged_out", actor, ("staff", staff_id), sessions=named, count=ended)
    return ended


def remove(tx: Tx, staff_id: int, actor: Actor) -> None:
    """Take somebody off the list who never did anything. Raises Conflict with a count for others, and for the last owner."""
    staff = reads.get(tx, staff_id)
    roles.check_reach(tx, actor, staff.role)
    acts = count_acts(tx, str(staff_id))
    if acts:
        raise Conflict(
            "{email} has {acts} entries in the audit, so the account stays: disable it instead.",
            code="in_use",
            email=staff.email,
            acts=acts,
        )
    end_sessions(tx, staff_id)
    _forget(tx, staff_id)
    tx.run("DELETE FROM staff WHERE staff_id = :staff_id", staff_id=staff_id)
    _keep_an_owner(tx)
    audit.record(tx, "staff.removed", actor, ("staff", staff_id), role=staff.role, personal={"email": staff.email})


def end_sessions(tx: Tx, staff_id: int, *, keep: bytes = b"") -> int:
    """Log somebody out everywhere but in `keep`, and spend what could still let them in; how many browsers that were."""
    tx.run("DELETE FROM pending_logins WHERE staff_id = :staff_id", staff_id=staff_id)
    tx.run(
        "UPDATE password_resets SET used_at = :now WHERE staff_id = :staff_id AND used_at IS NULL",
        now=tx.now,
        staff_id=staff_id,
    )
    tx.run(
        "UPDATE login_links SET used_at = :now WHERE staff_id = :staff_id AND used_at IS NULL",
        now=tx.now,
        staff_id=staff_id,
    )
    sql = "DELETE FROM sessions WHERE staff_id = :staff_id AND session_hash <> :keep"
    return tx.run(sql, staff_id=staff_id, keep=keep)


def end_own_sessions(tx: Tx, staff_id: int, actor: Actor, *, keep: bytes) -> None:
    """Log oneself out everywhere but in `keep`."""
    ended = end_sessions(tx, staff_id, keep=keep)
    audit.record(tx, "staff.sessions_ended", actor, ("staff", staff_id), count=ended)


def add_login_link(tx: Tx, staff_id: int, link_hash: bytes, actor: Actor) -> int:
    """Let somebody in once by a link; when it ends. `link_hash` is `lib.ids.digest` of the link's token."""
    roles.check_reach(tx, actor, reads.get(tx, staff_id).role)
    until = tx.now + rules.LINK_LIFETIME
    sql = "INSERT INTO login_links (link_hash, staff_id, expires_at) VALUES (:link_hash, :staff_id, :until)"
    tx.run(sql, link_hash=link_hash, staff_id=staff_id, until=until)
    audit.record(tx, "staff.login_link_made", actor, ("staff", staff_id))
    return until


def use_login_link(tx: Tx, link_hash: bytes) -> int | None:
    """Spend a link: whom it lets in, or None when it is unknown, used, old, or its account disabled."""
    staff = reads.find_link_owner(tx, link_hash)
    if staff is None:
        return None
    tx.run("UPDATE login_links SET used_at = :now WHERE link_hash = :link_hash", now=tx.now, link_hash=link_hash)
    return staff.staff_id


def sweep(tx: Tx) -> int:
    """Drop worn-out sessions and links, and invitations that ran out a month ago; how many."""
    idle = tx.now - rules.IDLE
    gone = tx.run("DELETE FROM sessions WHERE expires_at <= :now OR seen_at <= :idle", now=tx.now, idle=idle)
    gone += tx.run("DELETE FROM invitations WHERE expires_at <= :then", then=tx.now - rules.INVITATION_KEPT)
    return gone + tx.run("DELETE FROM login_links WHERE expires_at <= :now", now=tx.now)


def _forget(tx: Tx, staff_id: int) -> None:
    """Drop all that hangs on an account and is no history."""
    tx.run("DELETE FROM login_links WHERE staff_id = :staff_id", staff_id=staff_id)
    tx.run("DELETE FROM invitations WHERE staff_id = :staff_id", staff_id=staff_id)
    tx.run("DELETE FROM password_resets WHERE staff_id = :staff_id", staff_id=staff_id)
    tx.run("DELETE FROM recovery_codes WHERE staff_id = :staff_id", staff_id=staff_id)
    tx.run("DELETE FROM totp_seeds WHERE staff_id = :staff_id", staff_id=staff_id)
    tx.run("DELETE FROM login_networks WHERE staff_id = :staff_id", staff_id=staff_id)
    tx.run("DELETE FROM login_alerts WHERE staff_id = :staff_id", staff_id=staff_id)


def _keep_an_owner(tx: Tx) -> None:
    if reads.count_able_owners(tx) == 0:
        raise Conflict("At least one owner must be able to log in.", code="last_owner")
