"""The accounts' rows."""

import msgspec

from kashop.lib.actor import Actor


class Staff(msgspec.Struct, frozen=True):
    """One member of the staff. `password_hash` is empty while only a log-in link lets them in."""

    staff_id: int
    email: str
    password_hash: str
    role: str
    is_disabled: int
    failed_logins: int
    locked_until: int
    created_at: int
    seen_at: int | None

    def __repr__(self) -> str:
        return f"<Staff {self.staff_id} {self.role}>"


class Session(msgspec.Struct, frozen=True):
    """One logged-in browser. `expires_at` is the latest end, whatever happens in between."""

    session_hash: bytes
    staff_id: int
    csrf_token: str
    created_at: int
    seen_at: int
    expires_at: int
    ip: str
    user_agent: str


class SessionRow(msgspec.Struct, frozen=True):
    """A session joined with its account, before it is known to be alive."""

    session_hash: bytes
    csrf_token: str
    seen_at: int
    stepped_up_at: int
    expires_at: int
    staff_id: int
    email: str
    role: str
    has_totp: int


class SignedIn(msgspec.Struct, frozen=True):
    """A live session with the member of staff behind it, and what they may do, as of this very request."""

    session_hash: bytes
    csrf_token: str
    seen_at: int
    stepped_up_at: int
    staff_id: int
    email: str
    role: str
    permissions: frozenset[str] = frozenset()
    has_totp: bool = False
    """Whether a code of an app proves who they are; otherwise their password does."""
    role_name: str = ""
    """What the shop calls a role of its own; empty for a built-in one."""

    def may(self, permission: str) -> bool:
        """Whether they hold a permission."""
        return permission in self.permissions


class Browser(msgspec.Struct, frozen=True, kw_only=True):
    """Who knocks: address, the browser's name for itself, its old session, its proof of an earlier log-in."""

    ip: str
    user_agent: str = ""
    session: str = ""
    device: str = ""
    request_id: str = ""


class OwnRoleRow(msgspec.Struct, frozen=True):
    """A role of the shop's own, as stored."""

    role: str
    role_id: int
    name: str
    permissions: str
    version: int


class OwnRole(msgspec.Struct, frozen=True):
    """A role of the shop's own. `role` is its key, `name` what people call it."""

    role: str
    role_id: int
    name: str
    permissions: frozenset[str]
    version: int


class Invitation(msgspec.Struct, frozen=True):
    """A place held for somebody. `staff_id` is set when they are here already and shall set a new password."""

    invitation_id: int
    email: str
    role: str
    staff_id: int | None
    link_hash: bytes
    inviter_kind: str
    inviter_ref: str
    created_at: int
    expires_at: int

    @property
    def inviter(self) -> Actor:
        """Who vouches for the invitee."""
        return Actor(self.inviter_kind, self.inviter_ref)

    def __repr__(self) -> str:
        return f"<Invitation {self.invitation_id} {self.role}>"
