"""Looks at the roles and at what somebody may give."""

import msgspec

from kashop.accounts import reads
from kashop.accounts.rules import PERMISSIONS, ROLES
from kashop.accounts.types import OwnRole, OwnRoleRow
from kashop.db import Reader
from kashop.lib.actor import Actor
from kashop.lib.errors import Denied, Invalid, NotFound


def own(db: Reader) -> list[OwnRole]:
    """The shop's own roles, by name."""
    sql = "SELECT role, role_id, name, permissions, version FROM roles ORDER BY name, role LIMIT 200"
    return [_made(row) for row in db.all(sql, OwnRoleRow)]


def get(db: Reader, role: str) -> OwnRole:
    """One of the shop's own roles. Raises NotFound, for a built-in one too."""
    sql = "SELECT role, role_id, name, permissions, version FROM roles WHERE role = :role"
    row = db.one(sql, OwnRoleRow, role=role)
    if row is None:
        raise NotFound("There is no such role.")
    return _made(row)


def checked(db: Reader, role: str) -> str:
    """A role that there is, built in or the shop's own. Raises Invalid for `role`."""
    known = role in ROLES or db.value("SELECT role_id FROM roles WHERE role = :role", role=role) is not None
    if not known:
        raise Invalid.of("role", "Choose one of the values on offer.")
    return role


def named(db: Reader, text: str) -> str:
    """The role that somebody means who writes its key or its name. Raises Invalid for `role`."""
    by_name = {each.name.casefold(): each.role for each in own(db)}
    return checked(db, by_name.get(text.strip().casefold(), text.strip()))


def head_counts(db: Reader) -> dict[str, int]:
    """How many people have each role, disabled ones too."""
    found: dict[str, int] = {}
    for role in db.values("SELECT role FROM staff"):
        found[role] = found.get(role, 0) + 1
    return found


def reach(db: Reader, actor: Actor) -> frozenset[str]:
    """What somebody may give and take: what they hold at this moment. Whoever runs the server's commands holds everything."""
    if actor.kind in ("cli", "system"):
        return frozenset(PERMISSIONS)
    if actor.kind != "staff" or not actor.ref.isdigit():
        return frozenset()
    staff = reads.find(db, int(actor.ref))
    return frozenset() if staff is None or staff.is_disabled else reads.permissions(db, staff.role)


def check_reach(db: Reader, actor: Actor, *roles: str) -> None:
    """Raises Denied when one of the roles may do something that the actor may not."""
    check_rights(db, actor, frozenset().union(*(reads.permissions(db, role) for role in roles)))


def check_rights(db: Reader, actor: Actor, rights: frozenset[str]) -> None:
    """Raises Denied when the actor lacks one of the rights himself."""
    if rights - reach(db, actor):
        raise Denied("This touches rights that you do not hold yourself.", code="beyond_rights")


def _made(row: OwnRoleRow) -> OwnRole:
    held = frozenset(msgspec.json.decode(row.permissions, type=list[str])) & PERMISSIONS.keys()
    return OwnRole(row.role, row.role_id, row.name, held, row.version)
