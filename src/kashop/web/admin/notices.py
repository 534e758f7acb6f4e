"""Notices: which ways out are set up, whether they work, and what has left, waits or failed."""

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.flows import notices
from kashop.flows.channels import sender_of
from kashop.flows.notices import Tried
from kashop.lib.errors import Invalid, TooMany
from kashop.notices import letters, reads, rules
from kashop.notices.texts import told_problem
from kashop.notices.types import CHANNELS, Notice
from kashop.shop import Shop
from kashop.web.admin.page import Shown, again, answer, cursor, panel_of, refused_as, row_id, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of, signed_in
from kashop.web.text import Catalogue, translations

PAGE = 50


@get("/admin/notices", guards=[Needs("settings.edit")])
async def notice_list(request: AnyRequest) -> Response[bytes]:
    """The ways out, and the last notices."""
    return await _page(request)


@post("/admin/notices/test", guards=[Needs("settings.edit")])
async def try_out(request: AnyRequest) -> Response[bytes]:
    """Send a test over one channel now and show how it went."""
    form = form_of(request)
    try:
        channel, to = form.choice("channel", CHANNELS), form.text("to", most=254)
        form.done()
        tried = await notices.test(shop_of(request), channel, actor_of(request), to=to)
    except Invalid as refused:
        return await _page(request, form=again(request, form, refused), status=422)
    except TooMany as refused:
        return await _page(request, form=refused_as(request, form, refused), status=429)
    return await _page(request, tried=tried)


@post("/admin/notices/key", guards=[Needs("settings.edit", step_up=True)])
async def new_key(request: AnyRequest) -> Response[bytes]:
    """Make a new key for the webhook; it stands on this one page and on no other."""
    return await _page(request, key=await notices.new_webhook_key(shop_of(request), actor_of(request)))


@post("/admin/notices/{notice:str}/retry", guards=[Needs("settings.edit")])
async def retry(request: AnyRequest, notice: FromPath[str]) -> Redirect:
    """Send one again."""
    await notices.retry(shop_of(request), row_id(notice), actor_of(request))
    return see("/admin/notices", "retried")


async def _page(
    request: AnyRequest,
    *,
    form: Shown | None = None,
    tried: Tried | None = None,
    key: str = "",
    status: int = 200,
) -> Response[bytes]:
    shop = shop_of(request)
    words = translations(panel_of(request).locale(request.scope))
    found = await shop.db.read(reads.page, cursor(request), limit=PAGE + 1)
    return answer(
        request,
        "notices.html",
        status=status,
        form=form or Shown(),
        ready=rules.channels(shop.settings),
        values=shop.settings,
        to=signed_in(request).email,
        tried=tried,
        trouble=_sentence(tried.problem, words) if tried else "",
        key=key,
        rows=[_row(shop, notice, words) for notice in found[:PAGE]],
        older=found[PAGE - 1].notice_id if len(found) > PAGE else 0,
    )


def _row(shop: Shop, notice: Notice, words: Catalogue) -> dict[str, object]:
    return {
        "notice": notice,
        "title": letters.title(notice, sender_of(shop), words),
        "problem": _sentence(notice.problem, words) if notice.problem else "",
        "can_retry": notices.can_retry(notice),
    }


def _sentence(problem: str, words: Catalogue) -> str:
    message, detail = told_problem(problem)
    return words.say(message, {"detail": detail})


route_handlers = [notice_list, try_out, new_key, retry]
