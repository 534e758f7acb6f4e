"""`/supply`, drawn, with its scripts. All that it does beyond is done by its script over /api/v1/supply.

Always true: no theme and no plugin has a hand in this page, since codes are typed there; its policy lets no other script run and
nothing be sent but to this shop; what a visitor types is in no request but sealed.
"""

from pathlib import Path
from typing import Any, cast

from jinja2 import FileSystemLoader
from litestar import Response, get
from litestar.params import FromPath

from kashop.lib.errors import NotFound
from kashop.shop import Shop
from kashop.supply.sealedbatch import MOST_BYTES, MOST_ROWS, REFUSALS
from kashop.web.answers import response
from kashop.web.assets import Assets
from kashop.web.pages import LOCALE_COOKIE, Pages
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.text import SOURCE_LOCALE, babel_locale, core_catalogues, translations
from kashop.web.themes import make_environment

_HERE = Path(__file__).resolve().parent
_YEAR = 365 * 24 * 3600

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

STATES = {
    "held": "Received, the shop has still to agree",
    "waiting": "Received, waits to be opened",
    "done": "On the shelf",
    "refused": "Refused",
}
SAID = {
    "not_found": "This link was used already, or its seven days are over.",
    "key_known": "This key was registered before. Make a new one.",
    "supplier_unknown": "The shop does not know this key. Ask it for a new link.",
    "stale": "The clock of this device is wrong by more than an hour. Set it right and try again.",
    "disabled": "The shop takes no batches from this supplier.",
    "sealed": "The shop cannot give its key just now. Please try again later.",
    "too_many": "Too many tries. Please wait a few minutes.",
    "too_many_rows": "Too many codes for one batch. Send them in parts.",
    "no_rows": "There are no codes yet: paste some, or choose a file.",
    "unreadable_file": "This file is not text in UTF-8, UTF-16, GBK or GB18030.",
    "bad_key_file": "This is not a key file, or one for another shop.",
    "unreachable": "The shop does not answer. Nothing was lost: please try again.",
    "other": "The shop refused this. Please ask it, and name the number below.",
}
"""What the page's script may have to say, by a word."""


class SupplierPage:
    """Draws the page. One for the process, at `app.state.supplier_page`."""

    def __init__(self, shop: Shop, pages: Pages, *, is_strict: bool = False):
        self._shop = shop
        self._pages = pages
        self.assets = Assets.read("/supply/assets", [_HERE / "assets", _HERE.parent / "admin" / "assets"])
        self._templates = {name: self._template(name, is_strict) for name in core_catalogues()}

    def _template(self, locale: str, is_strict: bool) -> Any:
        made = make_environment(
            loader=FileSystemLoader(_HERE / "templates"),
            catalogue=translations(locale),
            timezone=lambda: self._shop.settings.text("shop.timezone"),
            is_strict=is_strict,
        )
        made.globals["asset"] = self.assets.url
        return made.get_template("supply.html")

    def locale(self, scope: Any) -> str:
        """The language to answer in: the same choice as in the shop."""
        chosen = self._pages.locale(scope)
        return chosen if chosen in self._templates else SOURCE_LOCALE

    def draw(self, scope: Any) -> str:
        """The page as text: the same for everybody, since only the browser knows who sits there."""
        locale = self.locale(scope)
        values = {
            "locale": locale,
            "languages": [(name, babel_locale(name).get_language_name(name) or name) for name in self._templates],
            "shop_name": self._shop.settings.text("shop.name"),
            "shop_id": self._shop.settings.text("shop.id"),
            "most_rows": MOST_ROWS,
            "most_bytes": MOST_BYTES,
            "states": STATES,
            "said": {**SAID, **{f"batch_{why}": text for why, text in REFUSALS.items()}},
        }
        return cast(str, self._templates[locale].render(values))


@get("/supply")
async def supplier_page(request: AnyRequest) -> Response[bytes]:
    """The page."""
    page = _page_of(request)
    headers = {"content-security-policy": _POLICY, "cache-control": "no-store", "vary": "Cookie, Accept-Language"}
    response = Response(page.draw(request.scope).encode(), media_type="text/html; charset=utf-8", headers=headers)
    if request.query_params.get("lang") in core_catalogues():
        is_https = shop_of(request).base_url.startswith("https:")
        chosen = page.locale(request.scope)
        response.set_cookie(LOCALE_COOKIE, chosen, max_age=_YEAR, path="/", httponly=True, samesite="lax", secure=is_https)
    return response


@get("/supply/assets/{digest:str}/{name:path}")
async def asset(request: AnyRequest, digest: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """Its scripts, stylesheets and mark, for ever the same at one address."""
    found = _page_of(request).assets.find(request.scope["path"], dict(request.scope["headers"]))
    if found is None:
        raise NotFound("There is no such page.")
    return response(found)


def _page_of(request: AnyRequest) -> SupplierPage:
    return cast(SupplierPage, request.app.state.supplier_page)


route_handlers = [supplier_page, asset]
