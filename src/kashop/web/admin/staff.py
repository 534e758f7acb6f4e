"""Staff: who is here and who is invited. Nobody chooses another's password: people come in by a link that works once."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.accounts import reads
from kashop.accounts.invitations import reads as pending
from kashop.accounts.invitations import writes
from kashop.accounts.types import Invitation, Staff
from kashop.db import Reader
from kashop.flows import invitations, login
from kashop.flows.invitations import Invited
from kashop.lib.errors import Denied, Invalid
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.admin.roles import given_by, role_labels
from kashop.web.forms import read_form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, browser_of, cookies_for, shop_of, signed_in

MOST_PASSWORD = 256


@get("/admin/staff", guards=[Needs("staff.edit")])
async def staff_list(request: AnyRequest) -> Response[bytes]:
    """Everybody, and who is invited."""
    return await show_staff(request)


@get("/admin/staff/invite", guards=[Needs("staff.edit", step_up=True)])
async def invite_page(request: AnyRequest) -> Response[bytes]:
    """Whom to invite, and as what."""
    return await _form(request)


@post("/admin/staff/invite", guards=[Needs("staff.edit", step_up=True)])
async def invite(request: AnyRequest) -> Response[bytes]:
    """Invite somebody; the link is shown once."""
    shop, form = shop_of(request), form_of(request)
    try:
        email, role = form.text("email", most=254, least=1), form.text("role", most=60, least=1)
        form.done()
        invited = await invitations.invite(shop, email, role, actor_of(request))
    except Invalid as refused:
        return await _form(request, again(request, form, refused), 422)
    except Denied as refused:
        return await _form(request, refused_as(request, form, refused), refused.status)
    return await show_staff(request, invited=invited)


@post("/admin/staff/invitations/{invitation:str}/renew", guards=[Needs("staff.edit", step_up=True)])
async def renew(request: AnyRequest, invitation: FromPath[str]) -> Response[bytes]:
    """Two more days and another link, shown once; the old one opens nothing any more."""
    invited = await invitations.renew(shop_of(request), row_id(invitation), actor_of(request))
    return await show_staff(request, invited=invited)


@post("/admin/staff/invitations/{invitation:str}/withdraw", guards=[Needs("staff.edit", step_up=True)])
async def withdraw(request: AnyRequest, invitation: FromPath[str]) -> Redirect:
    """End an invitation before it is used."""
    await shop_of(request).db.write(writes.withdraw, row_id(invitation), actor_of(request))
    return see("/admin/staff", "withdrawn")


async def show_staff(request: AnyRequest, *, invited: Invited | None = None) -> Response[bytes]:
    """The list, and a fresh link above it."""
    shop = shop_of(request)
    everyone, invited_ones, labels = await shop.db.read(_listed)
    return answer(
        request, "staff.html", everyone=everyone, invitations=invited_ones, labels=labels, invited=invited, now=shop.clock.now()
    )


def _listed(db: Reader) -> tuple[list[Staff], list[Invitation], dict[str, str]]:
    return reads.everyone(db), pending.pending(db), role_labels(db)


async def _form(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    roles = await shop.db.read(given_by, signed_in(request).permissions)
    return answer(
        request, "invite.html", status=status, form=form or Shown(), roles=roles, labels=await shop.db.read(role_labels)
    )


@get("/admin/login/invitation")
async def invitation_page(request: AnyRequest) -> Response[bytes]:
    """What a new colleague sees first; opening it, or a mail scanner's look at it, spends nothing."""
    return await _welcome(request, request.query_params.get("token", "")[:100])


@post("/admin/login/invitation")
async def accept(request: AnyRequest) -> Response[bytes] | Redirect:
    """Set one's own password. Somebody new is then logged in; somebody who was here logs in with it."""
    form, shop, browser = await read_form(request), shop_of(request), browser_of(request)
    token = form.secret("token", most=100)
    try:
        password = form.secret("password", most=MOST_PASSWORD)
        if password != form.secret("repeated", most=MOST_PASSWORD):
            form.complain("repeated", "The two do not match.")
        form.done()
        accepted = await invitations.accept(shop, token, password, browser)
    except Invalid as refused:
        return await _welcome(request, token, again(request, form, refused), 422)
    if accepted.staff_id is not None:
        return see("/admin/login", "password_set")
    opened = await login.log_in(shop, accepted.email, password, browser)
    if isinstance(opened, login.HalfWay):
        return see("/admin/login", "password_set")
    response = see("/admin")
    for cookie in cookies_for(shop, opened):
        response.set_cookie(cookie)
    return response


async def _welcome(request: AnyRequest, token: str, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    invitation = await invitations.find(shop, token, browser_of(request))
    labels = await shop.db.read(role_labels)
    return answer(
        request, "invitation.html", status=status, form=form or Shown(), token=token, invitation=invitation, labels=labels
    )


route_handlers = [staff_list, invite_page, invite, renew, withdraw, invitation_page, accept]
