"""What is asked most is answered without the framework: between the edge, which has admitted the request, and the routed doors.

Always true: whatever is answered here is answered alike by a routed handler, which calls the same function; what fits no way
(another method, a slash too many, a body of another kind) goes on to it. The framework's part of a small answer is more than all
the shop does for it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from kashop.shop import Shop
from kashop.web.calls import API, count_call
from kashop.web.edge import App, Receive, Scope, Send
from kashop.web.errors import Answer, Problem, Stopped

Direct = Callable[[Shop, Scope, Receive, str], Awaitable[Answer | None]]
"""Answers what stands in the path's place, which is '' where it has none; None, with nothing read: the framework is to answer it.
Raises what a handler may."""


@dataclass(frozen=True, slots=True)
class Way:
    """Paths that one function answers."""

    methods: tuple[str, ...]
    before: str
    after: str
    has_place: bool
    answer: Direct

    @classmethod
    def on(cls, methods: tuple[str, ...], path: str, answer: Direct) -> "Way":
        """`path` may have one `*`, which stands for one whole segment."""
        before, place, after = path.partition("*")
        return cls(methods, before, after, bool(place), answer)

    def find(self, method: str, path: str) -> str | None:
        """What stands in the place; None when this is not the way."""
        if method not in self.methods or not path.startswith(self.before) or not path.endswith(self.after):
            return None
        found = path[len(self.before) : len(path) - len(self.after)]
        return found if bool(found) is self.has_place and "/" not in found else None


class DirectWays:
    """The ASGI application before the framework's."""

    def __init__(self, app: App, shop: Shop, ways: tuple[Way, ...]):
        self._app = app
        self._shop = shop
        self._ways = ways

    @property
    def routes(self) -> Any:
        """The routed doors behind it."""
        return getattr(self._app, "routes", ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"].startswith(API):
                count_call(self._shop, scope)
            for way in self._ways:
                place = way.find(scope["method"], scope["path"])
                if place is None:
                    continue
                scope["litestar_app"] = self._app  # by which pages find what draws them
                answer = await way.answer(self._shop, scope, receive, place)
                if answer is not None:
                    await say(send, answer)
                    return
        await self._app(scope, receive, send)


async def say(send: Send, answer: Answer) -> None:
    """Send an answer whole."""
    status, headers, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def whole_body(receive: Receive) -> bytes:
    """The body, which the edge measures. Raises Stopped when its sender went away."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and message["type"] == "http.request":
        return body
    parts = [body]
    while message["type"] == "http.request" and message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
    if message["type"] != "http.request":
        raise Stopped(Problem(400, "malformed", "The request is not well-formed."))
    return b"".join(parts)
