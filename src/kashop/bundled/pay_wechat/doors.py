"""The addresses of our own pages on the way to WeChat Pay: everything a page must know stands in them, proved by a mark.

Always true: nothing secret stands there; a page is served by the account that made its address, found among those that are open.
"""

import base64
import weakref
from collections.abc import MutableMapping
from typing import Protocol
from urllib.parse import urlencode

import msgspec

from kashop.plugins.api import Begun, Context, is_same


class Wish(msgspec.Struct, frozen=True, array_like=True):
    """A payment that begins only when its buyer is known to WeChat. Addresses of the shop are without its host."""

    attempt_no: str
    amount_minor: int
    title: str
    callback: str
    back: str
    expires_at: int


class Door(Protocol):
    """An account as its pages need it."""

    def mark(self, text: str) -> str:
        """A proof that a text is ours."""
        ...

    def consent(self, page: str) -> str:
        """Where WeChat says who the buyer is, and comes back to a page with a code."""
        ...

    async def prepay(self, wish: Wish, code: str) -> dict[str, str]:
        """What WeChat's bridge is told to ask for the money. Raises GatewayFailed."""
        ...


_open: MutableMapping[Context, "weakref.WeakSet[Door]"] = weakref.WeakKeyDictionary()


def register(ctx: Context, door: Door) -> None:
    """Let pages find an account for as long as the shop holds it."""
    _open.setdefault(ctx, weakref.WeakSet()).add(door)


def find(ctx: Context, text: str, mark: str) -> Door | None:
    """The account that made an address; None for a forged one, and before the shop has opened the account after its start."""
    return next((door for door in _open.get(ctx, ()) if is_same(mark, door.mark(text))), None)


def to_pay(ctx: Context, door: Door, wish: Wish) -> str:
    """The address of the page on which a buyer pays inside WeChat."""
    return _page(ctx, door, "pay", base64.urlsafe_b64encode(msgspec.json.encode(wish)).decode().rstrip("="))


def read_wish(text: str) -> Wish:
    """What `to_pay` wrote. Raises ValueError."""
    return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Wish)


def to_leave(ctx: Context, door: Door, url: str) -> Begun:
    """The page that leads on to WeChat's own, which asks to be told what site its visitor comes from."""
    return Begun(kind="redirect", url=_page(ctx, door, "leave", url))


def _page(ctx: Context, door: Door, page: str, text: str) -> str:
    return f"{ctx.base_url}/x/{ctx.plugin}/{page}?{urlencode({'d': text, 's': door.mark(text)})}"
