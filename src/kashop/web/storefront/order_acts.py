"""What a buyer does with his order: show its codes, save them, cancel, pay another way, say that he paid. Each is one POST."""

from litestar import Response, post
from litestar.params import FromPath

from kashop.flows import attempts, deliver
from kashop.flows import checkout as flow
from kashop.lib.errors import Conflict
from kashop.orders.types import Order
from kashop.web.forms import Form, read_form
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.storefront.buyer import buyer, see_other
from kashop.web.storefront.order import PRIVATE, linked, show
from kashop.web.storefront.payments import parsed
from kashop.web.storefront.visitor import visitor_of
from kashop.web.urls import url

MAX_FIELDS = 10


@post("/o/{order_no:str}/reveal")
async def reveal(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes]:
    """The order's page with its codes; the audit rows are committed first."""
    order, _ = await _asked(request, order_no)
    shop = shop_of(request)
    shop.limits.take("reveal", order.order_no)
    shown = await deliver.reveal(shop, order, buyer(request, order.order_no), how="page")
    return await show(request, order, revealed=shown)


@post("/o/{order_no:str}/codes.txt")
async def codes_file(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes]:
    """The codes as a text file, each exactly as it was imported, one below the other."""
    order, _ = await _asked(request, order_no)
    shop = shop_of(request)
    shop.limits.take("reveal", order.order_no)
    shown = await deliver.reveal(shop, order, buyer(request, order.order_no), how="download")
    body = "".join(code + "\n" for each in shown for code in each.codes).encode()
    headers = {**PRIVATE, "content-disposition": f'attachment; filename="{order.order_no}.txt"'}
    return Response(body, status_code=200, media_type="text/plain; charset=utf-8", headers=headers)


@post("/o/{order_no:str}/check")
async def check(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes]:
    """The buyer says that he paid: ask his gateways now instead of at the next round."""
    order, _ = await _asked(request, order_no)
    shop = shop_of(request)
    shop.limits.take("check", order.order_no)
    await attempts.query_open(shop, order.order_id, buyer(request, order.order_no))
    return see_other(_page(request, order) + "&checked=1")


@post("/o/{order_no:str}/cancel")
async def cancel(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes]:
    """End an unpaid order; one that was paid meanwhile shows that instead."""
    order, _ = await _asked(request, order_no)
    try:
        await flow.cancel(shop_of(request), order, buyer(request, order.order_no), reason="buyer")
    except Conflict as conflict:
        if conflict.code != "not_pending":
            raise
    return see_other(_page(request, order))


@post("/o/{order_no:str}/attempts")
async def change(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes]:
    """Pay another way."""
    order, form = await _asked(request, order_no)
    shop = shop_of(request)
    shop.limits.take("attempts", order.order_no)
    gateway, method = parsed(form.text("payment", most=130))
    form.done()
    try:
        who, visitor = buyer(request, order.order_no), await visitor_of(request)
        await attempts.change(shop, order, gateway=gateway, method=method, actor=who, visitor=visitor)
    except Conflict as conflict:
        if conflict.code != "not_pending":
            raise
    return see_other(_page(request, order))


async def _asked(request: AnyRequest, order_no: str) -> tuple[Order, Form]:
    form = await read_form(request, max_fields=MAX_FIELDS)
    return await linked(request, order_no, form.text("k", most=64)), form


def _page(request: AnyRequest, order: Order) -> str:
    return url("order", order.order_no, shop_of(request).keyring.order_token(order.order_no))
