"""Reveal codes: choose them, say why, see them once.

Always true: the page with the codes is an answer to a post and to nothing else; no address leads to it, and no browser keeps it.
"""

from litestar import Response, get, post
from litestar.response import Redirect

from kashop.flows import codes
from kashop.flows.codes import MOST_AT_ONCE, Asked, Seen
from kashop.inventory.codelist import reads as codelist
from kashop.inventory.codelist.types import CodeRow
from kashop.lib.errors import Invalid
from kashop.web.admin.code_list import names_of
from kashop.web.admin.page import Shown, again, answer, row_id, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of


@get("/admin/codes/reveal", guards=[Needs("codes.reveal", step_up=True)])
async def reveal_page(request: AnyRequest) -> Response[bytes]:
    """What would be revealed, and the question why."""
    return await _page(request, request.query_params.getall("code", []))


@post("/admin/codes/reveal", guards=[Needs("codes.reveal", step_up=True)])
async def reveal(request: AnyRequest) -> Response[bytes] | Redirect:
    """The codes, once each of them is written down; or on to the request that a second person has to approve."""
    form, shop = form_of(request), shop_of(request)
    asked = form.many("code")
    try:
        reason = form.text("reason", most=300)
        form.done()
        seen = await codes.reveal(shop, [row_id(c) for c in asked], actor_of(request), reason=reason)
    except Invalid as refused:
        return await _page(request, asked, again(request, form, refused), 403)
    if isinstance(seen, Asked):
        return see(f"/admin/approvals/{seen.approval_id}", "asked_second")
    return await revealed(request, seen)


async def revealed(request: AnyRequest, seen: list[Seen]) -> Response[bytes]:
    """The page with codes in the clear."""
    rows = [await shop_of(request).db.read(codelist.get, s.code_id) for s in seen]
    names = await shop_of(request).db.read(names_of, rows)
    return answer(request, "revealed.html", seen=seen, names=names)


async def _page(request: AnyRequest, asked: list[str], form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    rows: list[CodeRow] = [await shop.db.read(codelist.get, row_id(c)) for c in dict.fromkeys(asked[: MOST_AT_ONCE + 1])]
    if not rows:
        return see("/admin/codes/list", "choose_codes")
    names = await shop.db.read(names_of, rows)
    return answer(request, "reveal.html", status=status, form=form or Shown(), rows=rows, names=names, most=MOST_AT_ONCE)


route_handlers = [reveal_page, reveal]
