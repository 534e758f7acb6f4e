"""Which code is right, what a recovery code looks like, how long things live (RFC 6238, RFC 4226)."""

import hmac
import re
import secrets
import unicodedata

import pyotp

from kashop.lib.clock import DAY, HOUR, MINUTE, SECOND

STEP = 30 * SECOND
DIGITS = 6
WINDOW = 1
"""Steps that a phone's clock may be off, either way (RFC 6238, 5.2)."""

PENDING = 5 * MINUTE
RESET = 30 * MINUTE
KNOWN_PLACE = 30 * DAY
KEEP_ALERTS = 90 * DAY

RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstvwxyz0123456789"
"""32 of them, five bits each: no i, l, o and u, which are read as 1, 1, 0 and v."""
_HALF = 5

MOST_FAILURES = 10
_FIRST_LOCK, _LONGEST_LOCK = 15 * MINUTE, 24 * HOUR


def new_seed() -> str:
    """A fresh seed of 160 bits, in base 32 (RFC 4226, 4)."""
    return pyotp.random_base32()


def provisioning_uri(seed: str, *, email: str, shop_name: str) -> str:
    """What the QR code says, so that an app knows the account."""
    return pyotp.TOTP(seed).provisioning_uri(name=email, issuer_name=shop_name.replace(":", " "))


def matching_step(seed: str, code: str, now: int) -> int | None:
    """The latest step within the window whose code this is, or None. Whether it was used before is not asked here."""
    otp, present = pyotp.TOTP(seed, digits=DIGITS), now // STEP
    steps = range(present - WINDOW, present + WINDOW + 1)
    right = [step for step in steps if hmac.compare_digest(otp.generate_otp(step), code)]
    return max(right, default=None)


def normal_code(text: str) -> str:
    """A code as it is compared: whatever stands between its characters dropped, however it was written."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def is_totp(code: str) -> bool:
    """Whether a normal code is one of an app and not a recovery code."""
    return bool(re.fullmatch(r"[0-9]{6}", code, re.ASCII))


def normal_recovery(code: str) -> str:
    """A recovery code as it is hashed: look-alikes made one."""
    return code.translate(str.maketrans("ilou", "110v"))


def new_recovery_codes() -> list[str]:
    """Ten codes of 50 random bits each, `xxxxx-xxxxx`."""
    return [f"{_half()}-{_half()}" for _ in range(RECOVERY_CODES)]


def lock_after(failures: int, now: int) -> int:
    """Until when no code is taken after so many wrong ones in a row: 15 minutes, doubling up to a day."""
    over = failures - MOST_FAILURES
    return 0 if over < 0 else now + min(_FIRST_LOCK << min(over, 10), _LONGEST_LOCK)


def must_enrol(required_of: str, role: str, *, has_totp: bool) -> bool:
    """Whether somebody may do nothing before they enrol; `required_of` is the setting: off, owners or all."""
    return not has_totp and (required_of == "all" or (required_of == "owners" and role == "owner"))


def _half() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_HALF))
