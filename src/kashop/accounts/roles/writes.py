"""Changes of the shop's own roles. Each writes the exact difference of rights; it holds from the next request on."""

import msgspec

from kashop.accounts import rules
from kashop.accounts.roles import reads
from kashop.audit import writes as audit
from kashop.db import Tx
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid


def add(tx: Tx, name: str, permissions: frozenset[str], actor: Actor) -> str:
    """Make a role; its key. Raises Invalid by field, Denied for rights that the actor lacks."""
    name, held = rules.checked_role_name(name), rules.completed(permissions)
    reads.check_rights(tx, actor, held)
    _check_name(tx, name)
    role_id = ids.snowflakes.take()[0]
    role = f"own-{role_id}"
    sql = """INSERT INTO roles (role, role_id, name, permissions, created_at, updated_at)
             VALUES (:role, :role_id, :name, :permissions, :now, :now)"""
    tx.run(sql, role=role, role_id=role_id, name=name, permissions=_stored(held), now=tx.now)
    audit.record(tx, "role.added", actor, ("role", role_id), role=role, name=name, gained=sorted(held))
    return role


def change(tx: Tx, role: str, name: str, permissions: frozenset[str], *, version: int, actor: Actor) -> None:
    """Change a role that is still as its editor saw it (`version`). Raises Conflict, Invalid, Denied, NotFound."""
    before, name, held = reads.get(tx, role), rules.checked_role_name(name), rules.completed(permissions)
    reads.check_rights(tx, actor, held | before.permissions)
    _check_name(tx, name, besides=role)
    sql = """UPDATE roles SET name = :name, permissions = :permissions, updated_at = :now, version = version + 1
             WHERE role = :role AND version = :version"""
    if not tx.run(sql, name=name, permissions=_stored(held), now=tx.now, role=role, version=version):
        raise Conflict("Someone else changed this role meanwhile.", code="changed_meanwhile")
    audit.record(
        tx,
        "role.changed",
        actor,
        ("role", before.role_id),
        role=role,
        name={"before": before.name, "after": name} if name != before.name else name,
        gained=sorted(held - before.permissions),
        lost=sorted(before.permissions - held),
    )


def remove(tx: Tx, role: str, actor: Actor) -> None:
    """Take a role away that nobody has and nobody is invited to. Raises Conflict, Denied, NotFound."""
    gone = reads.get(tx, role)
    reads.check_rights(tx, actor, gone.permissions)
    people = tx.value("SELECT count(*) FROM staff WHERE role = :role", role=role)
    invited = tx.value("SELECT count(*) FROM invitations WHERE role = :role AND ended_at IS NULL", role=role)
    if people or invited:
        raise Conflict(
            "This role is in use: {people} people have it, {invited} are invited to it. Give them another role first.",
            code="in_use",
            people=people,
            invited=invited,
        )
    tx.run("DELETE FROM roles WHERE role = :role", role=role)
    audit.record(tx, "role.removed", actor, ("role", gone.role_id), role=role, name=gone.name, lost=sorted(gone.permissions))


def _check_name(tx: Tx, name: str, *, besides: str = "") -> None:
    others = {each.name.casefold() for each in reads.own(tx) if each.role != besides}
    if name.casefold() in others | set(rules.ROLES):
        raise Invalid.of("name", "This is already in use.")


def _stored(permissions: frozenset[str]) -> str:
    return msgspec.json.encode(sorted(permissions)).decode()
