"""Products: the list, one with its SKUs and questions, in the window or not."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.catalog import reads
from kashop.catalog.rules import CONTACT_TYPES, FIELD_KINDS, STOCK_DISPLAYS, parse_tiers
from kashop.catalog.types import BuyerField, Product, ProductDraft, SkuDraft
from kashop.db import Reader
from kashop.flows import products
from kashop.flows.products import SkuRow
from kashop.inventory import reads as inventory
from kashop.lib import money
from kashop.lib.errors import Conflict, Invalid
from kashop.web.admin.difference import Difference
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.admin.product_difference import draft_differences
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of

BLANK_SKU = SkuDraft(price_minor=0)


@get("/admin/products", guards=[Needs("products.view")])
async def product_list(request: AnyRequest) -> Response[bytes]:
    """Every product, hidden ones too."""
    return answer(request, "products.html", rows=await shop_of(request).db.read(_rows))


@get("/admin/products/new", guards=[Needs("products.edit")])
async def new_product(request: AnyRequest) -> Response[bytes]:
    """An empty form."""
    return await _page(request, None)


@post("/admin/products/new", guards=[Needs("products.edit")])
async def add_product(request: AnyRequest) -> Response[bytes] | Redirect:
    """Put a product up for sale."""
    return await _save(request, None)


@get("/admin/products/{product:str}", guards=[Needs("products.view")])
async def product_page(request: AnyRequest, product: FromPath[str]) -> Response[bytes]:
    """A product in its form."""
    return await _page(request, await shop_of(request).db.read(reads.get_product, row_id(product)))


@post("/admin/products/{product:str}", guards=[Needs("products.edit")])
async def edit_product(request: AnyRequest, product: FromPath[str]) -> Response[bytes] | Redirect:
    """Change a product."""
    return await _save(request, await shop_of(request).db.read(reads.get_product, row_id(product)))


@post("/admin/products/{product:str}/hide", guards=[Needs("products.edit")])
async def hide(request: AnyRequest, product: FromPath[str]) -> Redirect:
    """Take a product out of the window."""
    await products.set_hidden(shop_of(request), row_id(product), True, actor_of(request))
    return see("/admin/products", "hidden")


@post("/admin/products/{product:str}/show", guards=[Needs("products.edit")])
async def show(request: AnyRequest, product: FromPath[str]) -> Redirect:
    """Put a product back into the window."""
    await products.set_hidden(shop_of(request), row_id(product), False, actor_of(request))
    return see("/admin/products", "shown")


@post("/admin/products/{product:str}/delete", guards=[Needs("products.edit")])
async def delete(request: AnyRequest, product: FromPath[str]) -> Response[bytes] | Redirect:
    """Take a product away that nothing hangs on."""
    shop, product_id = shop_of(request), row_id(product)
    try:
        await products.remove(shop, product_id, actor_of(request))
    except Conflict as refused:
        found = await shop.db.read(reads.get_product, product_id)
        others = refused_as(request, form_of(request), refused).others
        return await _page(request, found, Shown(others=others), refused.status)
    return see("/admin/products", "deleted")


def _rows(db: Reader) -> list[tuple[Product, list[SkuDraft], int]]:
    """Each product with its SKUs and how many of its codes are free."""
    free: dict[int, int] = {}
    for count in inventory.counts(db):
        free[count.sku_id] = free.get(count.sku_id, 0) + count.free
    rows = []
    for product in reads.products(db):
        drafts = products.sku_drafts(db, product.product_id)
        rows.append((product, [draft for _, draft in drafts], sum(free.get(sku_id, 0) for sku_id, _ in drafts)))
    return rows


async def _save(request: AnyRequest, product: Product | None) -> Response[bytes] | Redirect:
    shop, form = shop_of(request), form_of(request)
    try:
        currency = shop.settings.text("shop.currency")
        draft, rows = _product_draft(form, product), _sku_rows(form, currency)
        version = form.integer("version", least=0, most=10**9, default=0)
        form.done()
        if "image" in form.files:
            draft = msgspec.structs.replace(draft, image=await products.keep_picture(shop, form.files["image"].data))
        product_id = await products.save(
            shop,
            draft,
            rows,
            actor_of(request),
            product_id=product.product_id if product else None,
            version=version,
        )
    except Invalid as refused:
        return await _page(request, product, again(request, form, refused), 422)
    except Conflict as refused:
        if product is None or refused.code != "changed_meanwhile":
            return await _page(request, product, refused_as(request, form, refused), refused.status)
        now, stored = await shop.db.read(_stored, product.product_id)
        rows_now = [SkuRow("", sku_id, sku) for sku_id, sku in stored]
        shelves: dict[int | None, str] = {c.category_id: c.name for c in await shop.db.read(reads.categories)}
        difference = draft_differences(draft, products.draft_of(now), rows, rows_now, currency=currency, shelves=shelves)
        return await _page(request, now, refused_as(request, form, refused), refused.status, difference)
    return see(f"/admin/products/{product_id}", "saved" if product else "added")


def _stored(db: Reader, product_id: int) -> tuple[Product, list[tuple[int, SkuDraft]]]:
    return reads.get_product(db, product_id), products.sku_drafts(db, product_id)


def _product_draft(form: Form, product: Product | None) -> ProductDraft:
    category = form.raw("category")
    is_imageless = form.flag("no_image") or product is None
    return ProductDraft(
        slug=product.slug if product else form.text("slug", most=64, least=1),
        name=form.text("name", most=120, least=1),
        category_id=int(category) if category.isascii() and category.isdigit() and len(category) < 18 else None,
        summary=form.text("summary", most=200),
        description=form.text("description", most=50_000, is_long=True),
        instructions=form.text("instructions", most=20_000, is_long=True),
        image="" if is_imageless or product is None else product.image,
        delivery=form.choice("delivery", ("auto", "manual")),
        contact_type=form.choice("contact_type", CONTACT_TYPES, default="any"),
        lookup_password=form.choice("lookup_password", ("optional", "required"), default="optional"),
        fields=_questions(form),
        stock_display=form.choice("stock_display", STOCK_DISPLAYS, default="exact"),
        hold_minutes=form.integer("hold_minutes", least=1, most=1440, default=15),
        position=form.integer("position", least=-1_000_000, most=1_000_000, default=0),
        is_hidden=form.flag("is_hidden"),
    )


def _questions(form: Form) -> tuple[BuyerField, ...]:
    found = []
    for n in form.rows("question"):
        at = f"question-{n}-"
        if not form.raw(at + "name").strip() and not form.raw(at + "label").strip():
            continue
        choices = form.text(at + "choices", most=2000, is_long=True)
        field = BuyerField(
            name=form.text(at + "name", most=32, least=1),
            label=form.text(at + "label", most=100, least=1),
            kind=form.choice(at + "kind", FIELD_KINDS, default="text"),
            is_required=form.flag(at + "is_required"),
            help=form.text(at + "help", most=200),
            pattern=form.text(at + "pattern", most=200),
            choices=tuple(c.strip() for c in choices.split("\n") if c.strip()),
            max_length=form.integer(at + "max_length", least=1, most=2000, default=200),
        )
        found.append(field)
    return tuple(found)


def _sku_rows(form: Form, currency: str) -> list[SkuRow]:
    found = []
    for n in form.rows("sku"):
        at = f"sku-{n}-"
        sku_id = form.raw(at + "id")
        if not sku_id and not any(form.raw(at + name).strip() for name in ("sku_code", "name", "price")):
            continue
        draft = SkuDraft(
            sku_code=form.text(at + "sku_code", most=64),
            name=form.text(at + "name", most=120),
            price_minor=form.amount(at + "price", currency),
            cost_minor=form.amount(at + "cost", currency, default=0),
            is_free=form.flag(at + "is_free"),
            min_quantity=form.integer(at + "min_quantity", least=1, most=1000, default=1),
            max_quantity=form.integer(at + "max_quantity", least=1, most=1000, default=100),
            low_stock_line=form.integer(at + "low_stock_line", least=0, most=10**9, default=0),
            position=form.integer(at + "position", least=-1_000_000, most=1_000_000, default=0),
            is_hidden=form.flag(at + "is_hidden"),
            tiers=_tiers(form, at + "tiers", currency),
        )
        found.append(SkuRow(n, row_id(sku_id) if sku_id else None, draft))
    return found


def _tiers(form: Form, name: str, currency: str) -> tuple[tuple[int, int], ...]:
    try:
        return parse_tiers(form.text(name, most=500, is_long=True), currency)
    except Invalid as invalid:
        for error in invalid.fields:
            form.complain(name, error.message, **dict(error.params))
        return ()


async def _page(
    request: AnyRequest,
    product: Product | None,
    form: Shown | None = None,
    status: int = 200,
    difference: Sequence[Difference] = (),
) -> Response[bytes]:
    shop = shop_of(request)
    stored = await shop.db.read(products.sku_drafts, product.product_id) if product else []
    currency = shop.settings.text("shop.currency")
    draft = products.draft_of(product) if product else ProductDraft(slug="", name="")
    typed = form.typed if form is not None else None
    return answer(
        request,
        "product.html",
        status=status,
        form=form or Shown(),
        difference=difference,
        product=product,
        draft=draft,
        sku_rows=_sku_views(typed, stored, currency),
        question_rows=_question_views(typed, draft.fields),
        categories=await shop.db.read(reads.categories),
        kinds=FIELD_KINDS,
        contacts=CONTACT_TYPES,
        displays=STOCK_DISPLAYS,
    )


def _sku_views(typed: Form | None, stored: list[tuple[int, SkuDraft]], currency: str) -> list[dict[str, Any]]:
    """The rows of the form: those that were sent, else the stored ones and an empty one."""
    if typed is not None:
        return [{"n": n, "id": typed.raw(f"sku-{n}-id"), "sku": None} for n in typed.rows("sku")]
    rows: list[tuple[int | str, SkuDraft]] = [*stored, ("", BLANK_SKU)]
    return [
        {
            "n": n,
            "id": sku_id,
            "sku": sku,
            "price": money.to_text(sku.price_minor, currency) if sku_id else "",
            "cost": money.to_text(sku.cost_minor, currency) if sku.cost_minor else "",
            "tiers": "\n".join(f"{q}={money.to_text(p, currency)}" for q, p in sku.tiers),
        }
        for n, (sku_id, sku) in enumerate(rows)
    ]


def _question_views(typed: Form | None, fields: tuple[BuyerField, ...]) -> list[dict[str, Any]]:
    if typed is not None:
        return [{"n": n, "field": BuyerField(name="", label="")} for n in typed.rows("question")]
    blank = BuyerField(name="", label="")
    return [{"n": n, "field": field} for n, field in enumerate((*fields, blank))]


route_handlers = [product_list, new_product, add_product, product_page, edit_product, hide, show, delete]
