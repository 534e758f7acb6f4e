"""The answer to an order form when too many order at once: nothing was ordered, and the same form goes out again by itself.

Always true: the page holds what was sent and nothing else, the idempotency key with it, so that trying again never orders
twice; it is drawn once a second for each language, however many are refused.
"""

import secrets
import time
from collections.abc import Callable

from markupsafe import Markup, escape

from kashop.lib.errors import Busy
from kashop.web.context import Again, ErrorPage
from kashop.web.edge import Scope
from kashop.web.errors import Stopped
from kashop.web.forms import parse_pairs
from kashop.web.pages import Pages, ways_out
from kashop.web.urls import url

MAX_FIELDS, MAX_BYTES = 60, 64 * 1024
KEPT_SECONDS = 1.0
_FORM = b"application/x-www-form-urlencoded"


class BusyPage:
    """One for the process. `seconds` is a clock that never goes back."""

    def __init__(self, pages: Pages, *, seconds: Callable[[], float] = time.monotonic):
        self._pages = pages
        self._seconds = seconds
        self._mark = secrets.token_hex(16)
        """Stands where each answer has its own: no text that is drawn can hold it."""
        self._drawn: dict[str, tuple[float, list[bytes]]] = {}

    def __call__(self, scope: Scope, body: bytes, busy: Busy) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
        """The whole answer; None for what is no order form."""
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if kind.partition(b";")[0].strip().lower() != _FORM or len(body) > MAX_BYTES:
            return None
        try:
            pairs = parse_pairs(body, max_fields=MAX_FIELDS)
        except Stopped:
            return None
        field = Markup('<input type="hidden" name="{}" value="{}">')
        fields = Markup("").join(field.format(name, value) for name, value in pairs)
        own = {"fields": fields, "seconds": busy.retry_after, "request": escape(scope["state"]["request_id"])}
        page = self._filled(scope, {name: str(value) for name, value in own.items()})
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-length", b"%d" % len(page)),
            (b"cache-control", b"no-store"),
            (b"retry-after", b"%d" % busy.retry_after),
        ]
        return busy.status, headers, page

    def _filled(self, scope: Scope, own: dict[str, str]) -> bytes:
        locale, now = self._pages.locale(scope), self._seconds()
        until, parts = self._drawn.get(locale, (0.0, []))
        if now >= until:
            parts = self._draw(scope, locale).encode().split(self._mark.encode())
            self._drawn[locale] = (now + KEPT_SECONDS, parts)
        return b"".join(own[part.decode()].encode() if n % 2 else part for n, part in enumerate(parts))

    def _draw(self, scope: Scope, locale: str) -> str:
        def place(name: str) -> str:
            return f"{self._mark}{name}{self._mark}"

        words = self._pages.theme.catalogues[locale]
        view = ErrorPage(
            status=Busy.status,
            code=Busy.code,
            title=words.gettext("Very many people are ordering just now"),
            text=words.gettext(
                "Your order has not been made yet. What you entered is kept, and trying again never orders twice."
            ),
            request_id=place("request"),
            ways_out=ways_out(words),
            again=Again(action=url("checkout"), fields=place("fields"), seconds=place("seconds")),
        )
        return self._pages.draw(scope, "error.html", view, path=url("home"))
