"""Who may pass through a door of the panel.

Always true: every handler under /admin names one permission, or says that it is open; whoever has no live session
is sent to log in; who must enrol one-time codes reaches nothing but their own account before; a request that changes
something carries its session's own token; a form that was sent without the proof it needs waits until the proof is given.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Protocol, cast
from urllib.parse import quote

from litestar.handlers import BaseRouteHandler

from kashop.accounts.factors.rules import must_enrol
from kashop.accounts.rules import PERMISSIONS, has_stepped_up
from kashop.accounts.types import SignedIn
from kashop.approvals import reads as approvals
from kashop.approvals.rules import decided_by
from kashop.flows import step_up
from kashop.flows.factors import WrongCode
from kashop.flows.login import WrongLogin
from kashop.lib.errors import Conflict, Denied, Refusal, TooMany
from kashop.web.errors import Problem, Stopped
from kashop.web.forms import Form, Sink, read_form
from kashop.web.kept import KeptForms
from kashop.web.sessions import AnyConnection, AnyRequest, actor_of, browser_of, find_signed_in, shop_of

CSRF_FIELD, CSRF_HEADER = "_csrf", "x-csrf-token"
PROOF_FIELD, KEPT_FIELD = "_proof", "_kept"
OWN_ACCOUNT, ENROL, STEP_UP = "self.edit", "/admin/account/totp", "/admin/step-up"
_WHO = "Before this, confirm that it is you. It then holds for five minutes."

Guard = Callable[[AnyConnection, BaseRouteHandler], Awaitable[None]]


class Needs:
    """A guard that lets pass who holds one permission, and with `step_up` only who proved again just now to be who they are.

    Default deny: a permission that is not in the table is an error. Files of a form go into what `files` makes, in pieces as they
    come, if the session's token stood before the first of them; without `files` they are read into memory.
    """

    def __init__(self, permission: str, *, step_up: bool = False, files: "Callable[[AnyConnection], SinkOfFiles] | None" = None):
        if permission not in PERMISSIONS:
            raise LookupError(f"no permission {permission!r}")
        self.permission = permission
        self.step_up = step_up
        self._files = files

    async def __call__(self, connection: AnyConnection, handler: BaseRouteHandler) -> None:
        staff = await find_signed_in(connection)
        if staff is None:
            raise Stopped(_login_first(connection))
        if not staff.may(self.permission):
            raise Denied("Your role does not allow this.")
        if self.permission != OWN_ACCOUNT and _must_enrol(connection, staff):
            raise Stopped(Problem(303, "enrol_first", "Set up two-step log-in first.", headers={"location": ENROL}))
        request = cast(AnyRequest, connection)
        if request.method not in ("GET", "HEAD"):
            connection.scope["state"]["form"] = await self._form(request, staff)
        if self.step_up and not has_stepped_up(staff, shop_of(connection).clock.now()):
            await _ask_who(request, staff)
        if request.method == "GET" and (kinds := decided_by(staff.permissions)):  # the way about says how many wait
            shop, me = shop_of(connection), f"staff:{staff.staff_id}"
            connection.scope["state"]["waiting"] = await shop.db.read(approvals.count_waiting, kinds, but_by=me)

    async def _form(self, request: AnyRequest, staff: SignedIn) -> Form:
        if self._files is None:
            form = await read_form(request)
            refuse_stale(request, staff, form)
            return form
        files = self._files(request)
        try:
            form = await read_form(request, sink=_TokenFirst(request, staff, files))
            refuse_stale(request, staff, form)
        except BaseException:
            files.drop()
            raise
        request.scope["state"]["files"] = files
        return form


class SinkOfFiles(Sink, Protocol):
    """A sink that can let go of all it took."""

    def drop(self) -> None:
        """Forget every file."""
        ...


class _TokenFirst:
    """Lets a file in only behind the session's own token."""

    def __init__(self, request: AnyRequest, staff: SignedIn, sink: Sink):
        self._request, self._staff = request, staff
        self.write, self.end = sink.write, sink.end
        self._begin = sink.begin

    def begin(self, form: Form, field: str, name: str) -> None:
        refuse_stale(self._request, self._staff, form)
        self._begin(form, field, name)


def refuse_stale(request: AnyRequest, staff: SignedIn, form: Form) -> None:
    """Raises Denied unless the request carries its session's own token."""
    given = form.raw(CSRF_FIELD) or request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), staff.csrf_token.encode()):
        raise Denied("This page was open too long. Go back, reload it and try again.", code="stale_page")


def form_of(request: AnyRequest) -> Form:
    """The form that the guard has read."""
    return cast(Form, request.scope["state"]["form"])


def is_open(path: str) -> bool:
    """Whether a panel's path may be reached without a session: the way in, and what it looks like."""
    return path.startswith(("/admin/login", "/admin/assets/", "/admin/language"))


def _must_enrol(connection: AnyConnection, staff: SignedIn) -> bool:
    return must_enrol(shop_of(connection).settings.text("staff.require_totp"), staff.role, has_totp=staff.has_totp)


async def _ask_who(request: AnyRequest, staff: SignedIn) -> None:
    """Send a reader to the question; keep a sender's form and ask, or take the answer and put the kept form in its place."""
    path, state = request.scope["path"], request.scope["state"]
    if request.method in ("GET", "HEAD"):
        asked = request.scope["query_string"].decode("latin-1")  # a filter that was chosen is still chosen afterwards
        here = path + ("?" + asked if asked else "")
        raise Stopped(Problem(303, "step_up_required", _WHO, headers={"location": f"{STEP_UP}?next={quote(here)}"}))
    form, kept = form_of(request), cast(KeptForms, request.app.state.kept_forms)
    if PROOF_FIELD not in form:
        state["kept_form"] = kept.keep(staff.session_hash, path, form)
        raise Stopped(Problem(403, "step_up_required", _WHO))
    state["kept_form"] = form.raw(KEPT_FIELD)[:100]
    try:
        await step_up.prove(shop_of(request), staff, form.raw(PROOF_FIELD)[:256], browser_of(request), actor_of(request))
    except (WrongCode, WrongLogin, TooMany, Conflict) as refused:
        raise Stopped(_wrong_proof(refused)) from None
    found = kept.take(staff.session_hash, path, state["kept_form"])
    if found is None:
        raise Conflict("It is confirmed that it is you, but your form was kept no longer. Go back and send it again.")
    state["form"] = found


def _wrong_proof(refused: Refusal) -> Problem:
    retry = {"retry-after": str(refused.retry_after)} if isinstance(refused, TooMany) else {}
    return Problem(refused.status, "step_up_required", refused.message, refused.detail, headers=retry)


def _login_first(connection: AnyConnection) -> Problem:
    request = cast(AnyRequest, connection)
    is_page = request.method in ("GET", "HEAD")
    here = connection.scope["path"] if is_page else ""
    way = "/admin/login" + (f"?next={quote(here)}" if here not in ("", "/admin") else "")
    if "hx-request" in request.headers:
        return Problem(401, "login_required", "Please log in.", headers={"hx-redirect": way})
    return Problem(303, "login_required", "Please log in.", headers={"location": way})
