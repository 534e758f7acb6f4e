"""Looks at factors, at what waits for one, and at what seemed strange."""

from kashop.accounts import reads as accounts
from kashop.accounts.factors import rules
from kashop.accounts.factors.types import Alert, Seed
from kashop.accounts.types import Staff
from kashop.db import Reader


def find_seed(db: Reader, staff_id: int) -> Seed | None:
    """The seed that somebody has enrolled."""
    sql = """SELECT staff_id, sealed, last_step, failures, locked_until, created_at
             FROM totp_seeds WHERE staff_id = :staff_id"""
    return db.one(sql, Seed, staff_id=staff_id)


def count_recovery_codes(db: Reader, staff_id: int) -> int:
    """How many of somebody's recovery codes are left."""
    sql = "SELECT count(*) FROM recovery_codes WHERE staff_id = :staff_id AND used_at IS NULL"
    return int(db.value(sql, staff_id=staff_id))


def is_recovery_code(db: Reader, staff_id: int, code_hash: bytes) -> bool:
    """Whether this is one of somebody's codes, not used yet."""
    sql = """SELECT count(*) FROM recovery_codes
             WHERE code_hash = :code_hash AND staff_id = :staff_id AND used_at IS NULL"""
    return bool(db.value(sql, code_hash=code_hash, staff_id=staff_id))


def find_pending(db: Reader, pending_hash: bytes) -> Staff | None:
    """Whose log-in waits for its code, while it may."""
    sql = "SELECT staff_id FROM pending_logins WHERE pending_hash = :pending_hash AND expires_at > :now"
    staff_id = db.value(sql, pending_hash=pending_hash, now=db.now)
    staff = accounts.find(db, int(staff_id)) if staff_id is not None else None
    return staff if staff is not None and not staff.is_disabled else None


def knows_place(db: Reader, staff_id: int, network: str) -> bool:
    """Whether an account was used from a network lately; an account that never was used knows every place."""
    sql = """SELECT count(*) FROM login_networks
             WHERE staff_id = :staff_id AND network = :network AND seen_at > :since"""
    since = db.now - rules.KNOWN_PLACE
    if db.value(sql, staff_id=staff_id, network=network, since=since):
        return True
    staff = accounts.get(db, staff_id)
    return staff.seen_at is None


def open_alerts(db: Reader, *, staff_id: int | None = None, limit: int = 20) -> list[Alert]:
    """What nobody has dismissed yet, of one account or of all; the latest first."""
    sql = """SELECT l.alert_id, l.staff_id, a.email, l.kind, l.ip, l.user_agent, l.created_at
             FROM login_alerts l JOIN staff a ON a.staff_id = l.staff_id
             WHERE l.dismissed_at IS NULL AND (CAST(:staff_id AS BIGINT) IS NULL OR l.staff_id = :staff_id)
             ORDER BY l.created_at DESC, l.alert_id DESC LIMIT :limit"""
    return db.all(sql, Alert, staff_id=staff_id, limit=limit)


def last_alert_at(db: Reader, staff_id: int, kind: str) -> int:
    """When an account was last warned of something of this kind, or 0."""
    sql = """SELECT created_at FROM login_alerts
             WHERE staff_id = :staff_id AND kind = :kind ORDER BY created_at DESC LIMIT 1"""
    return int(db.value(sql, staff_id=staff_id, kind=kind) or 0)


def count_unknown(db: Reader, day: int) -> int:
    """Failed log-ins at addresses that nobody has, on a day."""
    return int(db.value("SELECT unknown FROM login_counts WHERE day = :day", day=day) or 0)


def count_resets(db: Reader, staff_id: int, since: int) -> int:
    """How many new passwords somebody asked for by mail since then."""
    sql = "SELECT count(*) FROM password_resets WHERE staff_id = :staff_id AND created_at > :since"
    return int(db.value(sql, staff_id=staff_id, since=since))


def find_reset_owner(db: Reader, reset_hash: bytes) -> Staff | None:
    """Who may set a new password by an unused, fresh token."""
    sql = """SELECT staff_id FROM password_resets
             WHERE reset_hash = :reset_hash AND used_at IS NULL AND expires_at > :now"""
    staff_id = db.value(sql, reset_hash=reset_hash, now=db.now)
    staff = accounts.find(db, int(staff_id)) if staff_id is not None else None
    return staff if staff is not None and not staff.is_disabled else None
