"""One member of the staff: role, sessions, second factor, what happened lately, and the way out."""

from functools import partial
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.accounts import reads, writes
from kashop.accounts.factors import reads as factors
from kashop.accounts.rules import PERMISSIONS
from kashop.accounts.types import Session, Staff
from kashop.audit import reads as audit
from kashop.audit.types import Told
from kashop.db import Reader
from kashop.flows import invitations
from kashop.lib.errors import Conflict, Denied, Invalid, NotFound, Refusal
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.admin.roles import given_by, role_labels
from kashop.web.admin.staff import show_staff
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of, signed_in

HISTORY = 20


class Dossier(msgspec.Struct, frozen=True):
    """All that the page shows of somebody."""

    staff: Staff
    sessions: list[Session]
    history: list[Told]
    emails: dict[str, str]
    labels: dict[str, str]
    permissions: frozenset[str]
    roles: list[str]
    is_within_reach: bool
    has_totp: bool
    recovery_codes: int


@get("/admin/staff/{staff:str}", guards=[Needs("staff.edit", step_up=True)])
async def member_page(request: AnyRequest, staff: FromPath[str]) -> Response[bytes]:
    """One member of the staff."""
    return await _page(request, row_id(staff))


@post("/admin/staff/{staff:str}/role", guards=[Needs("staff.edit", step_up=True)])
async def change_role(request: AnyRequest, staff: FromPath[str]) -> Response[bytes] | Redirect:
    """Give another role; it holds at once."""
    form, staff_id = form_of(request), row_id(staff)
    try:
        role = form.text("role", most=60, least=1)
        form.done()
        await shop_of(request).db.write(writes.change_role, staff_id, role, actor_of(request))
    except Invalid as refused:
        return await _page(request, staff_id, again(request, form, refused), 422)
    except (Conflict, Denied) as refused:
        return await _refused(request, staff_id, refused)
    return see("/admin/staff" if staff_id == signed_in(request).staff_id else f"/admin/staff/{staff_id}", "saved")


@post("/admin/staff/{staff:str}/disable", guards=[Needs("staff.edit", step_up=True)])
async def disable(request: AnyRequest, staff: FromPath[str]) -> Response[bytes] | Redirect:
    """Let somebody in no more; their sessions end."""
    return await _change(request, staff, writes.disable, "disabled")


@post("/admin/staff/{staff:str}/enable", guards=[Needs("staff.edit", step_up=True)])
async def enable(request: AnyRequest, staff: FromPath[str]) -> Response[bytes] | Redirect:
    """Let somebody in again."""
    return await _change(request, staff, writes.enable, "enabled")


@post("/admin/staff/{staff:str}/delete", guards=[Needs("staff.edit", step_up=True)])
async def delete(request: AnyRequest, staff: FromPath[str]) -> Response[bytes] | Redirect:
    """Take somebody off the list who never did anything."""
    return await _change(request, staff, writes.remove, "deleted", back="/admin/staff")


@post("/admin/staff/{staff:str}/invite", guards=[Needs("staff.edit", step_up=True)])
async def invite_again(request: AnyRequest, staff: FromPath[str]) -> Response[bytes]:
    """A link, shown once, by which somebody who is locked out sets a new password."""
    staff_id = row_id(staff)
    try:
        invited = await invitations.invite_again(shop_of(request), staff_id, actor_of(request))
    except (Conflict, Denied) as refused:
        return await _refused(request, staff_id, refused)
    return await show_staff(request, invited=invited)


@post("/admin/staff/{staff:str}/sessions/end", guards=[Needs("staff.edit", step_up=True)])
async def end_sessions(request: AnyRequest, staff: FromPath[str]) -> Response[bytes] | Redirect:
    """Log somebody out everywhere, oneself everywhere else."""
    change = partial(writes.log_out, keep=signed_in(request).session_hash)
    return await _change(request, staff, change, "all_ended")


@post("/admin/staff/{staff:str}/sessions/{session:str}/end", guards=[Needs("staff.edit", step_up=True)])
async def end_session(request: AnyRequest, staff: FromPath[str], session: FromPath[str]) -> Response[bytes] | Redirect:
    """Log one of somebody's browsers out."""
    staff_id = row_id(staff)
    try:
        ended = await shop_of(request).db.write(writes.log_out, staff_id, actor_of(request), session=session or "-")
    except Denied as refused:
        return await _refused(request, staff_id, refused)
    if not ended:
        raise NotFound("There is no such session.")
    return see(f"/admin/staff/{staff_id}", "ended")


async def _change(request: AnyRequest, staff: str, change: Any, said: str, *, back: str = "") -> Response[bytes] | Redirect:
    staff_id = row_id(staff)
    try:
        await shop_of(request).db.write(change, staff_id, actor_of(request))
    except (Conflict, Denied) as refused:
        return await _refused(request, staff_id, refused)
    return see(back or f"/admin/staff/{staff_id}", said)


async def _refused(request: AnyRequest, staff_id: int, refused: Refusal) -> Response[bytes]:
    return await _page(request, staff_id, refused_as(request, form_of(request), refused), refused.status)


async def _page(request: AnyRequest, staff_id: int, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    me = signed_in(request)
    dossier = await shop_of(request).db.read(_dossier, staff_id, me.permissions)
    return answer(
        request,
        "member.html",
        status=status,
        form=form or Shown(),
        about=dossier,
        sessions=[(s.session_hash.hex()[:16], s, s.session_hash == me.session_hash) for s in dossier.sessions],
        happened=[(told, dossier.emails.get(told.actor_ref, ""), _facts(told)) for told in dossier.history],
        permission_names=list(PERMISSIONS),
        is_me=staff_id == me.staff_id,
    )


def _dossier(db: Reader, staff_id: int, mine: frozenset[str]) -> Dossier:
    staff = reads.get(db, staff_id)
    permissions, given = reads.permissions(db, staff.role), given_by(db, mine)
    return Dossier(
        staff=staff,
        sessions=reads.sessions_of(db, staff_id),
        history=audit.latest(db, "staff", staff_id, limit=HISTORY),
        emails={str(s.staff_id): s.email for s in reads.everyone(db)},
        labels=role_labels(db),
        permissions=permissions,
        roles=[role for role in given_by(db, frozenset(PERMISSIONS)) if role == staff.role or role in given],
        is_within_reach=permissions <= mine,
        has_totp=factors.find_seed(db, staff_id) is not None,
        recovery_codes=factors.count_recovery_codes(db, staff_id),
    )


def _facts(told: Told) -> dict[str, Any]:
    """What an event about somebody says beside its name: roles, rights gained and lost, and from where."""
    known = msgspec.json.decode(told.payload, type=dict[str, Any])
    personal = msgspec.json.decode(told.personal, type=dict[str, str]) if told.personal else {}
    shown = {name: known[name] for name in ("was", "role", "gained", "lost", "failures") if known.get(name)}
    return {**shown, **({"ip": personal["ip"]} if personal.get("ip") else {})}


route_handlers = [member_page, change_role, disable, enable, delete, invite_again, end_sessions, end_session]
