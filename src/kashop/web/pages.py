"""How a page of the shop is drawn: the theme that is chosen, the visitor's language, the frame round every page.

Always true: a template sees one frozen Struct, the frame and the words; every page varies by language and says so;
the language cookie is set only by a visitor who chose.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from http.cookies import CookieError, SimpleCookie
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from litestar import Request, Response

from kashop.lib.errors import FieldError
from kashop.shop import Shop
from kashop.web.context import Complaint, ErrorPage, Form, Frame, Language, WayOut
from kashop.web.errors import Page
from kashop.web.text import DEFAULT_LOCALE, Catalogue, babel_locale, choose_locale
from kashop.web.themes import Theme, ThemeBroken, load_theme
from kashop.web.urls import url

Scope = MutableMapping[str, Any]
AnyRequest = Request[Any, Any, Any]

LOCALE_COOKIE = "kashop_locale"
LOCALE_PARAMETER = "lang"
DEFAULT_THEME = "default"

_YEAR = 365 * 24 * 3600


class Pages:
    """Draws the shop's pages. One for the process, at `app.state.pages`."""

    def __init__(self, shop: Shop, *, is_strict: bool = False):
        self._shop = shop
        self._is_strict = is_strict
        self._theme = self._load()

    @property
    def theme(self) -> Theme:
        """The theme that the settings name now."""
        if self._wanted != self._shop.settings.text("shop.theme"):
            self._theme = self._load()
        return self._theme

    def _load(self) -> Theme:
        self._wanted = self._shop.settings.text("shop.theme")
        try:
            theme = self._load_named(self._wanted)
        except ThemeBroken as broken:  # a shop must sell even when its theme is gone
            self._shop.log.error("theme cannot be used", theme=self._wanted, problem=str(broken))
            theme = self._load_named(DEFAULT_THEME)
        for locale in theme.catalogues:
            theme.environment(locale).globals["url"] = url
        return theme

    def _load_named(self, name: str) -> Theme:
        return load_theme(
            name,
            data=self._shop.config.data,
            timezone=lambda: self._shop.settings.text("shop.timezone"),
            is_strict=self._is_strict,
        )

    def locale(self, scope: Scope) -> str:
        """The language to answer a request in."""
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        return choose_locale(
            wanted=query.get(LOCALE_PARAMETER) or _cookies(scope).get(LOCALE_COOKIE, ""),
            accepted=_header(scope, b"accept-language"),
            offered=list(self.theme.catalogues),
            default=self._shop.settings.text("shop.locale") or DEFAULT_LOCALE,
        )

    def words(self, request: AnyRequest) -> Catalogue:
        """The catalogue that answers a request."""
        return self.theme.catalogues[self.locale(request.scope)]  # type: ignore[arg-type]

    def draw(self, scope: Scope, template: str, view: msgspec.Struct, *, path: str = "") -> str:
        """A whole page as text. `path` is where this page can be opened again, when that is not the request's own address."""
        locale = self.locale(scope)
        return _rendered(self.theme, locale, template, view, self._frame(scope, locale, path))

    def answer(
        self,
        request: AnyRequest,
        template: str,
        view: msgspec.Struct,
        *,
        status: int = 200,
        path: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response[bytes]:
        """A whole page as an answer."""
        scope: Scope = request.scope  # type: ignore[assignment]
        body = self.draw(scope, template, view, path=path).encode()
        return self._response(request, body, status, headers or {})

    def answer_shared(self, request: AnyRequest, template: str, view: msgspec.Struct) -> Response[bytes]:
        """A page that is the same for all who read its language: drawn once for each content, which must be hashable."""
        scope: Scope = request.scope  # type: ignore[assignment]
        locale = self.locale(scope)
        body, etag = _drawn(self.theme, locale, template, view, self._frame(scope, locale, ""))
        is_known = etag in request.headers.get("if-none-match", "") and LOCALE_PARAMETER not in request.query_params
        return self._response(request, b"" if is_known else body, 304 if is_known else 200, {"etag": etag})

    def _response(self, request: AnyRequest, body: bytes, status: int, headers: Mapping[str, str]) -> Response[bytes]:
        response = Response(body, status_code=status, media_type="text/html; charset=utf-8")
        response.headers.update({"vary": "Cookie, Accept-Language", "cache-control": "private, no-cache", **headers})
        if request.query_params.get(LOCALE_PARAMETER) in self.theme.catalogues:
            response.set_cookie(
                LOCALE_COOKIE, request.query_params[LOCALE_PARAMETER], max_age=_YEAR, path="/", httponly=True, samesite="lax",
                secure=self._shop.base_url.startswith("https:"),
            )  # fmt: skip
        return response

    def error(self, scope: Scope, page: Page) -> str | None:
        """The page that says no, for `web.errors.Errors`; the panel draws its own."""
        path = scope.get("path", "")
        if path.startswith("/admin"):
            return None
        words = self.theme.catalogues[self.locale(scope)]
        view = ErrorPage(
            status=page.status,
            code="",
            title=page.title,
            text=page.message,
            request_id=page.request_id,
            ways_out=ways_out(words),
            complaints=tuple(Complaint(field=field, text=text) for field, text in page.complaints),
        )
        return self.draw(scope, "error.html", view, path=path if scope.get("method") == "GET" else "/")

    def _frame(self, scope: Scope, locale: str, path: str) -> Frame:
        settings = self._shop.settings
        own = path or quote(scope.get("path", "/"))
        if not path and scope.get("query_string"):
            own += "?" + scope["query_string"].decode("latin-1")
        return Frame(
            shop_name=settings.text("shop.name"),
            announcement=settings.text("shop.announcement"),
            support=settings.text("shop.support"),
            is_practice=settings.flag("shop.practice"),
            languages=tuple(_language(name, own, locale) for name in sorted(self.theme.catalogues, reverse=True)),
            path=scope.get("path", "/"),
        )


def _rendered(theme: Theme, locale: str, template: str, view: msgspec.Struct, frame: Frame) -> str:
    values = {name: getattr(view, name) for name in view.__struct_fields__}
    return theme.environment(locale).get_template(template).render(values, frame=frame)


@lru_cache(maxsize=256)
def _drawn(theme: Theme, locale: str, template: str, view: msgspec.Struct, frame: Frame) -> tuple[bytes, str]:
    """A page and its ETag. Kept by content, so that what is kept is never out of date."""
    body = _rendered(theme, locale, template, view, frame).encode()
    return body, f'"{blake2b(body, digest_size=16).hexdigest()}"'


def pages_of(request: AnyRequest) -> Pages:
    """What draws the pages of this process."""
    return cast(Pages, request.app.state.pages)


def ways_out(words: Catalogue) -> tuple[WayOut, ...]:
    """Where to go from a page that says no."""
    return (
        WayOut(label=words.gettext("See all products"), href=url("home")),
        WayOut(label=words.gettext("Find my orders"), href=url("lookup")),
    )


def form_of(words: Catalogue, values: Mapping[str, str], errors: Sequence[FieldError]) -> Form:
    """What was typed and what is wrong with it; `fields.x` of a rule is `field_x` on the page."""
    complaints = tuple(Complaint(field=e.field.replace("fields.", "field_", 1), text=words.field_error(e)) for e in errors)
    by_field: dict[str, str] = {}
    for complaint in complaints:
        by_field.setdefault(complaint.field, complaint.text)
    return Form(values=dict(values), errors=by_field, complaints=complaints)


def _language(name: str, own: str, current: str) -> Language:
    address, _, query = own.partition("?")
    kept = [(k, v) for k, v in parse_qsl(query) if k != LOCALE_PARAMETER]
    href = f"{address}?{urlencode([*kept, (LOCALE_PARAMETER, name)])}"
    return Language(
        locale=name,
        label=babel_locale(name).get_language_name(name) or name,
        href=href,
        is_current=name == current,
    )


def _cookies(scope: Scope) -> dict[str, str]:
    try:
        jar: SimpleCookie = SimpleCookie(_header(scope, b"cookie"))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def _header(scope: Scope, name: bytes) -> str:
    return next((v.decode("latin-1") for n, v in scope.get("headers", ()) if n == name), "")
