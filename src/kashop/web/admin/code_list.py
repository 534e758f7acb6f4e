"""Codes: the list by what is known of them, the search by a whole code, and voiding what fits a filter.

Always true: no page here opens a seal: a code is known by its number, and what it says stands nowhere.
"""

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from kashop.catalog import reads as catalog
from kashop.db import Reader
from kashop.flows import codes
from kashop.flows.codes import Recounted
from kashop.inventory.codelist import reads as codelist
from kashop.inventory.codelist.types import STATES, CodeRow
from kashop.lib.errors import Invalid, NotFound
from kashop.orders import reads as orders
from kashop.web.admin import words
from kashop.web.admin.code_filter import Filter, filter_of, offer
from kashop.web.admin.page import Shown, again, answer, cursor, refused_as, see
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of

PAGE = 50


class Names(msgspec.Struct, frozen=True):
    """What a list's rows are called: goods by SKU, batches, and order numbers by line."""

    goods: dict[int, str]
    batches: dict[int, str]
    orders: dict[int, str]


@get("/admin/codes/list", guards=[Needs("codes.view")])
async def code_list(request: AnyRequest) -> Response[bytes]:
    """Codes that fit the filter, newest first."""
    return await _page(request)


@post("/admin/codes/search", guards=[Needs("codes.view")])
async def search(request: AnyRequest) -> Response[bytes] | Redirect:
    """Find the code that was pasted, by its fingerprint; the search is an event."""
    form = form_of(request)
    try:
        found = await codes.find_pasted(shop_of(request), form.secret("code", most=codes.MOST_PASTED), actor_of(request))
        form.done()
    except Invalid as refused:
        return await _page(request, again(request, Form([]), refused), 422)
    if found is None:
        nothing = NotFound("The shop has never had a code that reads so.")
        return await _page(request, refused_as(request, Form([]), nothing), 404)
    return see(f"/admin/codes/{found}", "found")


@get("/admin/codes/void", guards=[Needs("codes.void")])
async def void_page(request: AnyRequest) -> Response[bytes]:
    """What would be voided."""
    return await _void_page(request, await filter_of(shop_of(request), request.query_params))


@post("/admin/codes/void", guards=[Needs("codes.void", step_up=True)])
async def void(request: AnyRequest) -> Response[bytes] | Redirect:
    """Void the free codes that fit, if they are still as many as the page said."""
    shop, form = shop_of(request), form_of(request)
    chosen = await filter_of(shop, {name: form.raw(name) for name in form.names()})
    try:
        expected, reason = form.integer("expected", least=1, most=codes.MOST_VOIDED), form.text("reason", most=300)
        form.done()
        if not chosen.is_narrow:
            raise Invalid.of("goods", "Choose goods or a batch first.")
        await codes.void_chosen(shop, chosen.sought, actor_of(request), expected=expected, reason=reason)
    except Invalid as refused:
        return await _void_page(request, chosen, again(request, form, refused), 422)
    except Recounted as refused:
        return await _void_page(request, chosen, refused_as(request, form, refused), refused.status)
    return see("/admin/codes/list", "voided", **{**chosen.chosen, "state": "void"})


async def _page(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop, asked = shop_of(request), request.query_params
    chosen = await filter_of(shop, asked)
    rows = await shop.db.read(codelist.page, chosen.sought, cursor(request), limit=PAGE + 1)
    shown = rows[:PAGE]
    return answer(
        request,
        "code_list.html",
        status=status,
        form=form or Shown(),
        filter=chosen,
        offer=await shop.db.read(offer),
        states=STATES,
        expiries=list(words.EXPIRY),
        rows=shown,
        names=await shop.db.read(names_of, shown),
        older=shown[-1].code_id if len(rows) > PAGE else 0,
        is_first="before" not in asked,
    )


async def _void_page(request: AnyRequest, chosen: Filter, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    sought = msgspec.structs.replace(chosen.sought, status="free")
    return answer(
        request,
        "void_codes.html",
        status=status,
        form=form or Shown(),
        filter=chosen,
        said_of=await shop.db.read(said_of, chosen),
        count=await shop.db.read(codelist.count, sought) if chosen.is_narrow else 0,
        most=codes.MOST_VOIDED,
    )


def names_of(db: Reader, rows: list[CodeRow]) -> Names:
    """What a list's rows are called."""
    goods: dict[int, str] = {}
    for sku_id in {r.sku_id for r in rows}:
        sku = catalog.get_sku(db, sku_id)
        product = catalog.get_product(db, sku.product_id)
        goods[sku_id] = f"{product.name} · {sku.name}" if sku.name else product.name
    lines = [r.line_id for r in rows if r.line_id is not None]
    return Names(goods, codelist.batch_names(db, {r.batch_id for r in rows}), orders.numbers_of_lines(db, lines))


def said_of(db: Reader, chosen: Filter) -> list[tuple[str, str]]:
    """The filter as (what, value), with names that people know."""
    goods = dict(offer(db).goods)
    return [(name, _said(db, name, value, goods)) for name, value in chosen.chosen.items()]


def _said(db: Reader, name: str, value: str, goods: dict[str, str]) -> str:
    if name == "batch":
        return f"{codelist.batch_names(db, {int(value)})[int(value)]} (#{value})"
    return goods.get(value, value) if name == "goods" else value


route_handlers = [code_list, search, void_page, void]
