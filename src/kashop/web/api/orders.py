"""Order, look, pay by another way, cancel, reveal. Whoever holds the order's token may; nobody else learns that it exists.

Always true: a replay under the same key answers the same order as it is now; a wrong token, a wrong number and
somebody else's order answer alike; codes leave by `reveal` alone.
"""

from typing import TypeVar

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from kashop.db import Reader
from kashop.flows import attempts, checkout, deliver
from kashop.flows.offers import Visitor
from kashop.lib import money
from kashop.lib.actor import Actor
from kashop.lib.clock import rfc3339
from kashop.lib.errors import FieldError, Invalid, NotFound
from kashop.orders import reads as orders
from kashop.orders import types as sales
from kashop.payments import reads as payments
from kashop.payments import rows
from kashop.risk import one_client
from kashop.risk.captcha import Shown
from kashop.shop import Shop
from kashop.web.answers import response
from kashop.web.api import shapes
from kashop.web.api.check import checked_query
from kashop.web.api.door import KEY, Operation, bearer_token, body_of, idempotency_key, order_token, proof_of, said, taken_body
from kashop.web.api.products import CHANNEL
from kashop.web.api.shapes import Amount
from kashop.web.direct import Way, whole_body
from kashop.web.edge import Receive, Scope
from kashop.web.errors import Answer
from kashop.web.forms import parse_pairs
from kashop.web.sessions import AnyRequest, client_ip, shop_of
from kashop.web.storefront.buyer import buyer
from kashop.web.urls import url

Kind = TypeVar("Kind", bound=shapes.Order)

_read_fields = msgspec.json.Decoder(dict[str, str]).decode

_OF_TOKEN: dict[int, tuple[str, ...]] = {401: ("token_missing",), 404: ("not_found",), 429: ("too_many",)}

PLACE = Operation(
    name="placeOrder",
    summary="Place an order and begin its payment",
    gives=shapes.PlacedOrder,
    status=201,
    body=shapes.NewOrder,
    needs_key=True,
    takes_proof=True,
    refusals={
        400: ("idempotency_key_missing", "idempotency_key_malformed"),
        409: ("sold_out", "price_changed", "unpaid_orders", "proof_spent"),
        422: ("invalid", "idempotency_mismatch"),
        428: ("proof_needed",),
        429: ("too_many",),
    },
)
SHOW = Operation(
    name="getOrder", summary="Show an order, without its codes", gives=shapes.Order, needs_token=True, refusals=_OF_TOKEN
)
REVEAL = Operation(
    name="revealCodes",
    summary="Show the codes that were delivered; each time is written down first",
    gives=shapes.Codes,
    body=shapes.Nothing,
    needs_token=True,
    refusals={**_OF_TOKEN, 409: ("not_delivered",)},
)
CANCEL = Operation(
    name="cancelOrder",
    summary="End an unpaid order",
    gives=shapes.Order,
    body=shapes.Nothing,
    needs_token=True,
    refusals={**_OF_TOKEN, 409: ("not_pending",)},
)
PAY = Operation(
    name="changePayment",
    summary="Pay an unpaid order by another gateway or method",
    gives=shapes.Order,
    status=201,
    body=shapes.NewAttempt,
    needs_token=True,
    refusals={**_OF_TOKEN, 409: ("not_pending", "too_many_attempts")},
)


async def place_directly(shop: Shop, scope: Scope, receive: Receive, _: str = "") -> Answer:
    """Place an order once for its key."""
    if scope["query_string"]:
        checked_query(parse_pairs(scope["query_string"]), PLACE.query)
    return await _placed(shop, scope, taken_body(scope, await whole_body(receive), shapes.NewOrder))


@post("/orders", opt={KEY: PLACE})
async def place(request: AnyRequest) -> Response[bytes]:
    """The same, as the framework routes it."""
    return response(await _placed(shop_of(request), request.scope, body_of(request, shapes.NewOrder)))  # type: ignore[arg-type]


async def _placed(shop: Shop, scope: Scope, new: shapes.NewOrder) -> Answer:
    key, client = idempotency_key(scope), scope.get("client")
    who = Actor("buyer", ip=client[0] if client else "", request_id=scope["state"].get("request_id", ""))
    try:
        visitor = Visitor(device=new.device, shown=Shown(answer=proof_of(scope)))
        placed = await checkout.place(shop, _wish(shop, new), who, key=key, visitor=visitor)
    except Invalid as wrong:
        fields = [FieldError(_PATHS.get(e.field, e.field), e.message, e.params) for e in wrong.fields]
        raise Invalid(wrong.message, code=wrong.code, fields=fields, **wrong.detail) from None
    told = _as_placed(placed)
    if told is None:
        told = await shop.db.read(_told, placed.order.order_id)
    order = _shown(shop, told, placed.token, shapes.PlacedOrder, token=placed.token)
    body = msgspec.json.encode(order)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"location", order.links.self.encode()),
    ]
    return PLACE.status, [*headers, (b"idempotent-replayed", b"true")] if placed.is_replay else headers, body


@get("/orders/{no:str}", opt={KEY: SHOW})
async def show(request: AnyRequest, no: FromPath[str]) -> Response[bytes]:
    """The order as it is."""
    return response(await answer_show(shop_of(request), request.scope, request.receive, no))  # type: ignore[arg-type]


async def answer_show(shop: Shop, scope: Scope, receive: Receive, no: str) -> Answer:
    """The same without the framework: one look, which tells nothing to whoever has not the order's token."""
    if scope["query_string"]:
        checked_query(parse_pairs(scope["query_string"]), SHOW.query)
    told = await shop.db.glance(_told_to, no, order_token(scope["headers"]))
    if told is None:
        client = scope.get("client")
        shop.limits.take("order token", one_client(client[0] if client else ""))
        raise NotFound("There is no such order.")
    body = msgspec.json.encode(_shown(shop, told, shop.keyring.order_token(told.order.order_no), shapes.Order))
    length = b"%d" % len(body)
    return 200, [(b"content-type", b"application/json"), (b"content-length", length), (b"cache-control", b"no-store")], body


@post("/orders/{no:str}/cancel", opt={KEY: CANCEL})
async def cancel(request: AnyRequest, no: FromPath[str]) -> Response[bytes]:
    """End it."""
    order = await _opened(request, no)
    await checkout.cancel(shop_of(request), order, buyer(request, no))
    return await _as_it_is(request, order)


@post("/orders/{no:str}/attempts", opt={KEY: PAY})
async def pay_otherwise(request: AnyRequest, no: FromPath[str]) -> Response[bytes]:
    """Begin another attempt."""
    order, wanted = await _opened(request, no), body_of(request, shapes.NewAttempt)
    who, visitor = buyer(request, no), Visitor(device=wanted.device)
    await attempts.change(shop_of(request), order, gateway=wanted.gateway, method=wanted.method, actor=who, visitor=visitor)
    return await _as_it_is(request, order, status=PAY.status)


@post("/orders/{no:str}/reveal", opt={KEY: REVEAL})
async def reveal(request: AnyRequest, no: FromPath[str]) -> Response[bytes]:
    """The codes."""
    order = await _opened(request, no)
    shop_of(request).limits.take("reveal", order.order_no)
    found = await deliver.reveal(shop_of(request), order, buyer(request, no), how="api")
    return said(shapes.Codes(lines=tuple(shapes.LineCodes(sku=f.line.sku_code, codes=f.codes) for f in found)))


_PATHS = {"contact": "contact.value", "total": "expected_total"}
"""Where the flow's word for a field differs from its place in the request."""


def _wish(shop: Shop, new: shapes.NewOrder) -> checkout.Checkout:
    return checkout.Checkout(
        lines=tuple(checkout.Want(line.sku, line.quantity) for line in new.lines),
        contact_type=new.contact.type,
        contact=new.contact.value,
        gateway=new.gateway,
        method=new.method,
        lookup_password=new.lookup_password,
        fields=new.fields,
        expected_minor=_expected(shop, new.expected_total),
        channel=CHANNEL,
    )


def _expected(shop: Shop, total: Amount | None) -> int | None:
    if total is None:
        return None
    currency = shop.settings.text("shop.currency")
    if total.currency != currency:
        raise Invalid.of("expected_total.currency", "This shop sells in {currency}.", currency=currency)
    return money.parse(total.amount, currency, field="expected_total.amount")


async def _opened(request: AnyRequest, no: str) -> sales.Order:
    """The order that the caller's token opens. Raises NotFound, TooMany."""
    shop, token = shop_of(request), bearer_token(request)
    try:
        return await deliver.order_of_link(shop, no, token)
    except NotFound:
        shop.limits.take("order token", one_client(client_ip(request)))
        raise


async def _as_it_is(request: AnyRequest, order: sales.Order, *, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    token = shop.keyring.order_token(order.order_no)
    return said(_shown(shop, await shop.db.read(_told, order.order_id), token, shapes.Order), status=status)


class _Told(msgspec.Struct, frozen=True):
    """Everything of an order that its buyer may know, as one moment saw it."""

    now: int
    order: sales.Order
    lines: list[sales.Line]
    exceptions: list[sales.OrderException]
    attempts: list[rows.Attempt]
    gateways: dict[int, str]
    refunds: list[rows.Refund]


def _as_placed(placed: checkout.Placed) -> _Told | None:
    """The same of an order that was placed just now, when that is all there is to tell."""
    order, attempt = placed.order, placed.attempt
    if not placed.lines or attempt is None:
        return None
    return _Told(order.created_at, order, list(placed.lines), [], [attempt], {attempt.gateway_id: placed.gateway}, [])


def _told(db: Reader, order_id: int) -> _Told:
    return _told_of(db, orders.get(db, order_id))


def _told_to(db: Reader, no: str, token: str) -> _Told | None:
    order = deliver.find_of_link(db, no, token)
    return None if order is None else _told_of(db, order)


def _told_of(db: Reader, order: sales.Order) -> _Told:
    attempts_made = payments.attempts(db, order.order_id)
    return _Told(
        db.now,
        order,
        orders.lines(db, order.order_id),
        orders.open_exceptions(db, order.order_id),
        attempts_made,
        {gateway_id: payments.gateway_name(db, gateway_id) for gateway_id in {a.gateway_id for a in attempts_made}},
        [refund for refund in payments.refunds(db, order.order_id) if refund.status != "failed"],
    )


def _shown(shop: Shop, told: _Told, secret: str, kind: type[Kind], **more: str) -> Kind:
    """What the API tells of an order, as this kind of it; `secret` opens its page."""
    order = told.order
    return kind(
        order_no=order.order_no,
        status=order.status,  # type: ignore[arg-type]
        exception=told.exceptions[0].kind if told.exceptions else None,
        total=Amount.of(order.total_minor, order.currency),
        paid=Amount.of(order.paid_minor, order.currency),
        refunded=Amount.of(order.refunded_minor, order.currency),
        created_at=rfc3339(order.created_at),
        expires_at=rfc3339(order.expires_at),
        paid_at=_time(order.paid_at),
        delivered_at=_time(order.delivered_at),
        lines=tuple(_line(line, order.currency) for line in told.lines),
        payments=tuple(_attempt(attempt, told.gateways[attempt.gateway_id]) for attempt in told.attempts),
        refunds=tuple(_refund(refund) for refund in told.refunds),
        payment=_payment(told),
        links=shapes.OrderLinks(
            page=shop.base_url + url("order", order.order_no, secret),
            self=f"{shop.base_url}/api/v1/orders/{order.order_no}",
        ),
        **more,
    )


def _payment(told: _Told) -> shapes.Payment | None:
    newest = told.attempts[-1] if told.attempts else None
    is_payable = told.order.status == "pending" and told.order.expires_at > told.now
    if newest is None or not is_payable or newest.status != "open" or not newest.kind:
        return None
    return shapes.Payment(
        attempt=newest.attempt_no,
        kind=newest.kind,  # type: ignore[arg-type]
        url=newest.url,
        qr=newest.qr,
        fields=_read_fields(newest.fields),
        amount=Amount.of(newest.amount_minor, newest.currency),
        fee=Amount.of(newest.fee_minor, told.order.currency),
        coin=newest.coin,
        coin_amount=newest.coin_amount,
        expires_at=rfc3339(min(newest.vendor_expires_at or newest.expires_at, newest.expires_at)),
    )


def _attempt(attempt: rows.Attempt, gateway: str) -> shapes.Attempt:
    return shapes.Attempt(
        attempt=attempt.attempt_no,
        gateway=gateway,
        method=attempt.method,
        status=attempt.status,  # type: ignore[arg-type]
        amount=Amount.of(attempt.amount_minor, attempt.currency),
        created_at=rfc3339(attempt.created_at),
    )


def _refund(refund: rows.Refund) -> shapes.Refund:
    return shapes.Refund(
        refund=refund.refund_no,
        status=refund.status,  # type: ignore[arg-type]
        amount=Amount.of(refund.amount_minor, refund.currency),
        created_at=rfc3339(refund.created_at),
        done_at=_time(refund.ended_at),
        claim_url=refund.claim_url,
    )


def _line(line: sales.Line, currency: str) -> shapes.Line:
    return shapes.Line(
        sku=line.sku_code,
        product_name=line.product_name,
        sku_name=line.sku_name,
        delivery=line.delivery,  # type: ignore[arg-type]
        quantity=line.quantity,
        delivered=line.delivered,
        unit_price=Amount.of(line.unit_minor, currency),
        total=Amount.of(line.total_minor, currency),
    )


def _time(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)


ways = [Way.on(("POST",), "/api/v1/orders", place_directly), Way.on(("GET",), "/api/v1/orders/*", answer_show)]
