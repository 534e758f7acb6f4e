"""One's own account: password, two-step log-in, what seemed strange, and where one is logged in."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.accounts import reads, writes
from kashop.accounts.factors import reads as factors
from kashop.accounts.factors import writes as factor_writes
from kashop.flows import login
from kashop.lib.errors import Invalid, NotFound
from kashop.web.admin.page import Shown, again, answer, panel_path, refused_as, row_id, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of, signed_in

MOST_PASSWORD = 256


@get("/admin/account", guards=[Needs("self.edit")])
async def account(request: AnyRequest) -> Response[bytes]:
    """All of it."""
    return await _page(request)


@post("/admin/account/password", guards=[Needs("self.edit")])
async def change_password(request: AnyRequest) -> Response[bytes] | Redirect:
    """Set one's own password; every other session ends."""
    form = form_of(request)
    try:
        old, new = form.secret("old_password", most=MOST_PASSWORD), form.secret("new_password", most=MOST_PASSWORD)
        if new != form.secret("repeated", most=MOST_PASSWORD):
            form.complain("repeated", "The two do not match.")
        form.done()
        await login.change_password(shop_of(request), signed_in(request), old, new, actor_of(request))
    except Invalid as refused:
        return await _page(request, again(request, form, refused), 422)
    except login.WrongLogin as refused:
        return await _page(request, refused_as(request, form, refused), refused.status)
    return see("/admin/account", "password")


@post("/admin/account/sessions/{session:str}/end", guards=[Needs("self.edit")])
async def end_session(request: AnyRequest, session: FromPath[str]) -> Redirect:
    """End one of one's own sessions."""
    me, shop = signed_in(request), shop_of(request)
    mine = {s.session_hash.hex()[:16]: s for s in await shop.db.read(reads.sessions_of, me.staff_id)}
    if session not in mine:
        raise NotFound("There is no such session.")
    await shop.db.write(writes.end_session, mine[session].session_hash)
    return see("/admin/account", "ended")


@post("/admin/account/sessions/end-others", guards=[Needs("self.edit")])
async def end_other_sessions(request: AnyRequest) -> Redirect:
    """Log out everywhere but here; links and log-ins on their way end too."""
    me = signed_in(request)
    await shop_of(request).db.write(writes.end_own_sessions, me.staff_id, actor_of(request), keep=me.session_hash)
    return see("/admin/account", "ended_others")


@post("/admin/account/alerts/{alert:str}/dismiss", guards=[Needs("self.edit")])
async def dismiss_alert(request: AnyRequest, alert: FromPath[str]) -> Redirect:
    """It was me, or I have seen to it."""
    me, back = signed_in(request), panel_path(form_of(request).raw("next"))
    if not await shop_of(request).db.write(factor_writes.dismiss_alert, row_id(alert), staff_id=me.staff_id):
        raise NotFound("There is no such warning.")
    return see(back, "dismissed")


async def _page(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop, me = shop_of(request), signed_in(request)
    staff = await shop.db.read(reads.get, me.staff_id)
    sessions = await shop.db.read(reads.sessions_of, me.staff_id)
    return answer(
        request,
        "account.html",
        status=status,
        form=form or Shown(),
        has_password=bool(staff.password_hash),
        seed=await shop.db.read(factors.find_seed, me.staff_id),
        codes_left=await shop.db.read(factors.count_recovery_codes, me.staff_id),
        alerts=await shop.db.read(factors.open_alerts, staff_id=me.staff_id),
        sessions=[(s.session_hash.hex()[:16], s, s.session_hash == me.session_hash) for s in sessions],
    )


route_handlers = [account, change_password, end_session, end_other_sessions, dismiss_alert]
