"""The order's page by its secret link: the cashier while it waits for money, then what became of it.

Always true: without the link's token nothing of an order is told; codes are in no answer but that of a reveal.
"""

import hashlib
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from kashop.catalog.types import BuyerField, Product
from kashop.db import Reader
from kashop.flows import deliver, offers
from kashop.flows.deliver import Revealed, is_paid_back
from kashop.flows.offers import Visitor
from kashop.lib.clock import SECOND
from kashop.lib.errors import NotFound
from kashop.lib.money import Money
from kashop.orders import reads as orders
from kashop.orders.types import Line, Order, OrderException
from kashop.payments import reads as payments
from kashop.payments.rows import Attempt, GatewayAccount, Refund
from kashop.shelf.types import Listing
from kashop.shop import Shop
from kashop.web.answers import response
from kashop.web.context import Cashier, LineView, OrderPage, OrderView, RefundView
from kashop.web.direct import Way
from kashop.web.edge import Receive, Scope
from kashop.web.errors import Answer
from kashop.web.marks import exact
from kashop.web.pages import pages_in
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.storefront.payments import Till, pay_choices, payment_view
from kashop.web.storefront.visitor import visitor_in, works_in
from kashop.web.urls import url

PRIVATE = {"cache-control": "no-store", "x-robots-tag": "noindex"}

PAYABLE = ("", "paid_partly")
"""What may be on the desk about an order that its buyer is still asked to pay."""

NOT_ARRIVED = "No payment has arrived yet. If you have just paid, wait a moment and try again."


class Dossier(msgspec.Struct, frozen=True):
    """An order with all that its page shows and the shelf does not: `attempt` is the newest."""

    order: Order
    lines: list[Line]
    exceptions: list[OrderException]
    attempt: Attempt | None
    refunds: list[Refund]


def dossier_of_link(db: Reader, order_no: str, token: str) -> Dossier | None:
    """All about the order that a link opens."""
    order = deliver.find_of_link(db, order_no, token)
    return None if order is None else _dossier(db, order)


def dossier(db: Reader, order_id: int) -> Dossier:
    """All about an order that its buyer may see."""
    return _dossier(db, orders.get(db, order_id))


def _dossier(db: Reader, order: Order) -> Dossier:
    attempts = payments.attempts(db, order.order_id)
    return Dossier(
        order=order,
        lines=orders.lines(db, order.order_id),
        exceptions=orders.open_exceptions(db, order.order_id),
        attempt=attempts[-1] if attempts else None,
        refunds=[refund for refund in payments.refunds(db, order.order_id) if refund.status != "failed"],
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


@get("/o/{order_no:str}")
async def order_page(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes]:
    """The order as it stands, as the framework routes it."""
    return response(await answer_page(shop_of(request), request.scope, request.receive, order_no))  # type: ignore[arg-type]


async def answer_page(shop: Shop, scope: Scope, receive: Receive, order_no: str) -> Answer:
    """The same without the framework: one look, which tells nothing to whoever has not the link's token."""
    asked = dict(reversed(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)))
    token = asked.get("k", "")
    found = await shop.db.glance(dossier_of_link, order_no, token) if may_be_link(order_no, token) else None
    if found is None:
        raise NotFound("There is no such order.")
    return await drawn(shop, scope, found, note=NOT_ARRIVED if "checked" in asked else "")


async def linked(request: AnyRequest, order_no: str, token: str) -> Order:
    """The order that a link opens. Raises NotFound."""
    if not may_be_link(order_no, token):
        raise NotFound("There is no such order.")
    return await deliver.order_of_link(shop_of(request), order_no, token)


def may_be_link(order_no: str, token: str) -> bool:
    """Whether a number and a token are as long as any of ours."""
    return 0 < len(order_no) <= 32 and 0 < len(token) <= 64


async def show(request: AnyRequest, order: Order, *, revealed: Sequence[Revealed]) -> Response[bytes]:
    """The order's page with its codes."""
    shop = shop_of(request)
    found = await shop.db.glance(dossier, order.order_id)
    return response(await drawn(shop, request.scope, found, revealed=revealed))  # type: ignore[arg-type]


async def drawn(
    shop: Shop, scope: Scope, found: Dossier, *, note: str = "", revealed: Sequence[Revealed] | None = None
) -> Answer:
    """The cashier for an order that can still be paid, the order's page for any other."""
    pages, shelf = pages_in(scope), (await shop.shelf.look()).listing
    view = _order_view(shop, found, shelf, revealed)
    link = url("order", view.order_no, view.token)
    if view.status == "pending" and view.expires_at > shop.clock.now() and view.exception in PAYABLE:
        visitor = await visitor_in(shop, scope)
        till = Till(shop, pages.words_of(scope), visitor.device, max(0, view.total.minor - view.paid.minor))
        cashier = _cashier(till, found, shelf, view=view, visitor=visitor, note=note)
        policy = _form_policy(cashier.payment.kind, cashier.payment.url)
        return pages.whole(scope, "cashier.html", cashier, path=link, headers={**PRIVATE, **policy})
    has_codes = any(line.delivered for line in found.lines) and not is_paid_back(found.order, found.refunds)
    said = pages.words_of(scope).gettext(note) if note and view.status == "pending" else ""
    is_revealed = revealed is not None
    page = OrderPage(order=view, can_reveal=has_codes, is_revealed=is_revealed, note=said, state=_state(shop, found))
    return pages.whole(scope, "order.html", page, path=link, headers=PRIVATE)


def _cashier(till: Till, found: Dossier, shelf: Listing, *, view: OrderView, visitor: Visitor, note: str) -> Cashier:
    shop, account = till.shop, _account(found, shelf)
    payment = payment_view(shop, found.attempt, account, till.words)
    is_begun = payment.kind not in ("failed", "none")
    on_offer = offers.on_offer(shop, shelf.accounts, _basket(found, shelf), visitor)
    if is_begun and account:
        on_offer = [c for c in on_offer if not c.stands_for(account.name, payment.method)]
    ends_at = view.expires_at
    if is_begun and found.attempt and shop.clock.now() < found.attempt.vendor_expires_at < ends_at:
        ends_at = found.attempt.vendor_expires_at
    return Cashier(
        order=view,
        due=Money(till.due_minor or 0, view.total.currency),
        payment=payment,
        choices=pay_choices(till, on_offer),
        seconds_left=max(0, (ends_at - shop.clock.now()) // SECOND),
        note=till.words.gettext(note) if note else "",
        app=visitor.device if is_begun and not works_in(visitor.device, payment.method) else "",
        is_phone=visitor.device not in ("", "desktop"),
        state=_state(shop, found),
        ends_at=ends_at,
    )


def _account(found: Dossier, shelf: Listing) -> GatewayAccount | None:
    newest = found.attempt
    return next((a for a in shelf.accounts if newest is not None and a.gateway_id == newest.gateway_id), None)


def _basket(found: Dossier, shelf: Listing) -> offers.Basket:
    products = [shelf.products[n] for n in dict.fromkeys(line.product_id for line in found.lines) if n in shelf.products]
    return offers.basket(products, shelf.categories, found.order.total_minor)


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


def _order_view(shop: Shop, found: Dossier, shelf: Listing, revealed: Sequence[Revealed] | None) -> OrderView:
    order = found.order
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
        lines=tuple(
            _line_view(line, order, shelf.products.get(line.product_id), codes.get(line.line_id)) for line in found.lines
        ),
        link=shop.base_url + url("order", order.order_no, token),
        refunds=tuple(_refund_view(refund) for refund in found.refunds),
    )


def _refund_view(refund: Refund) -> RefundView:
    amount = Money(refund.amount_minor, refund.currency)
    return RefundView(status=refund.status, amount=amount, at=refund.ended_at or refund.created_at, claim_url=refund.claim_url)


def _line_view(line: Line, order: Order, product: Product | None, codes: tuple[str, ...] | None) -> LineView:
    """`product` is None where it is younger, in another process, than what this one has seen of the shelf."""
    labels = {q.name: q.label for q in msgspec.json.decode(product.fields, type=list[BuyerField])} if product else {}
    answers = msgspec.json.decode(line.fields, type=dict[str, str])
    return LineView(
        product_name=line.product_name,
        sku_name=line.sku_name,
        product_slug="" if product is None or product.is_hidden else product.slug,
        quantity=line.quantity,
        delivered=line.delivered,
        unit=Money(line.unit_minor, order.currency),
        total=Money(line.total_minor, order.currency),
        is_manual=line.delivery == "manual",
        answers=tuple((labels.get(name, name), answer) for name, answer in answers.items()),
        instructions=product.instructions if product and line.delivered else "",
        codes=None if codes is None else tuple(exact(code) for code in codes),
    )


ways = [Way.on(("GET",), "/o/*", answer_page)]
