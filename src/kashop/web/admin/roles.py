"""Roles: what each may do, and the shop's own ones. A change holds from the next request of whoever has the role."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.accounts.roles import reads, writes
from kashop.accounts.rules import EVERYBODY, PERMISSIONS, ROLES, completed, permissions_of
from kashop.accounts.types import OwnRole
from kashop.db import Reader
from kashop.lib.errors import Conflict, Denied, Invalid
from kashop.web.admin.difference import Difference, compared
from kashop.web.admin.page import Shown, again, answer, refused_as, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of, signed_in


@get("/admin/roles", guards=[Needs("staff.edit")])
async def role_list(request: AnyRequest) -> Response[bytes]:
    """Every role and what it may do."""
    return await _list(request)


@get("/admin/roles/new", guards=[Needs("staff.edit", step_up=True)])
async def new_role(request: AnyRequest) -> Response[bytes]:
    """An empty form."""
    return _page(request, None)


@post("/admin/roles/new", guards=[Needs("staff.edit", step_up=True)])
async def add_role(request: AnyRequest) -> Response[bytes] | Redirect:
    """Make a role."""
    return await _save(request, None)


@get("/admin/roles/{role:str}", guards=[Needs("staff.edit", step_up=True)])
async def role_page(request: AnyRequest, role: FromPath[str]) -> Response[bytes]:
    """One of the shop's own roles in its form."""
    return _page(request, await shop_of(request).db.read(reads.get, role))


@post("/admin/roles/{role:str}", guards=[Needs("staff.edit", step_up=True)])
async def edit_role(request: AnyRequest, role: FromPath[str]) -> Response[bytes] | Redirect:
    """Change one of the shop's own roles."""
    return await _save(request, await shop_of(request).db.read(reads.get, role))


@post("/admin/roles/{role:str}/delete", guards=[Needs("staff.edit", step_up=True)])
async def delete_role(request: AnyRequest, role: FromPath[str]) -> Response[bytes] | Redirect:
    """Take a role away that nobody has."""
    try:
        await shop_of(request).db.write(writes.remove, role, actor_of(request))
    except (Conflict, Denied) as refused:
        return await _list(request, refused_as(request, form_of(request), refused), refused.status)
    return see("/admin/roles", "deleted")


def role_labels(db: Reader) -> dict[str, str]:
    """What the shop calls its own roles, by key; built-in ones have their words."""
    return {each.role: each.name for each in reads.own(db)}


def given_by(db: Reader, mine: frozenset[str]) -> list[str]:
    """The roles that somebody may give who holds these rights: those that can do nothing that he cannot."""
    own = {each.role: each.permissions for each in reads.own(db)}
    every = {**{role: permissions_of(role) for role in reversed(ROLES)}, **own}
    return [role for role, held in every.items() if held <= mine]


async def _save(request: AnyRequest, role: OwnRole | None) -> Response[bytes] | Redirect:
    shop, form = shop_of(request), form_of(request)
    try:
        name, wanted = form.text("name", most=40, least=1), frozenset(form.many("permissions"))
        version = form.integer("version", least=0, most=10**9, default=0)
        form.done()
        if role is None:
            await shop.db.write(writes.add, name, wanted, actor_of(request))
        else:
            await shop.db.write(writes.change, role.role, name, wanted, version=version, actor=actor_of(request))
    except Invalid as refused:
        return _page(request, role, again(request, form, refused), 422)
    except Conflict as refused:
        now = await shop.db.read(reads.get, role.role) if role else None
        return _page(request, now, refused_as(request, form, refused), refused.status, is_stale=True)
    except Denied as refused:
        return _page(request, role, refused_as(request, form, refused), refused.status)
    return see("/admin/roles", "saved" if role else "added")


async def _list(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    own, heads = await shop_of(request).db.read(_listed)
    columns = [(role, "", permissions_of(role)) for role in ROLES] + [(each.role, each.name, each.permissions) for each in own]
    return answer(
        request,
        "roles.html",
        status=status,
        form=form or Shown(),
        columns=columns,
        own=own,
        heads=heads,
        permissions=list(PERMISSIONS),
    )


def _listed(db: Reader) -> tuple[list[OwnRole], dict[str, int]]:
    return reads.own(db), reads.head_counts(db)


def _page(
    request: AnyRequest, role: OwnRole | None, form: Shown | None = None, status: int = 200, *, is_stale: bool = False
) -> Response[bytes]:
    shown = form or Shown()
    ticked = frozenset(shown.typed.many("permissions")) if shown.typed is not None else role.permissions if role else frozenset()
    return answer(
        request,
        "role.html",
        status=status,
        form=shown,
        role=role,
        ticked=ticked,
        areas=_areas(),
        mine=signed_in(request).permissions,
        difference=_difference(role, shown.value("name"), ticked) if is_stale and role else [],
        version=role.version if is_stale and role else shown.value("version", role.version if role else 0),
    )


def _areas() -> dict[str, list[str]]:
    """The permissions to choose from by the part of the panel that they open; what everybody may do is no choice."""
    found: dict[str, list[str]] = {}
    for name in PERMISSIONS:
        if name not in EVERYBODY:
            found.setdefault(name.partition(".")[0], []).append(name)
    return found


def _difference(role: OwnRole, name: str, ticked: frozenset[str]) -> list[Difference]:
    """What was typed against what stands now."""
    ticked = completed(ticked & PERMISSIONS.keys())
    rows = compared({"Name": name}, {"Name": role.name})
    for each in PERMISSIONS:
        if (each in ticked) != (each in role.permissions):
            rows.append(Difference(each, each in ticked, each in role.permissions, kind="permission"))
    return rows


route_handlers = [role_list, new_role, add_role, role_page, edit_role, delete_role]
