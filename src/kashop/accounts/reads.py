"""Looks at staff and sessions."""

import msgspec

from kashop.accounts.rules import PERMISSIONS, ROLES, is_alive, permissions_of
from kashop.accounts.types import Session, SessionRow, SignedIn, Staff
from kashop.db import Reader
from kashop.lib.errors import NotFound


def find_by_email(db: Reader, email: str) -> Staff | None:
    """A member of staff by normal address, disabled ones too."""
    sql = """SELECT staff_id, email, password_hash, role, is_disabled, failed_logins, locked_until,
               created_at, seen_at
             FROM staff WHERE email = :email"""
    return db.one(sql, Staff, email=email)


def find(db: Reader, staff_id: int) -> Staff | None:
    """A member of staff."""
    sql = """SELECT staff_id, email, password_hash, role, is_disabled, failed_logins, locked_until,
               created_at, seen_at
             FROM staff WHERE staff_id = :staff_id"""
    return db.one(sql, Staff, staff_id=staff_id)


def get(db: Reader, staff_id: int) -> Staff:
    """A member of staff. Raises NotFound."""
    staff = find(db, staff_id)
    if staff is None:
        raise NotFound("There is no such member of staff.")
    return staff


def everyone(db: Reader) -> list[Staff]:
    """All staff, the oldest first."""
    sql = """SELECT staff_id, email, password_hash, role, is_disabled, failed_logins, locked_until,
               created_at, seen_at
             FROM staff ORDER BY staff_id LIMIT 500"""
    return db.all(sql, Staff)


def owner_addresses(db: Reader) -> list[str]:
    """Where the owners who can log in are written to."""
    return db.values("SELECT email FROM staff WHERE role = 'owner' AND is_disabled = 0 ORDER BY staff_id")


def who_may(db: Reader, permission: str) -> list[Staff]:
    """Everybody who can log in and holds a permission now."""
    return [s for s in everyone(db) if not s.is_disabled and permission in permissions(db, s.role)]


def count_able_owners(db: Reader) -> int:
    """Owners who are not disabled."""
    return int(db.value("SELECT count(*) FROM staff WHERE role = 'owner' AND is_disabled = 0"))


def find_signed_in(db: Reader, session_hash: bytes) -> SignedIn | None:
    """Who a session stands for now and what they may do; None when it is unknown, worn out, or its account is disabled."""
    sql = """SELECT s.session_hash, s.csrf_token, s.seen_at, s.stepped_up_at, s.expires_at, s.staff_id, a.email, a.role,
               CASE WHEN t.staff_id IS NULL THEN 0 ELSE 1 END AS has_totp
             FROM sessions s JOIN staff a ON a.staff_id = s.staff_id LEFT JOIN totp_seeds t ON t.staff_id = s.staff_id
             WHERE s.session_hash = :session_hash AND a.is_disabled = 0"""
    row = db.one(sql, SessionRow, session_hash=session_hash)
    if row is None:
        return None
    found = SignedIn(
        row.session_hash,
        row.csrf_token,
        row.seen_at,
        row.stepped_up_at,
        row.staff_id,
        row.email,
        row.role,
        permissions(db, row.role),
        bool(row.has_totp),
        "" if row.role in ROLES else str(db.value("SELECT name FROM roles WHERE role = :role", role=row.role) or ""),
    )
    return found if is_alive(found, row.expires_at, db.now) else None


def permissions(db: Reader, role: str) -> frozenset[str]:
    """What a role may do now, one of the shop's own too; nothing for one that is gone."""
    if role in ROLES:
        return permissions_of(role)
    own = db.value("SELECT permissions FROM roles WHERE role = :role", role=role)
    return frozenset(msgspec.json.decode(own, type=list[str])) & PERMISSIONS.keys() if own else frozenset()


def sessions_of(db: Reader, staff_id: int) -> list[Session]:
    """Where a member of staff is logged in, the latest first."""
    sql = """SELECT session_hash, staff_id, csrf_token, created_at, seen_at, expires_at, ip, user_agent
             FROM sessions WHERE staff_id = :staff_id ORDER BY seen_at DESC, session_hash LIMIT 50"""
    return db.all(sql, Session, staff_id=staff_id)


def find_link_owner(db: Reader, link_hash: bytes) -> Staff | None:
    """Whom an unused, fresh log-in link lets in."""
    sql = """SELECT a.staff_id, a.email, a.password_hash, a.role, a.is_disabled, a.failed_logins,
               a.locked_until, a.created_at, a.seen_at
             FROM login_links k JOIN staff a ON a.staff_id = k.staff_id
             WHERE k.link_hash = :link_hash AND k.used_at IS NULL AND k.expires_at > :now
               AND a.is_disabled = 0"""
    return db.one(sql, Staff, link_hash=link_hash, now=db.now)
