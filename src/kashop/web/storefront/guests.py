"""The door for guests: what is the same for all of them is answered from memory, without the framework and without the database.

Always true: staff, a choice of language, and whatever is not a look at a list, a product or an asset go the long way; the long
way gives a guest the same page.
"""

from collections.abc import Callable
from typing import cast
from urllib.parse import quote

from litestar import Response

from kashop.shelf.types import Snapshot
from kashop.shop import Shop
from kashop.web import answers
from kashop.web.cache import Cache, Content, Inputs
from kashop.web.drawn import Drawn
from kashop.web.errors import Answer
from kashop.web.pages import Pages, Scope
from kashop.web.sessions import MARK, AnyRequest
from kashop.web.storefront.visitor import SHUT_OUT, device_of

_MARK = MARK.encode()
_PRODUCT = "/p/"

ContentOf = Callable[[Shop, Inputs], Content | None]


class Guests:
    """One for the process, at `app.state.guests`. `content_of` says what a guest's page shows."""

    def __init__(self, shop: Shop, pages: Pages, content_of: ContentOf):
        self._shop = shop
        self._pages = pages
        self.cache = Cache(lambda inputs: content_of(shop, inputs), self._draw)

    def find(self, scope: Scope) -> Answer | None:
        """The answer to a request whose path and host were found good; None: the router answers it."""
        path: str = scope["path"]
        if scope["method"] != "GET":
            return None
        if path.startswith("/t/"):
            return self._pages.theme.assets.find(path, dict(scope["headers"]))
        if scope["query_string"] or not (path == "/" or path.startswith((_PRODUCT, "/c/"))):
            return None
        headers: dict[bytes, bytes] = dict(scope["headers"])
        cookie = headers.get(b"cookie", b"")
        snapshot = self._shop.shelf.glance()
        if snapshot is None or _MARK in cookie:
            return None
        page = self.cache.find(
            self._inputs(path, self._pages.locale_of(cookie, headers.get(b"accept-language", b"")), headers, snapshot)
        )
        return page.answer(headers) if page is not None and page.is_shareable else None

    def answer(self, request: AnyRequest, snapshot: Snapshot, path: str) -> Response[bytes] | None:
        """The same for who came through the router and is no staff; None when this page has to be drawn for each."""
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        locale = self._pages.locale(request.scope)  # type: ignore[arg-type]
        page = self.cache.find(self._inputs(path, locale, headers, snapshot))
        if page is None or not page.is_shareable:
            return None
        response = answers.response(page.answer(headers))
        self._pages.remember_language(request, response)
        return response

    def _inputs(self, path: str, locale: str, headers: answers.Headers, snapshot: Snapshot) -> Inputs:
        return Inputs(
            path=path,
            locale=locale,
            device=_app(headers.get(b"user-agent", b"")) if path.startswith(_PRODUCT) else "",
            snapshot=snapshot,
            settings=self._shop.settings,
            theme=self._pages.theme,
            templates=self._pages.templates,
            resting=self._shop.failures.resting(),
        )

    def _draw(self, inputs: Inputs, content: Content) -> Drawn:
        text = self._pages.render(inputs.locale, content.template, content.view, path=inputs.path, own=quote(inputs.path))
        told = ", User-Agent" if inputs.path.startswith(_PRODUCT) else ""
        return Drawn(text, vary=f"Accept-Encoding, Accept-Language, Cookie{told}")


def guests_of(request: AnyRequest) -> Guests:
    """What answers the guests of this process."""
    return cast(Guests, request.app.state.guests)


def _app(user_agent: bytes) -> str:
    """The app whose browser asks, if there is anything that it shuts out: all other devices are shown the same."""
    device = device_of(user_agent[:400].decode("latin-1"))
    return device if device in SHUT_OUT else ""
