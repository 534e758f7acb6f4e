"""查单: by number or contact with the password; and this browser's own orders."""

from litestar import Response, get, post

from kashop.db import Reader
from kashop.flows import lookup as flow
from kashop.lib.errors import Invalid, NotFound
from kashop.lib.money import Money
from kashop.orders import reads as orders
from kashop.orders.types import Line, Order
from kashop.web.context import Form, LookupPage, OrderLink
from kashop.web.forms import read_form
from kashop.web.pages import form_of, pages_of
from kashop.web.sessions import AnyRequest, client_ip, shop_of
from kashop.web.storefront import recent
from kashop.web.storefront.buyer import see_other
from kashop.web.storefront.order import PRIVATE
from kashop.web.urls import url

MAX_FIELDS = 10

Listed = list[tuple[Order, list[Line]]]


@get("/lookup")
async def lookup_page(request: AnyRequest) -> Response[bytes]:
    """The empty form, and what this browser ordered."""
    return await _page(request, Form(), None)


@post("/lookup")
async def look_up(request: AnyRequest) -> Response[bytes]:
    """The orders that fit, or one answer for every reason why none does."""
    shop = shop_of(request)
    form = await read_form(request, max_fields=MAX_FIELDS)
    typed = {"query": form.raw("query")[:254]}
    try:
        subject = form.text("query", most=254, least=1)
        password = form.secret("password", most=128)
        if not password:
            form.complain("password", "Please fill in this field.")
        form.done()
        found = await flow.find(shop, subject=subject, password=password, ip=client_ip(request))
    except Invalid as invalid:
        words = pages_of(request).words(request)
        return await _page(request, form_of(words, typed, invalid.fields), None, status=422)
    except NotFound:
        return await _page(request, Form(values=typed), [], status=404)
    return await _page(request, Form(), await shop.db.read(_listed, [order.order_no for order, _ in found]))


@post("/lookup/forget")
async def forget(request: AnyRequest) -> Response[bytes]:
    """Clear this browser's list."""
    answer = see_other(url("lookup"))
    answer.cookies.append(recent.forgotten(shop_of(request)))
    return answer


def _listed(db: Reader, order_nos: list[str]) -> Listed:
    found = [orders.find(db, order_no) for order_no in order_nos]
    return [(order, orders.lines(db, order.order_id)) for order in found if order is not None]


async def _page(request: AnyRequest, form: Form, found: Listed | None, *, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    own = await shop.db.read(_listed, recent.recent_orders(shop, request))
    view = LookupPage(
        form=form,
        found=None if found is None else tuple(_link(request, *each) for each in found),
        recent=() if found else tuple(_link(request, *each) for each in own),
    )
    return pages_of(request).answer(request, "lookup.html", view, status=status, path=url("lookup"), headers=PRIVATE)


def _link(request: AnyRequest, order: Order, lines: list[Line]) -> OrderLink:
    return OrderLink(
        order_no=order.order_no,
        title=", ".join(f"{line.product_name} × {line.quantity}" for line in lines),
        total=Money(order.total_minor, order.currency),
        status=order.status,
        created_at=order.created_at,
        link=url("order", order.order_no, shop_of(request).keyring.order_token(order.order_no)),
    )
