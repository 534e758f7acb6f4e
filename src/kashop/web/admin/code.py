"""One code without what it says: where it stands, where it came from, what happened to it; noting and voiding it."""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.accounts import reads as accounts
from kashop.audit import reads as audit
from kashop.audit.types import Told
from kashop.catalog import reads as catalog
from kashop.catalog.types import Product, Sku
from kashop.db import Reader
from kashop.flows import codes
from kashop.inventory import reads as inventory
from kashop.inventory.codelist import reads as codelist
from kashop.inventory.codelist.types import CodeRow
from kashop.lib.errors import Conflict, Invalid
from kashop.orders import reads as orders
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of


class About(msgspec.Struct, frozen=True):
    """A code with all that the panel shows of it. `happened` is newest first: what, by whom, in more words."""

    code: CodeRow
    product: Product
    sku: Sku
    batch: str
    pool: str
    order_no: str
    happened: list[tuple[Told, str, list[tuple[str, Any]]]]


@get("/admin/codes/{code:str}", guards=[Needs("codes.view")])
async def code_page(request: AnyRequest, code: FromPath[str]) -> Response[bytes]:
    """One code."""
    return await _page(request, row_id(code))


@post("/admin/codes/{code:str}/edit", guards=[Needs("codes.edit")])
async def edit(request: AnyRequest, code: FromPath[str]) -> Response[bytes] | Redirect:
    """Change its cost, expiry and note."""
    shop, form, code_id = shop_of(request), form_of(request), row_id(code)
    try:
        change = {
            "version": form.integer("version", least=0, most=10**14),
            "cost_minor": form.amount("cost", shop.settings.text("shop.currency"), default=0),
            "expires_on": form.text("expires_on", most=40),
            "note": form.text("note", most=300),
        }
        form.done()
        await codes.edit(shop, code_id, actor_of(request), **change)  # type: ignore[arg-type]
    except Invalid as refused:
        return await _page(request, code_id, again(request, form, refused), 422)
    except Conflict as refused:
        return await _page(request, code_id, refused_as(request, form, refused), refused.status)
    return see(f"/admin/codes/{code_id}", "saved")


@post("/admin/codes/{code:str}/void", guards=[Needs("codes.void")])
async def void(request: AnyRequest, code: FromPath[str]) -> Response[bytes] | Redirect:
    """Take it out of sale for ever."""
    form, code_id = form_of(request), row_id(code)
    try:
        reason = form.text("reason", most=300)
        form.done()
        await codes.void(shop_of(request), code_id, actor_of(request), reason=reason)
    except Invalid as refused:
        return await _page(request, code_id, again(request, form, refused), 422)
    except Conflict as refused:
        return await _page(request, code_id, refused_as(request, form, refused), refused.status)
    return see(f"/admin/codes/{code_id}", "voided")


@post("/admin/codes/{code:str}/copied", guards=[Needs("codes.reveal")])
async def copied(request: AnyRequest, code: FromPath[str]) -> Response[bytes]:
    """The button beside a revealed code asks here before it fills the clipboard."""
    await codes.note_copied(shop_of(request), row_id(code), actor_of(request))
    return Response(b"", status_code=204, media_type="text/plain")


async def _page(request: AnyRequest, code_id: int, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    about = await shop_of(request).db.read(_about, code_id)
    return answer(request, "code.html", status=status, form=form or Shown(), about=about)


def _about(db: Reader, code_id: int) -> About:
    code = codelist.get(db, code_id)
    staff = {str(s.staff_id): s.email for s in accounts.everyone(db)}
    told = [*audit.timeline(db, "batch", code.batch_id, limit=20), *audit.timeline(db, "code", code_id)]
    numbers = orders.numbers_of_lines(db, [code.line_id] if code.line_id is not None else [])
    return About(
        code=code,
        product=catalog.get_product(db, code.product_id),
        sku=catalog.get_sku(db, code.sku_id),
        batch=codelist.batch_names(db, {code.batch_id})[code.batch_id],
        pool=next((p.name for p in inventory.pools(db) if p.pool_id == code.pool_id), ""),
        order_no=numbers.get(code.line_id or 0, ""),
        happened=[(t, _who(t, staff), _more(t)) for t in sorted(told, key=lambda t: -t.seq)],
    )


def _who(told: Told, staff: dict[str, str]) -> str:
    return staff.get(told.actor_ref, told.actor_ref) if told.actor_kind == "staff" else told.actor_ref


def _more(told: Told) -> list[tuple[str, Any]]:
    """What the page says of an event: what an edit changed, and nothing of what it shows elsewhere."""
    said: dict[str, Any] = msgspec.json.decode(told.payload)
    return [(name, change) for name, change in said.get("changed", {}).items()] if told.name == "code.edited" else []


route_handlers = [code_page, edit, void, copied]
