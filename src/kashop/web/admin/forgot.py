"""Forgotten: ask for a link by mail, and set a new password by it.

The link's token leaves the address at once for a cookie of this page alone, so that it is in no Referer and in no history entry
that a later page can see; `no-referrer` on the form itself would make browsers post it with `Origin: null`, which is refused.
"""

from litestar import Response, get, post
from litestar.response import Redirect

from kashop.flows import password_reset
from kashop.lib.errors import Invalid, TooMany
from kashop.shop import Shop
from kashop.web.admin.page import Shown, again, answer, refused_as, see
from kashop.web.forms import read_form
from kashop.web.sessions import RESET, AnyRequest, browser_of, request_id, reset_cookie, shop_of

MOST_PASSWORD = 256
_QUIET = {"referrer-policy": "no-referrer"}


@get("/admin/login/forgot")
async def forgot_page(request: AnyRequest) -> Response[bytes]:
    """Which address?"""
    return _ask_page(request)


@post("/admin/login/forgot")
async def ask(request: AnyRequest) -> Response[bytes] | Redirect:
    """The same answer for every address."""
    form, shop = await read_form(request), shop_of(request)
    if not password_reset.is_possible(shop):
        return see("/admin/login/forgot")
    try:
        email = form.text("email", most=254, least=1)
        form.done()
        await password_reset.ask(shop, email, browser_of(request))
    except Invalid as refused:
        return _ask_page(request, again(request, form, refused), 422)
    except TooMany as refused:
        return _ask_page(request, refused_as(request, form, refused), refused.status)
    return see("/admin/login", "reset_asked")


@get("/admin/login/reset")
async def reset_page(request: AnyRequest) -> Response[bytes] | Redirect:
    """From the mail: take the token out of the address, then ask for the new password."""
    shop, token = shop_of(request), request.query_params.get("token", "")[:100]
    if token:
        return _with_token(shop, see("/admin/login/reset"), token)
    return await _reset_page(request)


@post("/admin/login/reset")
async def set_password(request: AnyRequest) -> Response[bytes] | Redirect:
    """Set it; every session ends, and whoever wants in logs in."""
    form, shop = await read_form(request), shop_of(request)
    try:
        new = form.secret("new_password", most=MOST_PASSWORD)
        if new != form.secret("repeated", most=MOST_PASSWORD):
            form.complain("repeated", "The two do not match.")
        form.done()
        await password_reset.set_password(shop, _token(request), new, browser_of(request))
    except Invalid as refused:
        return await _reset_page(request, again(request, form, refused), 422)
    return _with_token(shop, see("/admin/login", "password_set"), "")


def _ask_page(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    is_possible = password_reset.is_possible(shop_of(request))
    return answer(request, "forgot.html", status=status, form=form or Shown(), is_possible=is_possible)


async def _reset_page(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    is_good = await password_reset.is_good(shop_of(request), _token(request))
    status, number = (status, "") if is_good else (404, request_id(request))
    return answer(request, "reset.html", status=status, form=form or Shown(), is_good=is_good, number=number)


def _with_token(shop: Shop, response: Redirect, token: str) -> Redirect:
    response.set_cookie(reset_cookie(shop, token))
    response.headers.update(_QUIET)
    return response


def _token(request: AnyRequest) -> str:
    return request.cookies.get(RESET, "")[:100]


route_handlers = [forgot_page, ask, reset_page, set_password]
