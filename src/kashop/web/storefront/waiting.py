"""How a page that waits learns that its order moved: it is told over one open connection, or asks.

Server-sent events (WHATWG HTML §9.2): `left` with the seconds until the page's deadline, at once and with every heartbeat;
`moved` when the page is no longer what it shows, which ends it. 204 tells a browser to ask instead of listening.
"""

import asyncio
from collections.abc import AsyncIterator

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Stream

from kashop.lib.clock import MINUTE, SECOND
from kashop.risk import one_client
from kashop.shop import Shop
from kashop.web.live import Listener, Live, live_of
from kashop.web.sessions import AnyRequest, client_ip, shop_of
from kashop.web.storefront.order import PRIVATE, Stand, linked, stand
from kashop.web.urls import url

HEARTBEAT = 15.0
LONGEST = 30 * MINUTE // SECOND
"""A connection ends after so long; the browser opens another if the page is still there."""

_UNBUFFERED = {**PRIVATE, "cache-control": "no-store, no-transform", "x-accel-buffering": "no"}


@get("/o/{order_no:str}/status")
async def status(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes]:
    """Nothing while the order stands as it was, the way to its page once it moved. `was` is a page's state, or a bare status."""
    token = request.query_params.get("k", "")
    order = await linked(request, order_no, token)
    was, shop = request.query_params.get("was", "pending"), shop_of(request)
    now = await shop.db.read(stand, order.order_id)
    if was in (now.state, now.status):
        headers = {**PRIVATE, "kashop-left": str(_left(shop, now))}
        return Response(b"", status_code=204, media_type="text/plain", headers=headers)
    moved = {**PRIVATE, "hx-redirect": url("order", order.order_no, token)}
    return Response(b"", status_code=200, media_type="text/plain", headers=moved)


@get("/o/{order_no:str}/events")
async def events(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes] | Stream:
    """Tell this page until it moved."""
    order = await linked(request, order_no, request.query_params.get("k", ""))
    live, client, was = live_of(request), one_client(client_ip(request)), request.query_params.get("was", "")[:40]
    if request.scope["state"].get("is_head") or not live.has_room(order.order_id, client):
        return Response(b"", status_code=204, media_type="text/plain", headers=PRIVATE)
    told = _told(shop_of(request), live, order.order_id, was, client)
    return Stream(told, media_type="text/event-stream", headers=_UNBUFFERED)


async def _told(shop: Shop, live: Live, order_id: int, was: str, client: str) -> AsyncIterator[bytes]:
    yield b"retry: 3000\n\n"
    await live.catch_up()
    with live.listening(order_id, client) as listener:
        ends = asyncio.get_running_loop().time() + LONGEST
        now = await shop.db.read(stand, order_id)  # after listening began: what happens from here on rings
        while now.state == was:
            yield f"event: left\ndata: {_left(shop, now)}\n\n".encode()
            is_rung = await _wait(listener, live, shop, now)
            if live.is_closed or asyncio.get_running_loop().time() > ends:
                return
            if is_rung or _is_over(shop, now):
                now = await shop.db.read(stand, order_id)
        yield b"event: moved\ndata: \n\n"


async def _wait(listener: Listener, live: Live, shop: Shop, now: Stand) -> bool:
    """Whether something happened before the next heartbeat or the deadline."""
    left = (now.ends_at - shop.clock.now()) / SECOND if now.ends_at else HEARTBEAT
    is_rung = await listener.wait(max(0.1, min(HEARTBEAT, left + 0.1)))
    if not is_rung:
        live.look()  # another process may have done something: one look for all who wait
    return is_rung


def _is_over(shop: Shop, now: Stand) -> bool:
    return 0 < now.ends_at <= shop.clock.now()


def _left(shop: Shop, now: Stand) -> int:
    return max(0, (now.ends_at - shop.clock.now()) // SECOND) if now.ends_at else 0
