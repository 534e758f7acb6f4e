"""How a page of the shop is drawn: the theme that is chosen, the visitor's language, the frame round every page.

Always true: a template sees one frozen Struct, the frame and the words; every page varies by language and says so;
the language cookie is set only by a visitor who chose.
"""

import re
import time
from collections.abc import Mapping, MutableMapping, Sequence
from functools import cache, lru_cache
from typing import Any, cast
from urllib.parse import parse_qsl, quote

import msgspec
from litestar import Request, Response
from litestar.datastructures import Cookie

from kashop.lib.errors import FieldError
from kashop.shop import Shop
from kashop.web.answers import response, set_cookie
from kashop.web.context import Complaint, ErrorPage, Form, Frame, Language, WayOut
from kashop.web.errors import Answer, Page
from kashop.web.text import DEFAULT_LOCALE, Catalogue, babel_locale, choose_locale
from kashop.web.themes import Theme, ThemeBroken, load_theme
from kashop.web.urls import url

Scope = MutableMapping[str, Any]
AnyRequest = Request[Any, Any, Any]

LOCALE_COOKIE = "kashop_locale"
LOCALE_PARAMETER = "lang"
DEFAULT_THEME = "default"

_NAMES_LOCALE = LOCALE_PARAMETER.encode() + b"="
_YEAR = 365 * 24 * 3600
_MAX_ACCEPT = 256
_LOCALE_COOKIE = re.compile(rb"(?:^|;)\s*" + LOCALE_COOKIE.encode() + rb"\s*=\s*\"?([A-Za-z0-9_-]{1,40})\"?\s*(?:;|$)")


class Pages:
    """Draws the shop's pages. One for the process, at `app.state.pages`."""

    def __init__(self, shop: Shop, *, is_strict: bool = False):
        self._shop = shop
        self._is_strict = is_strict
        self._theme = self._load()
        self._templates, self._look_again_at = 0, 0.0

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

    @property
    def templates(self) -> int:
        """The state of the theme's template files, looked at once a second."""
        now = time.monotonic()
        if now >= self._look_again_at:
            self._look_again_at, self._templates = now + 1, self.theme.templates_state()
        return self._templates

    def locale(self, scope: Scope) -> str:
        """The language to answer a request in."""
        headers = dict(scope.get("headers", ()))
        return self.locale_of(headers.get(b"cookie", b""), headers.get(b"accept-language", b""), _wanted(scope))

    def locale_of(self, cookie: bytes, accepted: bytes, asked: str = "") -> str:
        """The same by what a request says: asked for in its address, else chosen before, else preferred by the browser."""
        chosen = _LOCALE_COOKIE.search(cookie)
        wanted, offered = asked or (chosen[1].decode() if chosen else ""), self.theme.locales
        default = self._shop.settings.text("shop.locale") or DEFAULT_LOCALE
        return wanted if wanted in offered else _preferred(accepted[:_MAX_ACCEPT].decode("latin-1"), offered, default)

    def words(self, request: AnyRequest) -> Catalogue:
        """The catalogue that answers a request."""
        return self.words_of(request.scope)  # type: ignore[arg-type]

    def words_of(self, scope: Scope) -> Catalogue:
        """The same by the request itself."""
        return self.theme.catalogues[self.locale(scope)]

    def draw(self, scope: Scope, template: str, view: msgspec.Struct, *, path: str = "") -> str:
        """A whole page as text. `path` is where this page can be opened again, when that is not the request's own address."""
        locale = self.locale(scope)
        own = path or quote(scope.get("path", "/"))
        if not path and scope.get("query_string"):
            own += "?" + scope["query_string"].decode("latin-1")
        return self.render(locale, template, view, path=scope.get("path", "/"), own=own)

    def render(self, locale: str, template: str, view: msgspec.Struct, *, path: str, own: str) -> str:
        """A page by nothing but what is given, the settings and the theme. `own` is its address, quoted."""
        values = {name: getattr(view, name) for name in view.__struct_fields__}
        frame = self._frame(locale, path, own)
        return self.theme.environment(locale).get_template(template).render(values, frame=frame)

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
        """A whole page as an answer to this request alone."""
        return response(self.whole(request.scope, template, view, status=status, path=path, headers=headers))  # type: ignore[arg-type]

    def whole(
        self,
        scope: Scope,
        template: str,
        view: msgspec.Struct,
        *,
        status: int = 200,
        path: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The same for whom no framework sends."""
        body = self.draw(scope, template, view, path=path).encode()
        told = {"vary": "Cookie, Accept-Language", "cache-control": "private, no-cache", **(headers or {})}
        sent = [(name.encode(), value.encode("latin-1")) for name, value in told.items()]
        sent += [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        chosen = self._chosen(scope)
        return status, [*sent, set_cookie(chosen)] if chosen else sent, body

    def remember_language(self, request: AnyRequest, response: Response[bytes]) -> None:
        """Keep the language that the visitor just chose."""
        chosen = self._chosen(request.scope)  # type: ignore[arg-type]
        if chosen is not None:
            response.set_cookie(chosen)

    def _chosen(self, scope: Scope) -> Cookie | None:
        wanted = _wanted(scope)
        if wanted not in self.theme.catalogues:
            return None
        is_https = self._shop.base_url.startswith("https:")
        return Cookie(key=LOCALE_COOKIE, value=wanted, path="/", max_age=_YEAR, httponly=True, samesite="lax", secure=is_https)

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

    def _frame(self, locale: str, path: str, own: str) -> Frame:
        settings = self._shop.settings
        return Frame(
            shop_name=settings.text("shop.name"),
            announcement=settings.text("shop.announcement"),
            support=settings.text("shop.support"),
            is_practice=settings.flag("shop.practice"),
            languages=_languages(self.theme.languages, own, locale),
            path=path,
        )


def _wanted(scope: Scope) -> str:
    """The language that a request's address names; nothing when it names none."""
    query: bytes = scope.get("query_string", b"")
    return dict(parse_qsl(query.decode("latin-1"))).get(LOCALE_PARAMETER, "") if _NAMES_LOCALE in query else ""


@lru_cache(maxsize=1024)
def _preferred(accepted: str, offered: tuple[str, ...], default: str) -> str:
    return choose_locale(wanted="", accepted=accepted, offered=list(offered), default=default)


def pages_of(request: AnyRequest) -> Pages:
    """What draws the pages of this process."""
    return cast(Pages, request.app.state.pages)


def pages_in(scope: Scope) -> Pages:
    """The same by the request itself."""
    return cast(Pages, scope["litestar_app"].state.pages)


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


def _languages(names: tuple[str, ...], own: str, current: str) -> tuple[Language, ...]:
    """The languages of a page by its address, in which what was asked for beside one stays as it is."""
    address, _, query = own.partition("?")
    kept = "".join(f"{part}&" for part in query.split("&") if part and not part.startswith(f"{LOCALE_PARAMETER}="))
    return tuple(
        Language(
            locale=name,
            label=_name_of(name),
            href=f"{address}?{kept}{LOCALE_PARAMETER}={name}",
            is_current=name == current,
        )
        for name in names
    )


@cache
def _name_of(locale: str) -> str:
    return babel_locale(locale).get_language_name(locale) or locale
