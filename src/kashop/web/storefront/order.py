"""The order's page by its secret link: the cashier while it waits for money, then what became of it.

Always true: without the link's token nothing of an order is told; codes are in no answer but that of a reveal.
"""

import hashlib
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from kashop.catalog import reads as catalog
from kashop.catalog.types import BuyerField, Product
from kashop.db import Reader
from kashop.flows import deliver, offers
from kashop.flows.attempts import payable_by
from kashop.flows.deliver import Revealed, is_paid_back
from kashop.lib.clock import SECOND
from kashop.lib.errors import NotFound
from kashop.lib.money import Money
from kashop.orders import reads as orders
from kashop.orders.types import Line, Order, OrderException
from kashop.payments import reads as payments
from kashop.payments.rows import Attempt, GatewayAccount, Refund
from kashop.shop import Shop
from kashop.web.context import Cashier, LineView, OrderPage, OrderView, RefundView
from kashop.web.marks import exact
from kashop.web.pages import pages_of
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.storefront.payments import Till, pay_choices, payment_view
from kashop.web.storefront.visitor import visitor_of, works_in
from kashop.web.urls import url

PRIVATE = {"cache-control": "no-store", "x-robots-tag": "noindex"}

PAYABLE = ("", "paid_partly")
"""What may be on the desk about an order that its buyer is still asked to pay."""

NOT_ARRIVED = "No payment has arrived yet. If you have just paid, wait a moment and try again."


class Dossier(msgspec.Struct, frozen=True):
    """An order with all that its page shows."""

    order: Order
    lines: list[Line]
    products: dict[int, Product]
    exceptions: list[OrderException]
    attempt: Attempt | None
    account: GatewayAccount | None
    accounts: list[GatewayAccount]
    basket: offers.Basket
    refunds: list[Refund]


def dossier(db: Reader, order_id: int) -> Dossier:
    """All about an order that its buyer may see."""
    lines = orders.lines(db, order_id)
    attempts = payments.attempts(db, order_id)
    newest = attempts[-1] if attempts else None
    order = orders.get(db, order_id)
    accounts, basket = payable_by(db, order)
    return Dossier(
        order=order,
        lines=lines,
        products={line.product_id: _product(db, line.product_id) for line in lines},
        exceptions=orders.open_exceptions(db, order_id),
        attempt=newest,
        account=next((a for a in accounts if newest is not None and a.gateway_id == newest.gateway_id), None),
        accounts=accounts,
        basket=basket,
        refunds=[refund for refund in payments.refunds(db, order_id) if refund.status != "failed"],
    )


class Stand(msgspec.Struct, frozen=True):
    """Where an order is, as its waiting page shows it: `state` is another as soon as the page would be, `ends_at` is when time
    alone makes it so."""

    status: str
    state: str
    ends_at: int


def stand(db: Reader, order_id: int) -> Stand:
    """Where an order is now."""
    attempts = payments.attempts(db, order_id)
    return stand_of(orders.get(db, order_id), orders.open_exceptions(db, order_id), attempts[-1] if attempts else None, db.now)


def stand_of(order: Order, exceptions: Sequence[OrderException], attempt: Attempt | None, now: int) -> Stand:
    """Where an order is, from what its page is made of."""
    ends = [order.expires_at] if order.status == "pending" else []
    if attempt is not None and attempt.status == "open" and attempt.vendor_expires_at:
        ends.append(attempt.vendor_expires_at)
    passed = sum(at <= now for at in ends)
    tried = (attempt.attempt_id, attempt.status, attempt.kind) if attempt else ()
    shown = (order.status, order.paid_minor, order.refunded_minor, exceptions[0].kind if exceptions else "", tried, passed)
    state = hashlib.blake2b(repr(shown).encode(), digest_size=6).hexdigest()
    return Stand(order.status, state, min((at for at in ends if at > now), default=0))


def _product(db: Reader, product_id: int) -> Product:
    return catalog.get_product(db, product_id)


@get("/o/{order_no:str}")
async def order_page(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes]:
    """The order as it stands."""
    order = await linked(request, order_no, request.query_params.get("k", ""))
    note = NOT_ARRIVED if "checked" in request.query_params else ""
    return await show(request, order, note=note)


async def linked(request: AnyRequest, order_no: str, token: str) -> Order:
    """The order that a link opens. Raises NotFound."""
    if not 0 < len(order_no) <= 32 or not 0 < len(token) <= 64:
        raise NotFound("There is no such order.")
    return await deliver.order_of_link(shop_of(request), order_no, token)


async def show(
    request: AnyRequest, order: Order, *, note: str = "", revealed: Sequence[Revealed] | None = None
) -> Response[bytes]:
    """The cashier for an order that can still be paid, the order's page for any other."""
    shop, pages = shop_of(request), pages_of(request)
    found = await shop.db.read(dossier, order.order_id)
    view = _order_view(request, found, revealed)
    link = url("order", view.order_no, view.token)
    if view.status == "pending" and view.expires_at > shop.clock.now() and view.exception in PAYABLE:
        cashier = await _cashier(request, found, view, note)
        policy = _form_policy(cashier.payment.kind, cashier.payment.url)
        return pages.answer(request, "cashier.html", cashier, path=link, headers={**PRIVATE, **policy})
    has_codes = any(line.delivered for line in found.lines) and not is_paid_back(found.order, found.refunds)
    said = pages.words(request).gettext(note) if note and view.status == "pending" else ""
    is_revealed = revealed is not None
    page = OrderPage(order=view, can_reveal=has_codes, is_revealed=is_revealed, note=said, state=_state(shop, found))
    return pages.answer(request, "order.html", page, path=link, headers=PRIVATE)


async def _cashier(request: AnyRequest, found: Dossier, view: OrderView, note: str) -> Cashier:
    shop, words, visitor = shop_of(request), pages_of(request).words(request), await visitor_of(request)
    due = max(0, view.total.minor - view.paid.minor)
    payment = payment_view(shop, found.attempt, found.account, words)
    is_begun = payment.kind not in ("failed", "none")
    on_offer = offers.on_offer(shop, found.accounts, found.basket, visitor)
    if is_begun and found.account:
        on_offer = [c for c in on_offer if not c.stands_for(found.account.name, payment.method)]
    ends_at = view.expires_at
    if is_begun and found.attempt and shop.clock.now() < found.attempt.vendor_expires_at < ends_at:
        ends_at = found.attempt.vendor_expires_at
    return Cashier(
        order=view,
        due=Money(due, view.total.currency),
        payment=payment,
        choices=pay_choices(Till(shop, words, visitor.device, due), on_offer),
        seconds_left=max(0, (ends_at - shop.clock.now()) // SECOND),
        note=words.gettext(note) if note else "",
        app=visitor.device if is_begun and not works_in(visitor.device, payment.method) else "",
        is_phone=visitor.device not in ("", "desktop"),
        state=_state(shop, found),
        ends_at=ends_at,
    )


def _state(shop: Shop, found: Dossier) -> str:
    return stand_of(found.order, found.exceptions, found.attempt, shop.clock.now()).state


def _form_policy(kind: str, address: str) -> dict[str, str]:
    """A page whose form goes to a gateway says so, and to that gateway alone."""
    if kind != "form":
        return {}
    to = urlsplit(address)
    return {
        "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self' {to.scheme}://{to.netloc}"
    }


def _order_view(request: AnyRequest, found: Dossier, revealed: Sequence[Revealed] | None) -> OrderView:
    shop, order = shop_of(request), found.order
    token = shop.keyring.order_token(order.order_no)
    codes = {each.line.line_id: each.codes for each in revealed or ()}
    return OrderView(
        order_no=order.order_no,
        token=token,
        status=order.status,
        exception=found.exceptions[0].kind if found.exceptions else "",
        total=Money(order.total_minor, order.currency),
        paid=Money(order.kept_minor, order.currency),
        contact=order.contact,
        created_at=order.created_at,
        expires_at=order.expires_at,
        paid_at=order.paid_at,
        delivered_at=order.delivered_at,
        ended_at=order.ended_at,
        lines=tuple(_line_view(line, found, codes.get(line.line_id)) for line in found.lines),
        link=shop.base_url + url("order", order.order_no, token),
        refunds=tuple(_refund_view(refund) for refund in found.refunds),
    )


def _refund_view(refund: Refund) -> RefundView:
    amount = Money(refund.amount_minor, refund.currency)
    return RefundView(status=refund.status, amount=amount, at=refund.ended_at or refund.created_at, claim_url=refund.claim_url)


def _line_view(line: Line, found: Dossier, codes: tuple[str, ...] | None) -> LineView:
    product = found.products[line.product_id]
    labels = {q.name: q.label for q in msgspec.json.decode(product.fields, type=list[BuyerField])}
    answers = msgspec.json.decode(line.fields, type=dict[str, str])
    return LineView(
        product_name=line.product_name,
        sku_name=line.sku_name,
        product_slug="" if product.is_hidden else product.slug,
        quantity=line.quantity,
        delivered=line.delivered,
        unit=Money(line.unit_minor, found.order.currency),
        total=Money(line.total_minor, found.order.currency),
        is_manual=line.delivery == "manual",
        answers=tuple((labels.get(name, name), answer) for name, answer in answers.items()),
        instructions=product.instructions if line.delivered else "",
        codes=None if codes is None else tuple(exact(code) for code in codes),
    )
