"""Settings: every one of the table that may be changed here, by group, with who changed it last."""

from itertools import groupby

from litestar import Response, get, post
from litestar.response import Redirect

from kashop.accounts import reads as accounts
from kashop.flows import settings
from kashop.lib.errors import Invalid
from kashop.settings import SETTINGS, reads
from kashop.settings.types import Setting
from kashop.shop import Shop
from kashop.web.admin.page import Shown, again, answer, see
from kashop.web.forms import Form
from kashop.web.guards import CSRF_FIELD, Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of
from kashop.web.themes import ThemeBroken, load_theme


@get("/admin/settings", guards=[Needs("settings.edit")])
async def settings_page(request: AnyRequest) -> Response[bytes]:
    """All of them."""
    return await _page(request)


@post("/admin/settings", guards=[Needs("settings.edit", step_up=True)])
async def change_settings(request: AnyRequest) -> Response[bytes] | Redirect:
    """Store those that differ, all or none."""
    shop, form = shop_of(request), form_of(request)
    try:
        values = _sent(shop, form)
        _check_theme(shop, values)
        if values:
            await settings.change(shop, values, actor_of(request))
    except Invalid as refused:
        return await _page(request, again(request, form, refused), 422)
    return see("/admin/settings", "saved")


def _sent(shop: Shop, form: Form) -> dict[str, object]:
    """What was filled in and differs. A secret left empty stays as it is; its box clears it."""
    values: dict[str, object] = {}
    for setting in _open_ones():
        if setting.kind == "secret":
            typed = form.secret(setting.name)
            if typed or form.flag(f"clear-{setting.name}"):
                values[setting.name] = typed
            continue
        value: object = form.flag(setting.name) if setting.kind == "flag" else form.raw(setting.name).replace("\r\n", "\n")
        is_sent = setting.kind == "flag" or setting.name in form
        if is_sent and str(value) != str(shop.settings[setting.name]):
            values[setting.name] = value
    known = {s.name for s in _open_ones()} | {CSRF_FIELD}
    if any(name.removeprefix("clear-") not in known for name in form.names()):
        form.complain("", "There is no such setting.")
    form.done()
    return values


def _check_theme(shop: Shop, values: dict[str, object]) -> None:
    """A theme that cannot be drawn is not chosen. Raises Invalid."""
    if "shop.theme" in values:
        try:
            load_theme(str(values["shop.theme"]), data=shop.config.data)
        except ThemeBroken:
            raise Invalid.of("shop.theme", "There is no such theme, or it does not fit this kashop.") from None


def _open_ones() -> list[Setting]:
    return [s for s in SETTINGS.values() if not s.is_fixed]


async def _page(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    staff = {f"staff:{s.staff_id}": s.email for s in await shop.db.read(accounts.everyone)}
    changes = {
        c.name: (c.updated_at, staff.get(c.updated_by, c.updated_by)) for c in (await shop.db.read(reads.changes)).values()
    }
    return answer(
        request,
        "settings.html",
        status=status,
        form=form or Shown(),
        groups=[(group, list(rows)) for group, rows in groupby(_open_ones(), key=lambda s: s.group)],
        fixed=[s for s in SETTINGS.values() if s.is_fixed and s.name != "shop.id"],
        values=shop.settings,
        changes=changes,
    )


route_handlers = [settings_page, change_settings]
