"""Roles of the shop's own: what they may, that nobody gives what he lacks, and that a change holds on the very next request."""

import msgspec
import pytest

from kashop.accounts import reads, rules, writes
from kashop.accounts.invitations import writes as invitations
from kashop.accounts.roles import reads as roles
from kashop.accounts.roles import writes as role_writes
from kashop.audit import reads as audit
from kashop.lib import ids
from kashop.lib.actor import CLI, Actor
from kashop.lib.errors import Conflict, Denied, Invalid, NotFound
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import SUPPORT, Desk, add_role, add_staff


async def events(shop: Shop, name: str) -> list[dict[str, object]]:
    return [msgspec.json.decode(e.payload) for e in await shop.db.read(audit.page, 0) if e.name == name]


async def deputy(shop: Shop, *permissions: str) -> tuple[int, Actor]:
    """Somebody with a role of the shop's own, and how events name them."""
    staff_id = await add_staff(shop, "deputy@example.com", await add_role(shop, "Deputy", "staff.edit", *permissions))
    return staff_id, Actor("staff", str(staff_id))


async def test_a_role_holds_what_was_chosen_and_what_that_is_no_use_without(shop: Shop) -> None:
    role = await add_role(shop, "Night shift", "orders.note", "codes.void")
    held = await shop.db.read(reads.permissions, role)
    assert held == {"orders.note", "orders.view", "codes.void", "codes.view", "dashboard.view", "self.edit"}
    assert await events(shop, "role.added") == [{"role": role, "name": "Night shift", "gained": sorted(held)}]


async def test_the_events_name_the_exact_difference(shop: Shop) -> None:
    role = await add_role(shop, "Night shift", "orders.note", "codes.void")
    await shop.db.write(role_writes.change, role, "Late shift", frozenset({"orders.note", "jobs.view"}), version=1, actor=CLI)
    staff_id = await add_staff(shop, SUPPORT, "auditor")
    await shop.db.write(writes.change_role, staff_id, role, CLI)
    assert await events(shop, "role.changed") == [
        {
            "role": role,
            "name": {"before": "Night shift", "after": "Late shift"},
            "gained": ["jobs.view"],
            "lost": ["codes.view", "codes.void"],
        }
    ]
    (changed,) = await events(shop, "staff.role_changed")
    assert (changed["was"], changed["role"]) == ("auditor", role)
    assert changed["gained"] == ["orders.note"]
    before, after = rules.permissions_of("auditor"), await shop.db.read(reads.permissions, role)
    assert set(changed["lost"]) == before - after  # type: ignore[call-overload]


async def test_the_built_in_roles_cannot_be_touched(shop: Shop) -> None:
    for role in rules.ROLES:
        with pytest.raises(NotFound):
            await shop.db.write(role_writes.change, role, "Mine", frozenset({"orders.view"}), version=1, actor=CLI)
        with pytest.raises(NotFound):
            await shop.db.write(role_writes.remove, role, CLI)
        with pytest.raises(Invalid):  # nor imitated
            await add_role(shop, role.upper(), "orders.view")


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "a\nb", "a\u202eb", "\x00"])
async def test_a_name_is_a_name(shop: Shop, name: str) -> None:
    with pytest.raises(Invalid):
        await add_role(shop, name, "orders.view")


async def test_names_differ_and_permissions_exist(shop: Shop) -> None:
    await add_role(shop, "夜班", "orders.view")
    with pytest.raises(Invalid):
        await add_role(shop, " 夜班 ", "orders.view")
    with pytest.raises(Invalid):
        await add_role(shop, "Other", "orders.everything")


async def test_f08_a_role_in_use_stays_and_says_by_how_many(shop: Shop) -> None:
    role = await add_role(shop, "Night shift", "orders.note")
    staff_id = await add_staff(shop, SUPPORT, role)
    await shop.db.write(invitations.invite, "b@example.com", role, ids.digest("x"), CLI)
    with pytest.raises(Conflict, match="1 people have it, 1 are invited"):
        await shop.db.write(role_writes.remove, role, CLI)
    await shop.db.write(writes.change_role, staff_id, "support", CLI)
    with pytest.raises(Conflict, match="0 people have it, 1 are invited"):
        await shop.db.write(role_writes.remove, role, CLI)
    pending = await shop.db.read(invitations.invitations.pending)
    await shop.db.write(invitations.withdraw, pending[0].invitation_id, CLI)
    await shop.db.write(role_writes.remove, role, CLI)
    assert (await events(shop, "role.removed"))[0]["lost"] == ["dashboard.view", "orders.note", "orders.view", "self.edit"]
    assert await shop.db.read(reads.permissions, role) == frozenset()  # were anybody left with it, he could do nothing


async def test_nobody_gives_or_takes_rights_that_he_does_not_hold(shop: Shop) -> None:
    me, by = await deputy(shop, "orders.view")
    small, large = await add_role(shop, "Small", "orders.view"), await add_role(shop, "Large", "orders.view", "codes.reveal")
    other = await add_staff(shop, SUPPORT, small)
    strong = await add_staff(shop, "strong@example.com", large)
    mine = (await shop.db.read(reads.get, me)).role
    beyond = [
        (writes.change_role, (other, large, by)),
        (writes.change_role, (other, "owner", by)),
        (writes.change_role, (strong, small, by)),  # nor takes from who has more
        (writes.change_role, (1, small, by)),
        (writes.change_role, (me, "owner", by)),
        (writes.disable, (1, by)),
        (writes.disable, (strong, by)),
        (writes.enable, (strong, by)),
        (writes.remove, (strong, by)),
        (writes.log_out, (1, by)),
        (writes.add_staff, ("x@example.com", "manager", "", by)),
        (writes.add_login_link, (1, ids.digest("a"), by)),
        (invitations.invite, ("x@example.com", "owner", ids.digest("b"), by)),
        (invitations.invite_again, (1, ids.digest("c"), by)),  # a link for the owner would make one the owner
        (role_writes.add, ("Mine", frozenset({"codes.reveal"}), by)),
        (role_writes.remove, (large, by)),
    ]
    before = len(await shop.db.read(audit.page, 0))
    for change, args in beyond:
        with pytest.raises(Denied) as refused:
            await shop.db.write(change, *args)  # type: ignore[arg-type]
        assert refused.value.code == "beyond_rights", change
    for role, wanted in ((mine, {"staff.edit", "codes.reveal"}), (large, {"orders.view"}), (small, {"codes.reveal"})):
        with pytest.raises(Denied):
            await shop.db.write(role_writes.change, role, "New name", frozenset(wanted), version=1, actor=by)
    assert len(await shop.db.read(audit.page, 0)) == before
    await shop.db.write(writes.change_role, other, mine, by)  # what he holds, he may give
    await shop.db.write(writes.disable, other, by)


async def test_whoever_is_disabled_or_gone_reaches_nothing(shop: Shop) -> None:
    me, by = await deputy(shop)
    assert "staff.edit" in await shop.db.read(roles.reach, by)
    await shop.db.write(writes.disable, me, CLI)
    for actor in (by, Actor("staff", "99"), Actor("staff", "x"), Actor("anonymous"), Actor("buyer", "1"), Actor("gateway", "1")):
        assert await shop.db.read(roles.reach, actor) == frozenset()


async def test_b06_a_change_of_rights_holds_on_the_very_next_request(shop: Shop, app: Edge) -> None:
    role = await add_role(shop, "Night shift", "orders.view")
    staff_id = await add_staff(shop, SUPPORT, role)
    desk = Desk(app)
    await desk.log_in(SUPPORT)

    async def seen(path: str) -> int:
        return (await desk.get(path)).status_code

    assert (await seen("/admin/orders"), await seen("/admin/jobs")) == (200, 403)
    await shop.db.write(role_writes.change, role, "Night shift", frozenset({"jobs.view"}), version=1, actor=CLI)
    assert (await seen("/admin/orders"), await seen("/admin/jobs")) == (403, 200)
    await shop.db.write(writes.change_role, staff_id, "stock", CLI)
    assert (await seen("/admin/orders"), await seen("/admin/jobs")) == (200, 403)
    await shop.db.write(writes.log_out, staff_id, CLI)
    assert await seen("/admin/orders") == 303
    await desk.log_in(SUPPORT)
    await shop.db.write(writes.disable, staff_id, CLI)
    assert await seen("/admin/orders") == 303


async def test_the_last_owner_stays(shop: Shop) -> None:
    for change, more in ((writes.disable, ()), (writes.change_role, ("support",))):
        with pytest.raises(Conflict, match="At least one owner"):
            await shop.db.write(change, 1, *more, CLI)  # type: ignore[arg-type]
    second = await add_staff(shop, "second@example.com", "owner")
    await shop.db.write(writes.change_role, 1, "support", CLI)
    with pytest.raises(Conflict, match="At least one owner"):
        await shop.db.write(writes.remove, second, CLI)


async def test_f08_only_who_never_acted_can_be_taken_off_the_list(shop: Shop, app: Edge) -> None:
    idle, busy = await add_staff(shop, "idle@example.com", "support"), await add_staff(shop, SUPPORT, "support")
    await Desk(app).log_in(SUPPORT)
    with pytest.raises(Conflict, match="has 1 entries in the audit"):
        await shop.db.write(writes.remove, busy, CLI)
    await shop.db.write(writes.add_login_link, idle, ids.digest("a"), CLI)
    await shop.db.write(invitations.invite_again, idle, ids.digest("b"), CLI)
    await shop.db.write(writes.remove, idle, CLI)
    assert [s.staff_id for s in await shop.db.read(reads.everyone)] == [1, busy]
    assert (await events(shop, "staff.removed"))[0]["role"] == "support"
