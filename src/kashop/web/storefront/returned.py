"""Where a gateway sends the buyer's browser back. What it says there proves nothing: we ask the gateway ourselves."""

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.params import FromPath

from kashop.db import Reader
from kashop.flows import attempts
from kashop.lib.errors import TooMany
from kashop.orders import reads as orders
from kashop.orders.types import Order
from kashop.payments import reads as payments
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.storefront import recent
from kashop.web.storefront.buyer import buyer, see_other
from kashop.web.urls import url


@route("/pay/{gateway:str}/return", http_method=[HttpMethod.GET, HttpMethod.POST])
async def returned(request: AnyRequest, gateway: FromPath[str]) -> Response[bytes]:
    """Back to the order when this browser made it; else to the look-up. No stranger learns from here whether an order exists."""
    shop = shop_of(request)
    said = frozenset(value for _, value in request.query_params.multi_items())
    order = await shop.db.read(_find, gateway, recent.recent_orders(shop, request), said)
    if order is None:
        return see_other(url("lookup"))
    try:
        shop.limits.take("check", order.order_no)
        await attempts.query_open(shop, order.order_id, buyer(request, order.order_no))
    except TooMany:  # the page itself asks again
        shop.log.info("returned too often", order=order.order_no)
    return see_other(url("order", order.order_no, shop.keyring.order_token(order.order_no)))


def _find(db: Reader, gateway: str, order_nos: list[str], said: frozenset[str]) -> Order | None:
    """Of this browser's orders the one whose attempt is named, else the newest that was tried at this gateway."""
    account = payments.find_gateway(db, gateway)
    if account is None:
        return None
    tried: list[Order] = []
    for order in filter(None, (orders.find(db, order_no) for order_no in order_nos)):
        own = [a for a in payments.attempts(db, order.order_id) if a.gateway_id == account.gateway_id]
        if any(a.attempt_no in said for a in own):
            return order
        tried += [order] if own else []
    return tried[0] if tried else None
