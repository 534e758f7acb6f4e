"""The inbox of callbacks: all that gateways, and whoever claims to be one, sent; what became of it; and judging it again."""

from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.audit import reads as audit
from kashop.audit.types import Told
from kashop.db import Reader
from kashop.flows import inbox
from kashop.orders import reads as orders
from kashop.orders.types import Order
from kashop.payments import reads
from kashop.payments.rows import Callback, Receipt
from kashop.web.admin import raw, words
from kashop.web.admin.page import answer, cursor, row_id, see
from kashop.web.guards import Needs
from kashop.web.sessions import AnyRequest, actor_of, shop_of

PAGE = 50


class Seen(msgspec.Struct, frozen=True):
    """A callback with what it is about."""

    callback: Callback
    order: Order | None
    receipt: Receipt | None
    replays: list[Told]


@get("/admin/callbacks", guards=[Needs("callbacks.view")])
async def callback_list(request: AnyRequest) -> Response[bytes]:
    """The newest first: of one verdict, of one account, or all."""
    shop, asked = shop_of(request), request.query_params
    verdict, gateway = asked.get("verdict", ""), asked.get("gateway", "")[:64]
    verdict = verdict if verdict in words.VERDICT else ""
    before = cursor(request)
    rows = await shop.db.read(reads.inbox, verdict=verdict or None, gateway=gateway or None, before=before, limit=PAGE + 1)
    kept = {k: v for k, v in (("verdict", verdict), ("gateway", gateway)) if v}
    return answer(
        request,
        "callbacks.html",
        rows=rows[:PAGE],
        wanted={"verdict": verdict, "gateway": gateway},
        verdicts=list(words.VERDICT),
        accounts=[g.name for g in await shop.db.read(reads.gateways)],
        older="/admin/callbacks?" + urlencode({**kept, "before": rows[PAGE - 1].callback_id}) if len(rows) > PAGE else "",
        newest="/admin/callbacks" + (f"?{urlencode(kept)}" if kept else "") if "before" in asked else "",
        keep={"days": shop.settings.number("callbacks.keep_days"), "rejected": inbox.KEEP_REJECTED_DAYS},
    )


@get("/admin/callbacks/{callback:str}", guards=[Needs("callbacks.view")])
async def callback_page(request: AnyRequest, callback: FromPath[str]) -> Response[bytes]:
    """One callback, as it came."""
    seen = await shop_of(request).db.read(_seen, row_id(callback))
    return answer(
        request,
        "callback.html",
        seen=seen,
        headers=raw.headers(seen.callback),
        query=raw.text(seen.callback.query),
        body=raw.text(seen.callback.body),
    )


@post("/admin/callbacks/{callback:str}/replay", guards=[Needs("callbacks.replay")])
async def replay(request: AnyRequest, callback: FromPath[str]) -> Redirect:
    """Judge it again."""
    shop, callback_id = shop_of(request), row_id(callback)
    before = await shop.db.read(reads.get_callback, callback_id)
    now = await inbox.replay(shop, callback_id, actor_of(request))
    is_same = (before.verdict, before.reason) == (now.verdict, now.reason)
    return see(f"/admin/callbacks/{callback_id}", "judged_alike" if is_same else "judged_anew")


def _seen(db: Reader, callback_id: int) -> Seen:
    callback = reads.get_callback(db, callback_id)
    order_id = reads.get_attempt(db, callback.attempt_id).order_id if callback.attempt_id is not None else None
    return Seen(
        callback,
        orders.get(db, order_id) if order_id is not None else None,
        reads.receipt_of_callback(db, callback),
        audit.timeline(db, "callback", callback_id),
    )


route_handlers = [callback_list, callback_page, replay]
