"""Suppliers: who may send sealed batches, whether a key is really his, and what became of each batch. No codes are shown here."""

from collections.abc import Sequence
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.catalog import reads as catalog
from kashop.db import Reader
from kashop.flows import supply
from kashop.lib.errors import Conflict, Invalid
from kashop.supply import reads, writes
from kashop.supply.sealedbatch import fingerprint, grouped
from kashop.supply.types import ImportKey, Supplier, SupplierKey
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of

HOME = "/admin/suppliers"
MOST_REASON = 200


@get(HOME, guards=[Needs("codes.import")])
async def supplier_list(request: AnyRequest) -> Response[bytes]:
    """The batches, those to decide first; the suppliers."""
    return await _list(request)


@post(HOME, guards=[Needs("suppliers.edit", step_up=True)])
async def add_supplier(request: AnyRequest) -> Response[bytes] | Redirect:
    """Let somebody new send batches; his link is made on his page."""
    shop, form = shop_of(request), form_of(request)
    try:
        name, products, is_trusted = await _given(request, form)
        added = await shop.db.write(writes.add_supplier, name, products=products, is_trusted=is_trusted, actor=actor_of(request))
    except Invalid as refused:
        return await _list(request, again(request, form, refused), 422)
    return see(f"{HOME}/{added}", "added")


@get(HOME + "/{supplier:str}", guards=[Needs("suppliers.edit")])
async def supplier_page(request: AnyRequest, supplier: FromPath[str]) -> Response[bytes]:
    """One supplier: what he may bring, his key, his batches."""
    return await _page(request, row_id(supplier))


@post(HOME + "/{supplier:str}", guards=[Needs("suppliers.edit", step_up=True)])
async def edit_supplier(request: AnyRequest, supplier: FromPath[str]) -> Response[bytes] | Redirect:
    """Change what he may bring, and whether staff are asked."""
    form, supplier_id = form_of(request), row_id(supplier)
    try:
        name, products, is_trusted = await _given(request, form)
        values: dict[str, Any] = {"products": products, "is_trusted": is_trusted, "actor": actor_of(request)}
        await shop_of(request).db.write(writes.change_supplier, supplier_id, name, **values)
    except Invalid as refused:
        return await _page(request, supplier_id, again(request, form, refused), 422)
    return see(f"{HOME}/{supplier_id}", "saved")


@post(HOME + "/{supplier:str}/link", guards=[Needs("suppliers.edit", step_up=True)])
async def make_link(request: AnyRequest, supplier: FromPath[str]) -> Response[bytes]:
    """A one-time link, shown once."""
    supplier_id = row_id(supplier)
    link = await supply.invite(shop_of(request), supplier_id, actor_of(request))
    return await _page(request, supplier_id, link=link)


@post(HOME + "/{supplier:str}/keys/{key:str}/confirm", guards=[Needs("suppliers.edit", step_up=True)])
async def confirm_key(request: AnyRequest, supplier: FromPath[str], key: FromPath[str]) -> Response[bytes] | Redirect:
    """The fingerprint was compared: let the key count."""
    form, supplier_id = form_of(request), row_id(supplier)
    if not form.flag("compared"):
        refused = Invalid.of("compared", "Compare the fingerprint with your supplier first.")
        return await _page(request, supplier_id, again(request, form, refused), 422)
    await shop_of(request).db.write(writes.confirm_key, supplier_id, row_id(key), actor_of(request))
    return see(f"{HOME}/{supplier_id}", "key_confirmed")


@post(HOME + "/{supplier:str}/keys/{key:str}/reject", guards=[Needs("suppliers.edit", step_up=True)])
async def reject_key(request: AnyRequest, supplier: FromPath[str], key: FromPath[str]) -> Redirect:
    """The key is not his."""
    supplier_id = row_id(supplier)
    await shop_of(request).db.write(writes.reject_key, supplier_id, row_id(key), actor_of(request))
    return see(f"{HOME}/{supplier_id}", "key_rejected")


@post(HOME + "/{supplier:str}/disable", guards=[Needs("suppliers.edit", step_up=True)])
async def disable(request: AnyRequest, supplier: FromPath[str]) -> Redirect:
    """Take nothing more from him."""
    return await _switch(request, row_id(supplier), is_disabled=True)


@post(HOME + "/{supplier:str}/enable", guards=[Needs("suppliers.edit", step_up=True)])
async def enable(request: AnyRequest, supplier: FromPath[str]) -> Redirect:
    """Take his batches again."""
    return await _switch(request, row_id(supplier), is_disabled=False)


@post(HOME + "/import-key/rotate", guards=[Needs("suppliers.edit", step_up=True)])
async def rotate(request: AnyRequest) -> Redirect:
    """A new key for new batches."""
    await supply.rotate_import_key(shop_of(request), actor_of(request))
    return see(HOME, "key_made")


@post(HOME + "/batches/{batch:str}/accept", guards=[Needs("codes.import")])
async def accept(request: AnyRequest, batch: FromPath[str]) -> Response[bytes] | Redirect:
    """Let a held batch in."""
    try:
        done = await supply.accept(shop_of(request), row_id(batch), actor_of(request))
    except Conflict as refused:
        return await _list(request, refused_as(request, form_of(request), refused), refused.status)
    return see(HOME, "batch_opened" if done.status == "done" else "batch_accepted")


@post(HOME + "/batches/{batch:str}/decline", guards=[Needs("codes.import")])
async def decline(request: AnyRequest, batch: FromPath[str]) -> Response[bytes] | Redirect:
    """Send a held batch away, unopened."""
    form = form_of(request)
    try:
        reason = form.text("reason", most=MOST_REASON)
        form.done()
        await shop_of(request).db.write(writes.decline, row_id(batch), actor_of(request), reason=reason)
    except Invalid as refused:
        return await _list(request, again(request, form, refused), 422)
    except Conflict as refused:
        return await _list(request, refused_as(request, form, refused), refused.status)
    return see(HOME, "batch_declined")


async def _switch(request: AnyRequest, supplier_id: int, *, is_disabled: bool) -> Redirect:
    await shop_of(request).db.write(writes.set_disabled, supplier_id, is_disabled, actor_of(request))
    return see(f"{HOME}/{supplier_id}", "disabled" if is_disabled else "enabled")


async def _given(request: AnyRequest, form: Form) -> tuple[str, list[int], bool]:
    """Name, products, policy. Raises Invalid."""
    known = {product_id for product_id, _ in await shop_of(request).db.read(_products)}
    name = form.text("name", most=writes.MOST_NAME, least=1)
    chosen = [int(text) for text in form.many("products") if text.isascii() and text.isdigit() and len(text) < 19]
    products = [product_id for product_id in chosen if product_id in known]
    if not products:
        form.complain("products", "Choose at least one product.")
    form.done()
    return name, products, form.flag("is_trusted")


def _products(db: Reader) -> list[tuple[int, str]]:
    """What codes can be brought for."""
    return [(product.product_id, product.name) for product in catalog.products(db) if product.delivery == "auto"]


def _people(db: Reader) -> list[tuple[Supplier, list[SupplierKey]]]:
    live = reads.live_keys(db)
    return [(supplier, live.get(supplier.supplier_id, [])) for supplier in reads.suppliers(db)]


async def _list(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    db = shop_of(request).db
    batches = await db.read(reads.batches, limit=100)
    people = await db.read(_people)
    return answer(
        request,
        "suppliers.html",
        status=status,
        form=form or Shown(),
        held=[b for b in batches if b.status == "held"],
        batches=[b for b in batches if b.status != "held"],
        people=people,
        products=await db.read(_products),
        chosen=_chosen(form, ()),
        import_key=_told(await db.read(reads.current_import_key)),
        is_sealed=shop_of(request).keyring.is_sealed,
    )


async def _page(
    request: AnyRequest, supplier_id: int, form: Shown | None = None, status: int = 200, *, link: str = ""
) -> Response[bytes]:
    db = shop_of(request).db
    supplier = await db.read(reads.get, supplier_id)
    allowed = await db.read(reads.allowed, supplier_id)
    keys = [(key, grouped(fingerprint(key.public_key))) for key in await db.read(reads.keys, supplier_id)]
    return answer(
        request,
        "supplier.html",
        status=status,
        form=form or Shown(),
        supplier=supplier,
        products=await db.read(_products),
        chosen=_chosen(form, [each.product_id for each in allowed]),
        offered=next((each for each in keys if each[0].status == "offered"), None),
        confirmed=next((each for each in keys if each[0].status == "confirmed"), None),
        batches=await db.read(reads.batches, supplier_id=supplier_id, limit=50),
        link=link,
        is_invited=supplier.join_until > shop_of(request).clock.now(),
    )


def _chosen(form: Shown | None, stored: Sequence[int]) -> list[str]:
    typed = form.typed if form is not None else None
    return typed.many("products") if typed is not None and "name" in typed else [str(each) for each in stored]


def _told(key: ImportKey | None) -> tuple[str, int] | None:
    return None if key is None else (grouped(key.name), key.created_at)


route_handlers = [
    supplier_list,
    add_supplier,
    supplier_page,
    edit_supplier,
    make_link,
    confirm_key,
    reject_key,
    disable,
    enable,
    rotate,
    accept,
    decline,
]
