"""账户: the staff, what each role may do, and who is logged in.

Always true: a password is kept as argon2id, a session and a log-in link only as a hash; a session dies with a
new log-in of the same browser, a changed password or a disabled account; at least one owner can log in.
"""

from kashop.accounts.rules import PERMISSIONS, ROLES
from kashop.accounts.types import Session, SignedIn, Staff

__all__ = ["PERMISSIONS", "ROLES", "Session", "SignedIn", "Staff"]
