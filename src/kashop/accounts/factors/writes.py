"""Changes of factors, of log-ins that wait for one, and of what seemed strange. Each that matters writes its fact."""

from collections.abc import Sequence

from kashop.accounts import writes as account_writes
from kashop.accounts.factors import reads, rules
from kashop.accounts.factors.types import Tried
from kashop.accounts.rules import FORGET_LOCK
from kashop.audit import writes as audit
from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.lib.clock import DAY


def enrol(
    tx: Tx, staff_id: int, sealed: bytes, actor: Actor, *, step: int, code_hashes: Sequence[bytes], keep: bytes = b""
) -> None:
    """Ask somebody for codes from now on; their other sessions end. `step` is that of the code which confirmed the seed."""
    sql = """INSERT INTO totp_seeds (staff_id, sealed, last_step, created_at) VALUES (:staff_id, :sealed, :step, :now)
             ON CONFLICT (staff_id) DO UPDATE
             SET sealed = excluded.sealed, last_step = excluded.last_step, failures = 0, locked_until = 0,
               created_at = excluded.created_at"""
    tx.run(sql, staff_id=staff_id, sealed=sealed, step=step, now=tx.now)
    _set_recovery_codes(tx, staff_id, code_hashes)
    account_writes.end_sessions(tx, staff_id, keep=keep)
    audit.record(tx, "staff.factor_enrolled", actor, ("staff", staff_id))


def replace_recovery_codes(tx: Tx, staff_id: int, code_hashes: Sequence[bytes], actor: Actor, *, keep: bytes) -> None:
    """Fresh recovery codes; the old ones work no more, and other sessions end."""
    _set_recovery_codes(tx, staff_id, code_hashes)
    account_writes.end_sessions(tx, staff_id, keep=keep)
    audit.record(tx, "staff.recovery_codes_made", actor, ("staff", staff_id), count=len(code_hashes))


def remove(tx: Tx, staff_id: int, actor: Actor, *, keep: bytes = b"") -> bool:
    """Ask somebody for codes no more, and end their other sessions; whether they had enrolled."""
    had = tx.run("DELETE FROM totp_seeds WHERE staff_id = :staff_id", staff_id=staff_id)
    tx.run("DELETE FROM recovery_codes WHERE staff_id = :staff_id", staff_id=staff_id)
    account_writes.end_sessions(tx, staff_id, keep=keep)
    audit.record(tx, "staff.factor_removed", actor, ("staff", staff_id))
    return bool(had)


def try_code(tx: Tx, staff_id: int, actor: Actor, *, step: int | None, recovery: bytes | None, is_known: bool) -> Tried:
    """Spend a code of an app, known by its step, or a recovery code, known by its hash; or count a wrong one.

    A lock is looked at here, where nothing runs beside it, so that a thousand guesses at once are no more than ten.
    It does not hold a browser that `is_known`, whose guesses are counted elsewhere; nor does what such a browser gets
    right let strangers begin anew.
    """
    seed = reads.find_seed(tx, staff_id)
    if seed is None:
        return Tried(is_right=False)
    if seed.locked_until > tx.now and not is_known:
        return Tried(is_right=False, locked_until=seed.locked_until)
    if (step is not None and _spend_step(tx, staff_id, step)) or (recovery and _spend_recovery(tx, staff_id, recovery, actor)):
        if not is_known:
            tx.run("UPDATE totp_seeds SET failures = 0, locked_until = 0 WHERE staff_id = :staff_id", staff_id=staff_id)
        return Tried(is_right=True)
    is_stale = 0 < seed.locked_until <= tx.now - FORGET_LOCK
    failures = 1 if is_stale else seed.failures + 1
    until = rules.lock_after(failures, tx.now)
    sql = "UPDATE totp_seeds SET failures = :failures, locked_until = :until WHERE staff_id = :staff_id"
    tx.run(sql, failures=failures, until=until, staff_id=staff_id)
    audit.record(tx, "staff.code_failed", actor, ("staff", staff_id), failures=failures)
    return Tried(is_right=False, locked_until=until, is_newly_locked=until > 0)


def step_up(tx: Tx, staff_id: int, session_hash: bytes, actor: Actor, *, how: str) -> None:
    """Note that whoever is behind a session proved just now to be who they are."""
    sql = "UPDATE sessions SET stepped_up_at = :now WHERE session_hash = :session_hash AND staff_id = :staff_id"
    tx.run(sql, now=tx.now, session_hash=session_hash, staff_id=staff_id)
    audit.record(tx, "staff.stepped_up", actor, ("staff", staff_id), how=how)


def note_failed_step_up(tx: Tx, staff_id: int, actor: Actor) -> None:
    """Note a wrong password behind a live session."""
    audit.record(tx, "staff.step_up_failed", actor, ("staff", staff_id))


def add_pending(tx: Tx, staff_id: int, pending_hash: bytes) -> None:
    """A log-in whose first proof was right; it waits a few minutes for its second."""
    sql = "INSERT INTO pending_logins (pending_hash, staff_id, expires_at) VALUES (:pending_hash, :staff_id, :until)"
    tx.run(sql, pending_hash=pending_hash, staff_id=staff_id, until=tx.now + rules.PENDING)


def take_pending(tx: Tx, pending_hash: bytes) -> int | None:
    """Spend a log-in that waits: whose it was, or None when it is unknown, spent, or too old."""
    staff = reads.find_pending(tx, pending_hash)
    tx.run("DELETE FROM pending_logins WHERE pending_hash = :pending_hash", pending_hash=pending_hash)
    return staff.staff_id if staff else None


def add_reset(tx: Tx, staff_id: int, reset_hash: bytes, actor: Actor) -> None:
    """A token that may set a new password; those before it die."""
    sql = "UPDATE password_resets SET used_at = :now WHERE staff_id = :staff_id AND used_at IS NULL"
    tx.run(sql, now=tx.now, staff_id=staff_id)
    sql = """INSERT INTO password_resets (reset_hash, staff_id, created_at, expires_at)
             VALUES (:reset_hash, :staff_id, :now, :until)"""
    tx.run(sql, reset_hash=reset_hash, staff_id=staff_id, now=tx.now, until=tx.now + rules.RESET)
    audit.record(tx, "staff.reset_asked", actor, ("staff", staff_id))


def take_reset(tx: Tx, staff_id: int, reset_hash: bytes, actor: Actor) -> bool:
    """Spend a token; whether it was good."""
    sql = """UPDATE password_resets SET used_at = :now
             WHERE reset_hash = :reset_hash AND staff_id = :staff_id AND used_at IS NULL AND expires_at > :now"""
    if not tx.run(sql, now=tx.now, reset_hash=reset_hash, staff_id=staff_id):
        return False
    audit.record(tx, "staff.reset_used", actor, ("staff", staff_id))
    return True


def note_place(tx: Tx, staff_id: int, network: str) -> None:
    """Remember that an account was used from a network."""
    sql = """INSERT INTO login_networks (staff_id, network, seen_at) VALUES (:staff_id, :network, :now)
             ON CONFLICT (staff_id, network) DO UPDATE SET seen_at = excluded.seen_at"""
    tx.run(sql, staff_id=staff_id, network=network, now=tx.now)


def warn(tx: Tx, staff_id: int, kind: str, *, ip: str, user_agent: str) -> None:
    """Put something strange where its account sees it until it is dismissed."""
    sql = """INSERT INTO login_alerts (staff_id, kind, ip, user_agent, created_at)
             VALUES (:staff_id, :kind, :ip, :user_agent, :now)"""
    tx.run(sql, staff_id=staff_id, kind=kind, ip=ip, user_agent=user_agent[:200], now=tx.now)


def note_suspicion(tx: Tx, staff_id: int, actor: Actor) -> None:
    """The fact that an account was opened from where it never was."""
    audit.record(tx, "staff.login_suspicious", actor, ("staff", staff_id))


def dismiss_alert(tx: Tx, alert_id: int, *, staff_id: int) -> bool:
    """Somebody has seen what was strange about their own account; whether it was there to be seen."""
    sql = """UPDATE login_alerts SET dismissed_at = :now
             WHERE alert_id = :alert_id AND staff_id = :staff_id AND dismissed_at IS NULL"""
    return bool(tx.run(sql, now=tx.now, alert_id=alert_id, staff_id=staff_id))


def count_unknown(tx: Tx) -> None:
    """Count a failed log-in at an address that nobody has: one number a day, however many there are."""
    sql = """INSERT INTO login_counts (day, unknown) VALUES (:day, 1)
             ON CONFLICT (day) DO UPDATE SET unknown = login_counts.unknown + 1"""
    tx.run(sql, day=tx.now // DAY * DAY)


def sweep(tx: Tx) -> int:
    """Drop what waited too long and what was remembered long enough; how many rows."""
    gone = tx.run("DELETE FROM pending_logins WHERE expires_at <= :now", now=tx.now)
    gone += tx.run("DELETE FROM password_resets WHERE created_at <= :old", old=tx.now - DAY)
    gone += tx.run("DELETE FROM login_networks WHERE seen_at <= :old", old=tx.now - rules.KNOWN_PLACE)
    gone += tx.run("DELETE FROM login_alerts WHERE created_at <= :old", old=tx.now - rules.KEEP_ALERTS)
    return gone + tx.run("DELETE FROM login_counts WHERE day <= :old", old=tx.now - rules.KEEP_ALERTS)


def _set_recovery_codes(tx: Tx, staff_id: int, code_hashes: Sequence[bytes]) -> None:
    tx.run("DELETE FROM recovery_codes WHERE staff_id = :staff_id", staff_id=staff_id)
    sql = "INSERT INTO recovery_codes (code_hash, staff_id, created_at) VALUES (:code_hash, :staff_id, :now)"
    tx.many(sql, [{"code_hash": code_hash, "staff_id": staff_id, "now": tx.now} for code_hash in code_hashes])


def _spend_step(tx: Tx, staff_id: int, step: int) -> bool:
    sql = "UPDATE totp_seeds SET last_step = :step WHERE staff_id = :staff_id AND last_step < :step"
    return bool(tx.run(sql, step=step, staff_id=staff_id))


def _spend_recovery(tx: Tx, staff_id: int, code_hash: bytes, actor: Actor) -> bool:
    sql = """UPDATE recovery_codes SET used_at = :now
             WHERE code_hash = :code_hash AND staff_id = :staff_id AND used_at IS NULL"""
    if not tx.run(sql, now=tx.now, code_hash=code_hash, staff_id=staff_id):
        return False
    left = reads.count_recovery_codes(tx, staff_id)
    audit.record(tx, "staff.recovery_code_used", actor, ("staff", staff_id), left=left)
    return True
