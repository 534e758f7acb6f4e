"""How a page of the panel is drawn: its templates, its stylesheet, the way about, and forms that are shown again.

Always true: the panel's pages use no script that they cannot do without, are never stored by a browser, and show a
link only to who may follow it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
from jinja2 import Environment, FileSystemLoader
from litestar import Response
from litestar.response import Redirect
from markupsafe import Markup

from kashop.accounts.types import SignedIn
from kashop.approvals.rules import KINDS
from kashop.lib.errors import FieldError, Invalid, NotFound, Refusal
from kashop.lib.money import Money, to_text
from kashop.shop import Shop
from kashop.web.admin import words
from kashop.web.assets import Assets
from kashop.web.errors import Page
from kashop.web.forms import Form
from kashop.web.guards import CSRF_FIELD, PROOF_FIELD
from kashop.web.pages import LOCALE_COOKIE, Pages
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.text import SOURCE_LOCALE, babel_locale, core_catalogues, money_text, time_mark, translations
from kashop.web.themes import make_environment

_HERE = Path(__file__).resolve().parent
_YEAR = 365 * 24 * 3600
_MOST_DIGITS = 18


class Shown(msgspec.Struct, frozen=True):
    """A form on a page: what was typed, if it was sent, and what is wrong with it by field."""

    typed: Form | None = None
    errors: Mapping[str, str] = {}
    others: tuple[str, ...] = ()

    def value(self, name: str, stored: object = "") -> str:
        """What stands in a field."""
        return self.typed.raw(name) if self.typed is not None and name in self.typed else str(stored)

    def is_on(self, name: str, stored: object = False) -> bool:
        """Whether a box is ticked."""
        return self.typed.flag(name) if self.typed is not None else bool(stored)

    def error(self, name: str) -> str:
        """What is wrong with a field."""
        return self.errors.get(name, "")


class Link(msgspec.Struct, frozen=True):
    """A way to another page of the panel, for whoever holds one of the permissions."""

    href: str
    label: str
    permissions: str

    def is_for(self, staff: SignedIn) -> bool:
        """Whether somebody may go there."""
        return any(staff.may(permission) for permission in self.permissions.split())


NAV = (
    Link("/admin", "Overview", "dashboard.view"),
    Link("/admin/orders", "Orders", "orders.view"),
    Link("/admin/exceptions", "Exceptions", "exceptions.view"),
    Link("/admin/products", "Products", "products.view"),
    Link("/admin/categories", "Categories", "products.edit"),
    Link("/admin/codes/list", "Codes", "codes.view"),
    Link("/admin/codes", "Imports", "codes.import"),
    Link("/admin/approvals", "Approvals", " ".join(kind.approve for kind in KINDS.values())),
    Link("/admin/stock", "Stock", "stock.view"),
    Link("/admin/suppliers", "Suppliers", "codes.import"),
    Link("/admin/gateways", "Gateways", "gateways.view"),
    Link("/admin/statements", "Reconciliation", "statements.view"),
    Link("/admin/callbacks", "Callbacks", "callbacks.view"),
    Link("/admin/settings", "Settings", "settings.edit"),
    Link("/admin/notices", "Notices", "settings.edit"),
    Link("/admin/staff", "Staff", "staff.edit"),
    Link("/admin/vault", "Vault", "vault.view"),
    Link("/admin/audit", "Audit", "audit.view"),
    Link("/admin/jobs", "Jobs", "jobs.view"),
)


class Panel:
    """Draws the panel's pages. One for the process, at `app.state.panel`."""

    def __init__(self, shop: Shop, pages: Pages, *, is_strict: bool = False):
        self._shop = shop
        self._pages = pages
        self.assets = Assets.read("/admin/assets", [_HERE / "assets"])
        self._environments = {name: self._environment(name, is_strict) for name in core_catalogues()}

    def _environment(self, locale: str, is_strict: bool) -> Environment:
        made = make_environment(
            loader=FileSystemLoader(_HERE / "templates"),
            catalogue=translations(locale),
            timezone=lambda: self._shop.settings.text("shop.timezone"),
            is_strict=is_strict,
        )
        made.globals["asset"] = self.assets.url
        made.globals["amount"] = lambda minor, currency: money_text(Money(minor, currency), locale)
        made.globals["exactly"] = lambda ms: time_mark(ms, self._shop.settings.text("shop.timezone"), is_exact=True)
        made.globals["plain"] = to_text
        made.globals["decimal"] = lambda minor: to_text(minor, self._shop.settings.text("shop.currency"))
        made.globals["word"] = lambda kind, name: translations(locale).gettext(words.word(kind, name))
        return made

    def locale(self, scope: Any) -> str:
        """The language to answer in: the same choice as in the shop."""
        chosen = self._pages.locale(scope)
        return chosen if chosen in self._environments else SOURCE_LOCALE

    def draw(self, scope: Any, template: str, **context: Any) -> str:
        """A whole page as text."""
        staff = cast("SignedIn | None", scope.get("state", {}).get("signed_in"))
        locale = self.locale(scope)
        path = scope.get("path", "/admin")
        values = {
            "me": staff,
            "can": lambda permission: staff is not None and staff.may(permission),
            "csrf": _csrf(staff),
            "nav": [link for link in NAV if staff is not None and link.is_for(staff)],
            "path": path,
            "here": _here(path),
            "waiting": scope.get("state", {}).get("waiting", 0),
            "shop_name": self._shop.settings.text("shop.name"),
            "currency": self._shop.settings.text("shop.currency"),
            "is_practice": self._shop.settings.flag("shop.practice"),
            "languages": [(n, babel_locale(n).get_language_name(n) or n) for n in self._environments],
            "is_sealed": self._shop.keyring.is_sealed,
            "said": words.SAID.get(_query(scope).get("said", ""), ""),
            "form": Shown(),
            **context,
        }
        return self._environments[locale].get_template(template).render(values)

    def error(self, scope: Any, page: Page) -> str | None:
        """The panel's page that says no."""
        if not scope.get("path", "").startswith("/admin"):
            return None
        if page.code == "step_up_required" and "kept_form" in scope.get("state", {}):
            state = scope["state"]
            is_wrong = PROOF_FIELD in state["form"]
            return self.draw(scope, "step_up.html", page=page, kept=state["kept_form"], is_wrong=is_wrong, has_proof=True)
        return self.draw(scope, "error.html", page=page)


def answer(request: AnyRequest, template: str, *, status: int = 200, **context: Any) -> Response[bytes]:
    """A page of the panel as an answer."""
    panel = panel_of(request)
    body = panel.draw(request.scope, template, **context).encode()
    response = Response(body, status_code=status, media_type="text/html; charset=utf-8")
    if request.query_params.get("lang") in core_catalogues():
        response.set_cookie(
            LOCALE_COOKIE,
            panel.locale(request.scope),
            max_age=_YEAR,
            path="/",
            httponly=True,
            samesite="lax",
            secure=shop_of(request).base_url.startswith("https:"),
        )
    return response


def see(path: str, said: str = "", **query: str) -> Redirect:
    """Go and look (303): after a change, so that reloading does not repeat it. `said` names a word of `words.SAID`."""
    asked = {**({"said": said} if said else {}), **query}
    return Redirect(path + ("?" + urlencode(asked) if asked else ""), status_code=303)


def again(request: AnyRequest, form: Form, refused: Invalid) -> Shown:
    """A refused form as it is shown again: every field as typed, every complaint in its place."""
    catalogue = translations(panel_of(request).locale(request.scope))
    errors: dict[str, str] = {}
    for error in refused.fields:
        errors.setdefault(error.field, catalogue.field_error(error))
    return Shown(form, errors, _elsewhere(form, refused.fields, errors))


def refused_as(request: AnyRequest, form: Form, refused: Refusal) -> Shown:
    """A form that was refused as a whole, shown again with the reason above it."""
    return Shown(form, {}, (translations(panel_of(request).locale(request.scope)).refusal(refused),))


def _elsewhere(form: Form, fields: Sequence[FieldError], errors: Mapping[str, str]) -> tuple[str, ...]:
    """Complaints about fields that the form does not have, which would otherwise be lost."""
    return tuple(dict.fromkeys(errors[f.field] for f in fields if f.field not in form and f.field not in form.files))


def panel_of(request: AnyRequest) -> Panel:
    """The panel's drawer."""
    return cast(Panel, request.app.state.panel)


def panel_path(wanted: str) -> str:
    """Where to go on to: a page of the panel and nothing else."""
    is_ours = wanted.startswith("/admin/") and wanted.isascii() and wanted.isprintable()
    return wanted if is_ours and "\\" not in wanted and "//" not in wanted else "/admin"


def row_id(text: str) -> int:
    """A row's number out of a path. Raises NotFound for anything that cannot be one."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise NotFound("There is no such page.")
    return int(text)


def cursor(request: AnyRequest, name: str = "before", *, default: int = 2**62) -> int:
    """A list's cursor out of the query; a strange one is the default."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else default


def _here(path: str) -> str:
    """The way that leads to where one is: the longest that fits; a code's own page belongs to the list."""
    place = "/admin/codes/list" if _OF_THE_LIST.match(path) else path
    ways = [link.href for link in NAV if link.href != "/admin" and f"{place}/".startswith(f"{link.href}/")]
    return max(ways, key=len, default=path)


_OF_THE_LIST = re.compile(r"/admin/codes/(?:[0-9]|reveal|void|export|search)")


def _csrf(staff: SignedIn | None) -> Markup:
    if staff is None:
        return Markup("")
    return Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, staff.csrf_token)


def _query(scope: Any) -> dict[str, str]:
    pairs = (part.partition(b"=") for part in scope.get("query_string", b"").split(b"&"))
    return {name.decode("latin-1"): value.decode("latin-1") for name, _, value in pairs}
