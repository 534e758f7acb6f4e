"""Who may order now: new orders line up before any work is done for them, and past what the line bears each is told at once when
to come back.

Always true: a refusal costs no look, no price and no routing; an order stands in line only once its body is here, so slow
senders hold nobody up; whoever went away while waiting gives the place to the next; nothing but new orders ever waits here.
"""

from collections.abc import Callable
from typing import Any

from kashop.lib.errors import Busy
from kashop.lib.line import Line
from kashop.web.direct import say, whole_body
from kashop.web.edge import App, Message, Receive, Scope, Send
from kashop.web.errors import Answer

ORDERS = frozenset({("POST", "/api/v1/orders"), ("POST", "/checkout")})

AT_ONCE = 128
"""Orders that are worked at: enough for a group to form while another one is written, few enough for the loop to look round."""

PATIENCE = 15.0
"""Seconds that the last one in line may expect to wait."""

Page = Callable[[Scope, bytes, Busy], Answer | None]
"""Draws the answer to a form that was refused, from the form as it was sent; None when it is no form."""


class Admission:
    """The ASGI application between the edge and the framework."""

    def __init__(self, app: App, page: Page, *, line: Line | None = None):
        self._app = app
        self._page = page
        self.line = line or Line(at_once=AT_ONCE, patience=PATIENCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"], scope["path"]) in ORDERS:
            await self._order(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _order(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises Busy for whoever gets no page, and Stopped when the client went away."""
        is_form = scope["path"] == "/checkout"
        if not is_form:
            self.line.check()  # before its body is read
        body = await whole_body(receive)
        try:
            turn = await self.line.enter()
        except Busy as busy:
            answer = self._page(scope, body, busy) if is_form else None
            if answer is None:
                raise
            await say(send, answer)
            return
        try:
            if not _is_gone(scope):
                await self._app(scope, _again(body, receive), send)
        finally:
            turn.end()


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
