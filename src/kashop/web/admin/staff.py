"""Staff: who may come in and as what. Nobody chooses another's password: a new or locked-out one gets a one-time link."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.accounts import reads, writes
from kashop.accounts.rules import PERMISSIONS, ROLES
from kashop.flows import login
from kashop.lib.errors import Conflict, Invalid
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of


@get("/admin/staff", guards=[Needs("staff.edit")])
async def staff_list(request: AnyRequest) -> Response[bytes]:
    """Everybody, and what each role may do."""
    return await _page(request)


@post("/admin/staff", guards=[Needs("staff.edit", step_up=True)])
async def add_staff(request: AnyRequest) -> Response[bytes]:
    """Let somebody new in; the link to pass on is shown once."""
    shop, form = shop_of(request), form_of(request)
    try:
        email, role = form.text("email", most=254, least=1), form.choice("role", ROLES)
        form.done()
        staff_id = await shop.db.write(writes.add_staff, email, role, "", actor_of(request))
    except Invalid as refused:
        return await _page(request, again(request, form, refused), 422)
    link = await login.make_login_link(shop, staff_id, actor_of(request))
    return await _page(request, link=link, link_for=email)


@post("/admin/staff/{staff:str}/role", guards=[Needs("staff.edit", step_up=True)])
async def change_role(request: AnyRequest, staff: FromPath[str]) -> Response[bytes] | Redirect:
    """Give another role; it holds at once."""
    form = form_of(request)
    try:
        role = form.choice("role", ROLES)
        form.done()
        await shop_of(request).db.write(writes.change_role, row_id(staff), role, actor_of(request))
    except Invalid as refused:
        return await _page(request, again(request, form, refused), 422)
    except Conflict as refused:
        return await _page(request, refused_as(request, form, refused), refused.status)
    return see("/admin/staff", "saved")


@post("/admin/staff/{staff:str}/disable", guards=[Needs("staff.edit", step_up=True)])
async def disable(request: AnyRequest, staff: FromPath[str]) -> Response[bytes] | Redirect:
    """Let somebody in no more; their sessions end."""
    try:
        await shop_of(request).db.write(writes.disable, row_id(staff), actor_of(request))
    except Conflict as refused:
        return await _page(request, refused_as(request, form_of(request), refused), refused.status)
    return see("/admin/staff", "disabled")


@post("/admin/staff/{staff:str}/enable", guards=[Needs("staff.edit", step_up=True)])
async def enable(request: AnyRequest, staff: FromPath[str]) -> Redirect:
    """Let somebody in again."""
    await shop_of(request).db.write(writes.enable, row_id(staff), actor_of(request))
    return see("/admin/staff", "enabled")


@post("/admin/staff/{staff:str}/link", guards=[Needs("staff.edit", step_up=True)])
async def make_link(request: AnyRequest, staff: FromPath[str]) -> Response[bytes]:
    """A one-time link for somebody who cannot log in, shown once."""
    shop = shop_of(request)
    somebody = await shop.db.read(reads.get, row_id(staff))
    if somebody.is_disabled:
        raise Conflict("This account is disabled.")
    link = await login.make_login_link(shop, somebody.staff_id, actor_of(request))
    return await _page(request, link=link, link_for=somebody.email)


async def _page(
    request: AnyRequest, form: Shown | None = None, status: int = 200, *, link: str = "", link_for: str = ""
) -> Response[bytes]:
    return answer(
        request,
        "staff.html",
        status=status,
        form=form or Shown(),
        everyone=await shop_of(request).db.read(reads.everyone),
        roles=ROLES,
        permissions=PERMISSIONS,
        link=link,
        link_for=link_for,
    )


route_handlers = [staff_list, add_staff, change_role, disable, enable, make_link]
