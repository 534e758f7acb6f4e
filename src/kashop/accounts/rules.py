"""What each role may do, what a password must be, how long things live. One table each."""

import unicodedata
from collections.abc import Iterable

from kashop.accounts.types import SignedIn
from kashop.lib.clock import DAY, HOUR, MINUTE, SECOND
from kashop.lib.errors import Invalid
from kashop.lib.text import is_email

ROLES = ("owner", "manager", "stock", "support", "finance", "auditor")
"""The roles that every shop has; a shop's own roles stand beside them in the table `roles`."""

PERMISSIONS: dict[str, frozenset[str]] = {
    name: frozenset(who.split())
    for name, who in {
        "dashboard.view": "owner manager stock support finance auditor",
        "self.edit": "owner manager stock support finance auditor",
        "products.view": "owner manager stock support finance auditor",
        "products.edit": "owner manager",
        "stock.view": "owner manager stock support finance auditor",
        "codes.view": "owner manager stock support auditor",
        "codes.import": "owner manager stock",
        "codes.edit": "owner manager stock",
        "codes.void": "owner manager stock",
        "codes.reveal": "owner manager support",
        "codes.export": "owner manager",
        "codes.approve": "owner manager",
        "suppliers.edit": "owner manager",
        "orders.view": "owner manager stock support finance auditor",
        "orders.note": "owner manager support finance",
        "orders.query": "owner manager support finance",
        "orders.deliver": "owner manager",
        "orders.cancel": "owner manager",
        "orders.confirm": "owner manager finance",
        "orders.refund": "owner manager finance",
        "orders.evidence": "owner manager finance auditor",
        "exceptions.view": "owner manager stock support finance auditor",
        "exceptions.work": "owner manager support finance",
        "exceptions.close": "owner manager finance",
        "callbacks.view": "owner manager finance auditor",
        "callbacks.replay": "owner finance",
        "gateways.view": "owner manager finance auditor",
        "gateways.edit": "owner",
        "statements.view": "owner manager finance auditor",
        "statements.edit": "owner manager finance",
        "settings.edit": "owner",
        "staff.edit": "owner",
        "jobs.view": "owner manager auditor",
        "audit.view": "owner auditor",
        "vault.view": "owner manager auditor",
        "vault.edit": "owner",
    }.items()
}
"""The table: which role holds which permission. What is not named here nobody may do."""

EVERYBODY = frozenset({"dashboard.view", "self.edit"})
"""What a role of the shop's own always may: log out, change the own password, see the overview."""

IDLE = 12 * HOUR
LIFETIME = 7 * DAY
LINK_LIFETIME = 10 * MINUTE
INVITATION_LIFETIME = 2 * DAY
INVITATION_KEPT = 30 * DAY
STEP_UP = 5 * MINUTE
"""For how long a proof of who one is opens what needs one."""
TOUCH_EVERY = MINUTE
"""How stale `seen_at` may be, so that reading pages does not write at every step."""

LEAST_PASSWORD, MOST_PASSWORD = 10, 128

FREE_FAILURES = 10
FORGET_LOCK = DAY
"""How long after a lock ended the failures before it count no more."""
_FIRST_LOCK, _LONGEST_LOCK = 30 * SECOND, 15 * MINUTE


def permissions_of(role: str) -> frozenset[str]:
    """What a role of the table may do; a role that is not there may do nothing."""
    return frozenset(name for name, who in PERMISSIONS.items() if role in who)


def has_stepped_up(session: SignedIn, now: int) -> bool:
    """Whether who is behind a session proved again, within the last minutes, to be who they are.

    A clock that was set back makes no proof last longer: one from far ahead is none.
    """
    return abs(now - session.stepped_up_at) < STEP_UP


def is_alive(session: SignedIn, expires_at: int, now: int) -> bool:
    """Whether a session has neither slept too long nor lived too long."""
    return now < expires_at and now < session.seen_at + IDLE


def lock_after(failures: int, now: int) -> int:
    """Until when an account takes no password after so many failures in a row: doubling, up to 15 minutes."""
    over = failures - FREE_FAILURES
    return 0 if over < 0 else now + min(_FIRST_LOCK << min(over, 10), _LONGEST_LOCK)


def normal_email(text: str) -> str:
    """An address as it is stored and looked up."""
    return unicodedata.normalize("NFC", text.strip()).lower()


def checked_email(text: str) -> str:
    """A normal address. Raises Invalid for `email`."""
    email = normal_email(text)
    if not is_email(email):
        raise Invalid.of("email", "This is not an e-mail address.")
    return email


def checked_password(text: str, *, email: str = "", field: str = "password") -> str:
    """A password that may be set. Raises Invalid for `field`."""
    if not LEAST_PASSWORD <= len(text) <= MOST_PASSWORD:
        raise Invalid.of(field, "From {least} to {most} characters.", least=LEAST_PASSWORD, most=MOST_PASSWORD)
    lower = text.lower()
    local = email.partition("@")[0]
    if len(set(text)) < 5 or "kashop" in lower or (len(local) > 3 and local in lower) or lower in _COMMON:
        raise Invalid.of(field, "Too easy to guess: avoid names, repetition and well-known passwords.")
    return text


def checked_role_name(text: str) -> str:
    """What a shop calls a role of its own. Raises Invalid for `name`."""
    name = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(name) <= 40 or not name.isprintable():
        raise Invalid.of("name", "Write a name of 1 to 40 characters.")
    return name


def completed(permissions: Iterable[str]) -> frozenset[str]:
    """Permissions with those that they are of no use without: what anybody on the staff may do, and to see what one may change.

    Raises Invalid for `permissions` when one is not in the table.
    """
    wanted = frozenset(permissions)
    if not wanted <= PERMISSIONS.keys():
        raise Invalid.of("permissions", "Choose one of the values on offer.")
    views = {f"{name.partition('.')[0]}.view" for name in wanted}
    return (wanted | (views & PERMISSIONS.keys())) | EVERYBODY


_COMMON = frozenset(
    {
        "1234567890",
        "0123456789",
        "12345678910",
        "123456789a",
        "1qaz2wsx3edc",
        "qwertyuiop",
        "qwerty12345",
        "password12",
        "password123",
        "password1234",
        "passw0rd123",
        "administrator",
        "admin12345",
        "admin123456",
        "iloveyou123",
        "woaini1314",
        "woaini1314520",
        "a123456789",
        "aa123456789",
        "abc1234567",
        "abcd123456",
        "letmein123",
        "changeme123",
        "welcome123",
    }
)
