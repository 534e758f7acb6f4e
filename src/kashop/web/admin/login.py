"""The way in and out: password, code, one-time link, log-out."""

from litestar import Response, get, post
from litestar.response import Redirect

from kashop.accounts import writes
from kashop.flows import login
from kashop.flows.factors import WrongCode
from kashop.lib.errors import Invalid, TooMany
from kashop.shop import Shop
from kashop.web.admin.page import Shown, again, answer, panel_path, refused_as, see
from kashop.web.forms import read_form
from kashop.web.guards import Needs
from kashop.web.sessions import (
    PENDING,
    AnyRequest,
    browser_of,
    cookies_for,
    find_signed_in,
    gone_cookie,
    pending_cookie,
    shop_of,
    signed_in,
)

MOST_PASSWORD = 256


@get("/admin/login")
async def login_page(request: AnyRequest) -> Response[bytes] | Redirect:
    """The form; who is logged in already needs none."""
    if await find_signed_in(request) is not None:
        return see("/admin")
    return answer(request, "login.html", next=panel_path(request.query_params.get("next", "")))


@post("/admin/login")
async def log_in(request: AnyRequest) -> Response[bytes] | Redirect:
    """Open a session, or say that the two do not fit."""
    form, shop = await read_form(request), shop_of(request)
    wanted = panel_path(form.raw("next"))
    try:
        email, password = form.text("email", most=254, least=1), form.secret("password", most=MOST_PASSWORD)
        if not password:
            form.complain("password", "Please fill in this field.")
        form.done()
        opened = await login.log_in(shop, email, password, browser_of(request))
    except Invalid as refused:
        return answer(request, "login.html", status=422, form=again(request, form, refused), next=wanted)
    except (login.WrongLogin, TooMany) as refused:
        shown = refused_as(request, form, refused)
        return answer(request, "login.html", status=refused.status, form=shown, next=wanted)
    return _go_on(shop, opened, wanted)


@get("/admin/login/code")
async def code_page(request: AnyRequest) -> Response[bytes] | Redirect:
    """The second question, while a log-in waits for it."""
    if not await login.is_half_way(shop_of(request), _pending(request)):
        return see("/admin/login")
    return _code_page(request, panel_path(request.query_params.get("next", "")))


@post("/admin/login/code")
async def give_code(request: AnyRequest) -> Response[bytes] | Redirect:
    """Open the session that waited for a code of the app, or a recovery code."""
    form, shop = await read_form(request), shop_of(request)
    wanted = panel_path(form.raw("next"))
    try:
        code = form.secret("proof", most=64)
        if not code:
            form.complain("proof", "Please fill in this field.")
        form.done()
        opened = await login.finish(shop, _pending(request), code, browser_of(request))
    except Invalid as refused:
        return _code_page(request, wanted, again(request, form, refused), 422)
    except (WrongCode, TooMany) as refused:
        return _code_page(request, wanted, refused_as(request, form, refused), refused.status)
    return _go_on(shop, opened, wanted)


@get("/admin/login/link")
async def link_page(request: AnyRequest) -> Response[bytes]:
    """A one-time link asks once more, so that opening it, or a mail scanner's look at it, spends nothing."""
    return answer(request, "link.html", token=request.query_params.get("token", "")[:100])


@post("/admin/login/link")
async def use_link(request: AnyRequest) -> Redirect:
    """Open a session by a one-time link."""
    form, shop = await read_form(request), shop_of(request)
    opened = await login.log_in_by_link(shop, form.secret("token", most=100), browser_of(request))
    return _go_on(shop, opened, "/admin")


@post("/admin/logout", guards=[Needs("self.edit")])
async def log_out(request: AnyRequest) -> Redirect:
    """End this browser's session."""
    await shop_of(request).db.write(writes.end_session, signed_in(request).session_hash)
    response = see("/admin/login", "logged_out")
    response.set_cookie(gone_cookie())
    return response


def _go_on(shop: Shop, opened: login.LoggedIn | login.HalfWay, wanted: str) -> Redirect:
    """Into the panel, or to the second question."""
    if isinstance(opened, login.HalfWay):
        response = see("/admin/login/code", **({} if wanted == "/admin" else {"next": wanted}))
        response.set_cookie(pending_cookie(shop, opened.pending))
        return response
    response = see(wanted)
    for cookie in (*cookies_for(shop, opened), pending_cookie(shop, "")):
        response.set_cookie(cookie)
    return response


def _code_page(request: AnyRequest, wanted: str, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    with_recovery = "recovery" in request.query_params
    return answer(request, "login_code.html", status=status, form=form or Shown(), next=wanted, with_recovery=with_recovery)


def _pending(request: AnyRequest) -> str:
    return request.cookies.get(PENDING, "")[:100]


route_handlers = [
    login_page,
    log_in,
    code_page,
    give_code,
    link_page,
    use_link,
    log_out,
]
