"""Who may pass through a door of the panel.

Always true: every handler under /admin names one permission, or says that it is open; whoever has no live session
is sent to log in; a request that changes something carries its session's own token.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import quote

from litestar.handlers import BaseRouteHandler

from kashop.accounts.rules import PERMISSIONS, has_stepped_up
from kashop.lib.errors import Denied
from kashop.web.errors import Problem, Stopped
from kashop.web.forms import Form, read_form
from kashop.web.sessions import AnyConnection, AnyRequest, find_signed_in, shop_of

CSRF_FIELD, CSRF_HEADER = "_csrf", "x-csrf-token"

Guard = Callable[[AnyConnection, BaseRouteHandler], Awaitable[None]]


class Needs:
    """A guard that lets pass who holds one permission, and with `step_up` only who proved again just now to be who they are.

    Default deny: a permission that is not in the table is an error.
    """

    def __init__(self, permission: str, *, step_up: bool = False):
        if permission not in PERMISSIONS:
            raise LookupError(f"no permission {permission!r}")
        self.permission = permission
        self.step_up = step_up

    async def __call__(self, connection: AnyConnection, handler: BaseRouteHandler) -> None:
        staff = await find_signed_in(connection)
        if staff is None:
            raise Stopped(_login_first(connection))
        if not staff.may(self.permission):
            raise Denied("Your role does not allow this.")
        request = cast(AnyRequest, connection)
        if request.method not in ("GET", "HEAD"):
            form = await read_form(request)
            given = form.raw(CSRF_FIELD) or request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(given.encode(), staff.csrf_token.encode()):
                raise Denied("This page was open too long. Go back, reload it and try again.", code="stale_page")
            connection.scope["state"]["form"] = form
        if self.step_up and not has_stepped_up(staff, shop_of(connection).clock.now()):
            raise Stopped(_step_up_first(connection))


def form_of(request: AnyRequest) -> Form:
    """The form that the guard has read."""
    return cast(Form, request.scope["state"]["form"])


def is_open(path: str) -> bool:
    """Whether a panel's path may be reached without a session: the way in, and what it looks like."""
    return path.startswith(("/admin/login", "/admin/assets/", "/admin/language"))


def _step_up_first(connection: AnyConnection) -> Problem:
    request = cast(AnyRequest, connection)
    message = "Before this, confirm that it is you: by your password, or by a code from your app where you use one."
    if request.method not in ("GET", "HEAD"):
        return Problem(403, "step_up_required", message)
    asked = connection.scope["query_string"].decode("latin-1")  # a filter that was chosen is still chosen afterwards
    here = connection.scope["path"] + ("?" + asked if asked else "")
    return Problem(303, "step_up_required", message, headers={"location": f"/admin/step-up?next={quote(here)}"})


def _login_first(connection: AnyConnection) -> Problem:
    request = cast(AnyRequest, connection)
    is_page = request.method in ("GET", "HEAD")
    here = connection.scope["path"] if is_page else ""
    way = "/admin/login" + (f"?next={quote(here)}" if here not in ("", "/admin") else "")
    if "hx-request" in request.headers:
        return Problem(401, "login_required", "Please log in.", headers={"hx-redirect": way})
    return Problem(303, "login_required", "Please log in.", headers={"location": way})
