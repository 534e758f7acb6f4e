"""The order form: parse, one call, and the cashier; or the same page again with what is wrong."""

import hashlib

import msgspec
from litestar import Request, Response, post

from kashop.flows import checkout as flow
from kashop.flows.checkout import Checkout, Placed, Want
from kashop.flows.pressure import ProofNeeded, ProofSpent
from kashop.lib import money
from kashop.lib.errors import FieldError, Invalid, PriceChanged, SoldOut
from kashop.lib.money import Money
from kashop.risk.budgets import OverBudget
from kashop.risk.captcha import Shown
from kashop.shop import Shop
from kashop.web.answers import answer_of
from kashop.web.context import ErrorPage, WayOut
from kashop.web.direct import Way, whole_body
from kashop.web.edge import Receive, Scope
from kashop.web.errors import Answer
from kashop.web.forms import Form, parse_pairs, read_form
from kashop.web.pages import form_of, pages_of, ways_out
from kashop.web.sessions import AnyRequest, request_id, shop_of
from kashop.web.storefront import proof, recent
from kashop.web.storefront.buyer import buyer, see_other
from kashop.web.storefront.payments import parsed
from kashop.web.storefront.product import OnSale, on_sale, product_page
from kashop.web.storefront.seen import expected_total
from kashop.web.storefront.shelves import CHANNEL
from kashop.web.storefront.visitor import visitor_of
from kashop.web.urls import url

MAX_FIELDS = 60
_KIND = b"application/x-www-form-urlencoded"
_ANSWER = "field_"
_SHOWN_AS = {"lines.0.sku": "sku", "lines.0.quantity": "quantity", "lines": "quantity", "gateway": "payment", "method": "payment"}


async def checkout_directly(shop: Shop, scope: Scope, receive: Receive, _: str = "") -> Answer | None:
    """Place the order and go to its cashier: of a form as browsers send it."""
    if [value for name, value in scope["headers"] if name == b"content-type"] != [_KIND]:
        return None
    sent = Form(parse_pairs(await whole_body(receive), max_fields=MAX_FIELDS))
    return answer_of(await _answered(Request(scope), sent))  # type: ignore[arg-type]


@post("/checkout")
async def checkout(request: AnyRequest) -> Response[bytes]:
    """The same, as the framework routes it."""
    return await _answered(request, await read_form(request, max_fields=MAX_FIELDS))


async def _answered(request: AnyRequest, sent: Form) -> Response[bytes]:
    shop = shop_of(request)
    form = proof.reopened(shop, sent)
    shown = on_sale(await shop.shelf.look(), form.raw("product")[:64])
    try:
        wish, key = _read(request, form, shown)
        brought = proof.shown_of(request, sent)
        placed = await _placed(request, wish, key, brought)
    except ProofNeeded as needed:
        return await proof.proof_page(request, form, shown, needed)
    except OverBudget as refusal:
        return await proof.over_budget(request, shown, refusal)
    except Invalid as invalid:
        return await _again(request, form, shown, invalid)
    except (SoldOut, PriceChanged) as refusal:
        return _refused(request, shown, refusal)
    return _to_cashier(request, placed, brought.browser)


async def _placed(request: AnyRequest, wish: Checkout, key: str, shown: Shown) -> Placed:
    shop, visitor = shop_of(request), await visitor_of(request)
    visitor = msgspec.structs.replace(visitor, shown=shown)
    try:
        return await flow.place(shop, wish, buyer(request), key=key, visitor=visitor)
    except ProofSpent:  # a form that was sent again: it is asked for a new proof
        again = msgspec.structs.replace(visitor, shown=Shown(browser=shown.browser))
        return await flow.place(shop, wish, buyer(request), key=key, visitor=again)


def _read(request: AnyRequest, form: Form, shown: OnSale) -> tuple[Checkout, str]:
    quantity = form.integer("quantity", least=1, most=10**6)
    sku = form.text("sku", most=64, least=1)
    gateway, method = parsed(form.text("payment", most=130))
    answers = {
        name.removeprefix(_ANSWER): form.text(name, most=2000, is_long=True) for name in form.names() if name.startswith(_ANSWER)
    }
    wish = Checkout(
        lines=(Want(sku, quantity),),
        contact_type=shown.product.contact_type,
        contact=form.text("contact", most=254),
        gateway=gateway,
        method=method,
        lookup_password=form.secret("lookup_password", most=128),
        fields={name: answer for name, answer in answers.items() if answer},
        expected_minor=expected_total(form.text("seen", most=8000), sku, quantity),
        channel=CHANNEL,
        locale=pages_of(request).words(request).locale,
    )
    if sku and not any(s.sku_code == sku for s in shown.skus):
        form.complain("sku", "This is not for sale.")
    key = form.text("idempotency_key", most=100)
    form.done()
    return wish, _key(key, wish)


def _key(key: str, wish: Checkout) -> str:
    """One form sent twice is one order; a form that was changed after going back is another."""
    digest = hashlib.blake2b(msgspec.json.encode(wish, order="sorted"), digest_size=16).hexdigest()
    return f"{key}.{digest}" if key else ""


async def _again(request: AnyRequest, form: Form, shown: OnSale, invalid: Invalid) -> Response[bytes]:
    errors = [FieldError(_SHOWN_AS.get(e.field, e.field), e.message, e.params) for e in invalid.fields]
    typed = {name: form.raw(name) for name in form.names() if name != "lookup_password"}
    view = form_of(pages_of(request).words(request), typed, errors)
    return await product_page(request, shown, view, key=form.raw("idempotency_key")[:100], status=422)


def _refused(request: AnyRequest, shown: OnSale, refusal: SoldOut | PriceChanged) -> Response[bytes]:
    pages = pages_of(request)
    words = pages.words(request)
    is_sold_out = isinstance(refusal, SoldOut)
    back = words.gettext("Back to the product" if is_sold_out else "Order at the price of now")
    view = ErrorPage(
        status=refusal.status,
        code=refusal.code,
        title=words.gettext("Sold out just now" if is_sold_out else "The price has changed"),
        text=words.gettext(
            "There is less left than you asked for. No order was made."
            if is_sold_out
            else "It changed while you were ordering. No order was made."
        ),
        request_id=request_id(request),
        ways_out=(WayOut(label=back, href=url("product", shown.product.slug)), ways_out(words)[0]),
        was=_amount(refusal, "old"),
        now=_amount(refusal, "new"),
    )
    path = url("product", shown.product.slug)
    headers = {"cache-control": "no-store"}
    return pages.answer(request, "error.html", view, status=refusal.status, path=path, headers=headers)


def _amount(refusal: SoldOut | PriceChanged, name: str) -> Money | None:
    if not isinstance(refusal, PriceChanged):
        return None
    currency = refusal.detail["total"]["currency"]
    return Money(money.parse(refusal.detail[name], currency), currency)


def _to_cashier(request: AnyRequest, placed: Placed, browser: str) -> Response[bytes]:
    answer = see_other(url("order", placed.order.order_no, placed.token))
    answer.cookies.append(recent.with_order(shop_of(request), request, placed.order.order_no))
    if placed.order.status == "pending":
        answer.cookies.append(proof.number_cookie(shop_of(request), browser))
    return answer


ways = [Way.on(("POST",), "/checkout", checkout_directly)]
