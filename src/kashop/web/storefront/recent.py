"""This browser's own orders: a signed cookie with the newest numbers, so that a buyer without a password finds back.

Always true: at most ten; a cookie that we did not sign is no cookie; the buyer can clear it.
"""

import re

from litestar.datastructures import Cookie

from kashop.shop import Shop
from kashop.web.sessions import AnyConnection

NAME = "kashop_orders"
MOST = 10

_MONTH = 30 * 24 * 3600
_PURPOSE = "recent orders"
_NUMBERS = re.compile(r"[0-9A-Z]{1,32}(?:\.[0-9A-Z]{1,32})*", re.ASCII)


def recent_orders(shop: Shop, connection: AnyConnection) -> list[str]:
    """The order numbers that this browser may open, newest first."""
    text, _, mac = connection.cookies.get(NAME, "")[:1000].partition(":")
    if not _NUMBERS.fullmatch(text) or not shop.keyring.is_signed(_PURPOSE, text, mac):
        return []
    return text.split(".")[:MOST]


def with_order(shop: Shop, connection: AnyConnection, order_no: str) -> Cookie:
    """The cookie with one more order."""
    known = [no for no in recent_orders(shop, connection) if no != order_no]
    text = ".".join([order_no, *known][:MOST])
    return _cookie(shop, f"{text}:{shop.keyring.sign(_PURPOSE, text)}", _MONTH)


def forgotten(shop: Shop) -> Cookie:
    """What takes the list away."""
    return _cookie(shop, "", 0)


def _cookie(shop: Shop, value: str, max_age: int) -> Cookie:
    is_https = shop.base_url.startswith("https:")
    # Lax, not Strict: a buyer who comes back from a gateway's site is to be recognised
    return Cookie(key=NAME, value=value, path="/", max_age=max_age, httponly=True, samesite="lax", secure=is_https)
