"""What each role may do, what a password must be, how long things live. One table each."""

import unicodedata

from kashop.accounts.types import SignedIn
from kashop.lib.clock import DAY, HOUR, MINUTE, SECOND
from kashop.lib.errors import Invalid
from kashop.lib.text import is_email

ROLES = ("owner", "manager", "support")

_ALL = frozenset(ROLES)
_LEADS = frozenset({"owner", "manager"})
_OWNER = frozenset({"owner"})

PERMISSIONS: dict[str, frozenset[str]] = {
    "dashboard.view": _ALL,
    "self.edit": _ALL,
    "products.view": _ALL,
    "products.edit": _LEADS,
    "stock.view": _ALL,
    "codes.import": _LEADS,
    "orders.view": _ALL,
    "orders.note": _ALL,
    "orders.deliver": _LEADS,
    "orders.cancel": _LEADS,
    "orders.confirm": _LEADS,
    "exceptions.view": _ALL,
    "exceptions.close": _LEADS,
    "gateways.view": _LEADS,
    "gateways.edit": _OWNER,
    "settings.edit": _OWNER,
    "staff.edit": _OWNER,
    "jobs.view": _LEADS,
}
"""Which roles hold which permission. What is not named here nobody may do."""

IDLE = 12 * HOUR
LIFETIME = 7 * DAY
LINK_LIFETIME = 10 * MINUTE
TOUCH_EVERY = MINUTE
"""How stale `seen_at` may be, so that reading pages does not write at every step."""

LEAST_PASSWORD, MOST_PASSWORD = 10, 128

FREE_FAILURES = 10
_FIRST_LOCK, _LONGEST_LOCK = 30 * SECOND, 15 * MINUTE


def may(role: str, permission: str) -> bool:
    """Whether a role holds a permission."""
    return role in PERMISSIONS.get(permission, frozenset())


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


def checked_role(role: str) -> str:
    """A role that exists. Raises Invalid for `role`."""
    if role not in ROLES:
        raise Invalid.of("role", "Choose one of the values on offer.")
    return role


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
