"""Who may order now: new orders line up before any work is done for them, and past what the line bears each is told at once when
to come back. Who asks for what is sold out, or for what nobody could be given, stands in no line: he hears so.

Always true: an order stands in line only once its body is here, so slow senders hold nobody up; whoever went away while waiting
gives the place to the next; nothing but new orders ever waits here. Our own server keeps an order that waits as the bytes that
came (web/protocol.py): it has no task, no scope and no parsed header before its turn has come.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from kashop.flows.glance import is_vain
from kashop.lib.errors import Busy
from kashop.lib.line import ComeIn, Few, Line, Place, Turn
from kashop.shelf.types import Snapshot
from kashop.shop import Shop
from kashop.web.api.products import CHANNEL as API
from kashop.web.direct import say, whole_body
from kashop.web.edge import App, Message, Receive, Scope, Send
from kashop.web.errors import Answer, Stopped
from kashop.web.forms import parse_pairs
from kashop.web.storefront.shelves import CHANNEL as WEB

BY_API, BY_FORM = "/api/v1/orders", "/checkout"
ORDERS = frozenset({("POST", BY_API), ("POST", BY_FORM)})

AT_ONCE = 128
"""Orders that are worked at: enough for a group to form while another one is written, few enough for the loop to look round."""

PATIENCE = 20.0
"""Seconds that the last one in line may expect to wait: a third of what proxies wait for an answer."""

AT_A_TIME = 4
"""So many who stand in no line are answered between two looks of the event loop at everybody else."""

MAX_FIELDS = 60

Page = Callable[[Scope, bytes, Busy], Answer | None]
"""Draws the answer to a form that was refused, from the form as it was sent; None when it is no form."""


class Admission:
    """The ASGI application between the edge and the framework."""

    def __init__(self, app: App, shop: Shop | None, page: Page, *, line: Line | None = None):
        self._app = app
        self._shop = shop
        self._page = page
        self.line = line or Line(at_once=AT_ONCE, patience=PATIENCE)
        self._others = Few(AT_A_TIME)

    def stand(self, path: str, body: bytes, come_in: ComeIn) -> Place:
        """A place for a new order that is here as bytes; `come_in` is called in a later turn of the loop, with a turn unless it
        is to be answered without one."""
        shown = self._shop.shelf.glance() if self._shop else None
        if self.line.is_full or (shown is not None and self._is_vain(shown, path, body)):  # told so by its own path
            return self._others.stand(come_in)
        return self.line.stand(come_in)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"], scope["path"]) in ORDERS:
            await self._order(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _order(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises Busy for whoever gets no page, and Stopped when the client went away."""
        turn: Turn | None = scope["state"].pop("turn", None)
        body = await whole_body(receive)
        if turn is not None:
            turn.hold()
        elif self._shop is None or not self._is_vain(await self._shop.shelf.look(), scope["path"], body):
            try:
                turn = await self.line.enter()
            except Busy as busy:
                answer = self._page(scope, body, busy) if scope["path"] == BY_FORM else None
                if answer is None:
                    raise
                await say(send, answer)
                return
        try:
            if not _is_gone(scope):
                await self._app(scope, _again(body, receive), send)
        finally:
            if turn is not None:
                turn.end()

    def _is_vain(self, shown: Snapshot, path: str, body: bytes) -> bool:
        wants = _wants(path, body)
        return wants is not None and is_vain(self._shop, shown, API if path == BY_API else WEB, wants)  # type: ignore[arg-type]


class _Line(msgspec.Struct):
    sku: str
    quantity: int


class _Wish(msgspec.Struct):
    lines: tuple[_Line, ...]


_wish = msgspec.json.Decoder(_Wish)


def _wants(path: str, body: bytes) -> list[tuple[str, int]] | None:
    """What an order asks for; None when that cannot be seen at a glance."""
    if path == BY_API:
        try:
            return [(line.sku, line.quantity) for line in _wish.decode(body).lines]
        except (msgspec.DecodeError, RecursionError):
            return []  # nobody can be given that
    try:
        sent = parse_pairs(body, max_fields=MAX_FIELDS)
    except Stopped:
        return None
    found = dict(sent)
    if "kept" in found or len(found) < len(sent):  # a form that comes back with its proof holds the order sealed
        return None
    sku, quantity = found.get("sku", "").strip(), found.get("quantity", "").strip()
    is_plain = bool(sku) and len(quantity) < 7 and quantity.isascii() and quantity.isdigit()
    return [(sku, int(quantity))] if is_plain else None


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read is received as if it had just come."""
    is_told = False

    async def told() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return told


def _is_gone(scope: Scope) -> bool:
    """Whether the connection was lost meanwhile; only our own protocol tells (web/protocol.py)."""
    cycle: Any = scope["state"].get("cycle")
    return cycle is not None and cycle.disconnected
