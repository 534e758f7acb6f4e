"""Under pressure: the page on which a buyer's browser proves its work, or he his turn; and who holds too much unpaid already.

Always true: the form that he sent comes back with the proof as it was, sealed, so that nobody between can change it and no page
shows his password; nothing of it is kept here.
"""

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from litestar import Response
from litestar.datastructures import Cookie

from kashop.db import Reader
from kashop.flows import pressure
from kashop.flows.pressure import ProofNeeded
from kashop.lib.clock import HOUR, MINUTE, SECOND
from kashop.orders import reads as orders
from kashop.orders.types import Order
from kashop.risk import one_client
from kashop.risk.budgets import OverBudget
from kashop.risk.captcha import Shown
from kashop.shop import Shop
from kashop.vault import Tampered
from kashop.web.context import ErrorPage, ProofPage, WayOut
from kashop.web.forms import Form
from kashop.web.pages import pages_of, ways_out
from kashop.web.sessions import AnyConnection, AnyRequest, client_ip, request_id, shop_of
from kashop.web.storefront.product import OnSale
from kashop.web.storefront.recent import recent_orders
from kashop.web.urls import url

BROWSER = "kashop_browser"
BROWSER_FOR = 2 * HOUR
"""As long as an unpaid order, and having let one run out, can matter: then the browser forgets its number."""
KEPT_FOR = 20 * MINUTE

_KEPT = "order form"
_NUMBER = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_OWN = ("kept", "proof", "ticket", "turn")


def reopened(shop: Shop, form: Form) -> Form:
    """The form as it was sent first, when this is one that comes back with a proof; else the form itself."""
    kept = form.raw("kept")
    if not kept:
        return form
    try:
        sealed = urlsafe_b64decode(kept.encode())
        at, pairs = msgspec.json.decode(shop.keyring.open_settings(sealed, name=_KEPT), type=tuple[int, list[tuple[str, str]]])
    except (ValueError, Tampered):
        return form
    return Form(pairs if at > shop.clock.now() - KEPT_FOR else [])


def shown_of(request: AnyRequest, form: Form) -> Shown:
    """What a browser brings besides its order."""
    return Shown(
        browser=browser_number(request),
        answer=form.raw("proof")[:8192],
        ticket=form.raw("ticket")[:200],
        asks_turn=form.flag("turn"),
    )


def browser_number(connection: AnyConnection) -> str:
    """The number that this browser was given with its last order; a new random one when it has none."""
    sent = connection.cookies.get(BROWSER, "")
    return sent if _NUMBER.fullmatch(sent) else secrets.token_urlsafe(16)


def number_cookie(shop: Shop, value: str) -> Cookie:
    """What a browser keeps that has an unpaid order. It names nobody and opens nothing."""
    is_https = shop.base_url.startswith("https:")
    age = BROWSER_FOR // SECOND
    return Cookie(key=BROWSER, value=value, path="/checkout", max_age=age, httponly=True, samesite="lax", secure=is_https)


async def proof_page(request: AnyRequest, form: Form, on_sale: OnSale, needed: ProofNeeded) -> Response[bytes]:
    """The page that asks for the proof, with the form in it."""
    shop, pages = shop_of(request), pages_of(request)
    now, turn = shop.clock.now(), needed.turn
    pairs = [(name, value) for name in form.names() if name not in _OWN for value in form.many(name)]
    sealed = shop.keyring.seal_settings(msgspec.json.encode((now, pairs)), name=_KEPT)
    view = ProofPage(
        product_name=on_sale.product.name,
        product_slug=on_sale.product.slug,
        kept=urlsafe_b64encode(sealed).decode(),
        challenge=msgspec.json.encode(needed.challenge).decode() if needed.challenge else "",
        script=needed.script,
        seconds=max(1, round(needed.task.work)),
        ticket=pressure.ticket_of(shop, turn, one_client(client_ip(request))) if turn else "",
        turn_at=turn.opens_at if turn else 0,
        turn_seconds=max(1, -((now - turn.opens_at) // SECOND)) if turn else 0,
        is_full=needed.is_full,
    )
    headers = {"cache-control": "no-store", "x-robots-tag": "noindex"}
    path = url("product", on_sale.product.slug)
    return pages.answer(request, "proof.html", view, status=needed.status, path=path, headers=headers)


async def over_budget(request: AnyRequest, on_sale: OnSale, refusal: OverBudget) -> Response[bytes]:
    """What to do for whoever holds too much: with the way to the open order, if this browser placed it."""
    shop, pages = shop_of(request), pages_of(request)
    words = pages.words(request)
    mine = await shop.db.read(_open_order, recent_orders(shop, request))
    back = WayOut(label=words.gettext("Back to the product"), href=url("product", on_sale.product.slug))
    ways = (back, ways_out(words)[1])
    if mine is not None:
        href = url("order", mine.order_no, shop.keyring.order_token(mine.order_no))
        ways = (WayOut(label=words.gettext("Pay or cancel my open order"), href=href), back)
    view = ErrorPage(
        status=refusal.status,
        code=refusal.code,
        title=words.gettext("First pay or cancel what is open"),
        text=words.say(refusal.message, refusal.detail),
        request_id=request_id(request),
        ways_out=ways,
    )
    headers = {"cache-control": "no-store"}
    path = url("product", on_sale.product.slug)
    return pages.answer(request, "error.html", view, status=refusal.status, path=path, headers=headers)


def _open_order(db: Reader, numbers: list[str]) -> Order | None:
    found = (orders.find(db, number) for number in numbers)
    return next((order for order in found if order and order.status == "pending" and order.expires_at > db.now), None)
