"""Where each page of the shop is found: the only place that writes an address."""

from collections.abc import Callable
from urllib.parse import quote, quote_plus


def _path(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


_PATHS: dict[str, Callable[..., str]] = {
    "home": lambda: "/",
    "category": lambda slug: "/c/" + _path(slug),
    "product": lambda slug: "/p/" + _path(slug),
    "checkout": lambda: "/checkout",
    "lookup": lambda: "/lookup",
    "forget": lambda: "/lookup/forget",
    "upload": lambda name: "/uploads/" + _path(name),
    "order": lambda no, token: "/o/" + _path(no) + "?k=" + quote_plus(token),
    "order_status": lambda no, token, was="": (
        "/o/" + _path(no) + "/status?k=" + quote_plus(token) + ("&was=" + quote_plus(was) if was else "")
    ),
    "order_events": lambda no, token, state: "/o/" + _path(no) + "/events?k=" + quote_plus(token) + "&was=" + quote_plus(state),
    "order_check": lambda no: "/o/" + _path(no) + "/check",
    "order_reveal": lambda no: "/o/" + _path(no) + "/reveal",
    "order_codes": lambda no: "/o/" + _path(no) + "/codes.txt",
    "order_cancel": lambda no: "/o/" + _path(no) + "/cancel",
    "order_attempts": lambda no: "/o/" + _path(no) + "/attempts",
}


def url(name: str, *places: str) -> str:
    """The address of a page by its name; each place is quoted."""
    return _PATHS[name](*places)
