"""Codes come in: choose a file, see what it holds without its codes, confirm, see what became of it."""

import io
from typing import Any, cast

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.catalog import reads as catalog
from kashop.db import Reader
from kashop.flows import restock
from kashop.inventory import reads as inventory
from kashop.inventory.stockfile import ENCODINGS, FORMATS, Rules, Shape
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.admin.stash import Kept, Stash
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of, signed_in

MOST_SHOWN = 200
_SAMPLES = 5


@get("/admin/codes", guards=[Needs("codes.import")])
async def codes(request: AnyRequest) -> Response[bytes]:
    """The form, and the batches so far."""
    return await _start(request)


@post("/admin/codes/import", guards=[Needs("codes.import")])
async def take(request: AnyRequest) -> Response[bytes]:
    """Take a file or pasted lines, and show what they hold."""
    form, kept = form_of(request), None
    try:
        name, data = _given(form)
        form.done()
        kept = _stash(request).keep(signed_in(request).session_hash, name, data)
        return await _preview(request, form, kept)
    except (Invalid, Conflict, NotFound) as refused:
        if kept is not None:
            _stash(request).drop(kept)
        shown = again(request, form, refused) if isinstance(refused, Invalid) else refused_as(request, form, refused)
        return await _start(request, shown, refused.status)


@post("/admin/codes/import/{token:str}", guards=[Needs("codes.import")])
async def decide(request: AnyRequest, token: FromPath[str]) -> Response[bytes] | Redirect:
    """Look again by other rules, or put the codes on the shelf."""
    form, stash = form_of(request), _stash(request)
    kept = stash.find(signed_in(request).session_hash, token)
    if kept is None:
        raise NotFound("This file is no longer kept: nothing of it was imported. Please choose it again.")
    if form.raw("do") != "import":
        try:
            return await _preview(request, form, token)
        except Invalid as refused:
            return await _preview(request, form, token, again(request, form, refused))
    try:
        report = await restock.import_codes(shop_of(request), _source(form, kept), actor_of(request))
    except Invalid as refused:
        return await _preview(request, form, token, again(request, form, refused))
    stash.drop(token)
    assert report.batch_id is not None
    stash.tell(report.batch_id, report)
    return see(f"/admin/codes/batches/{report.batch_id}", "imported")


@get("/admin/codes/batches/{batch:str}", guards=[Needs("stock.view")])
async def batch_page(request: AnyRequest, batch: FromPath[str]) -> Response[bytes]:
    """One import: its counts, and its rejects while they are remembered."""
    batch_id = row_id(batch)
    found = next((b for b in await shop_of(request).db.read(inventory.batches) if b.batch_id == batch_id), None)
    if found is None:
        raise NotFound("There is no such batch.")
    report = _stash(request).told(batch_id)
    return answer(
        request,
        "batch.html",
        batch=found,
        product=await shop_of(request).db.read(catalog.get_product, found.product_id),
        report=report,
        rejects=report.rejects[:MOST_SHOWN] if report else (),
    )


def _stash(request: AnyRequest) -> Stash:
    return cast(Stash, request.app.state.stash)


def _given(form: Form) -> tuple[str, bytes]:
    upload, pasted = form.files.get("file"), form.raw("pasted")
    if upload is not None and pasted.strip():
        form.complain("file", "Choose a file or paste lines, not both.")
    elif upload is None and not pasted.strip():
        form.complain("file", "Choose a file, or paste lines below.")
    return (upload.name, upload.data) if upload is not None else ("pasted.txt", pasted.encode())


def _source(form: Form, kept: Kept) -> restock.Source:
    """The file with the rules of the form. Raises Invalid by field."""
    product, _, sku = form.text("sku", most=140, least=1).partition("/")
    columns = tuple(form.many("columns"))
    source = restock.Source(
        file=io.BytesIO(kept.data),
        name=kept.name,
        product=product,
        sku=sku,
        batch=form.text("batch", most=80) or kept.name[:80],
        cost=form.text("cost", most=20),
        note=form.text("note", most=300),
        supplier=form.text("supplier", most=80),
        rules=Rules(
            format=form.choice("format", ("", *FORMATS), default="") or None,
            encoding=form.choice("encoding", ("", *ENCODINGS), default="") or None,
            columns=tuple(_column(c) for c in columns[:50]) or None,
            joiner=form.raw("joiner")[:20] or "----",
            header={"yes": True, "no": False}.get(form.raw("header")),
            sheet=form.text("sheet", most=80) or None,
            cost_column=_column(form.text("cost_column", most=80)) or None,
            expiry_column=_column(form.text("expiry_column", most=80)) or None,
        ),
    )
    form.done()
    return source


def _column(text: str) -> str | int:
    """`#3` is the third column; anything else a header's name."""
    digits = text.removeprefix("#")
    is_number = text.startswith("#") and digits.isascii() and digits.isdigit() and len(digits) < 4
    return int(digits) if is_number else text


async def _preview(request: AnyRequest, form: Form, token: str, refused: Shown | None = None) -> Response[bytes]:
    """What the file holds, and what importing it would do. Raises Invalid, unless it is to show one that was `refused`."""
    shop, kept = shop_of(request), _stash(request).find(signed_in(request).session_hash, token)
    assert kept is not None
    report, shape, source = None, None, None
    if refused is None:
        source = _source(form, kept)
        shape = await restock.inspect(shop, source)
        if shape.question is None:
            report = await restock.import_codes(shop, source, actor_of(request), dry_run=True)
    shown = refused or Shown(form, _question(request, form, shape))
    return answer(
        request,
        "preview.html",
        status=200 if refused is None else 422,
        form=shown,
        token=token,
        kept_name=kept.name,
        kept_size=len(kept.data),
        shape=shape,
        columns=_columns(shape, form),
        samples=_samples(shape),
        report=report,
        rejects=report.rejects[:MOST_SHOWN] if report else (),
        formats=FORMATS,
        encodings=ENCODINGS,
        skus=await shop.db.read(_skus),
    )


def _question(request: AnyRequest, form: Form, shape: Shape | None) -> dict[str, str]:
    if shape is None or shape.question is None:
        return {}
    return dict(again(request, form, Invalid("Please correct the marked fields.", fields=[shape.question])).errors)


def _columns(shape: Shape | None, form: Form) -> list[tuple[str, str, bool]]:
    """Each column's name in the form, what it is called, and whether it is part of the code."""
    if shape is None:
        return [(c, c, True) for c in form.many("columns")]
    chosen = set(shape.columns) | set(form.many("columns"))
    found = []
    for n in range(1, shape.width + 1):
        named = shape.header[n - 1] if n <= len(shape.header) else ""
        name = named or f"#{n}"
        found.append((name, named or str(n), name in chosen or str(n) in chosen))
    return found if shape.width > 1 or shape.header else []


def _samples(shape: Shape | None) -> list[list[str]]:
    """The first rows with every cell masked: a preview shows the form of a code and not the code."""
    if shape is None:
        return []
    if shape.cells:
        return [[restock.mask(cell) for cell in row] for row in shape.cells[bool(shape.header) :][:_SAMPLES]]
    return [[restock.mask(row.code)] for row in shape.first[:_SAMPLES]]


def _skus(db: Reader) -> list[tuple[str, str]]:
    """What codes can be imported into: (`product/sku code`, name)."""
    found = []
    for product in catalog.products(db):
        if product.delivery == "auto":
            for sku in catalog.skus(db, product.product_id):
                name = f"{product.name} · {sku.name}" if sku.name else product.name
                found.append((f"{product.slug}/{sku.sku_code}", name))
    return found


async def _start(request: AnyRequest, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop, asked = shop_of(request), request.query_params
    skus = await shop.db.read(_skus)
    wanted = [v for v, _ in skus if v.startswith(asked.get("product", "\0") + "/") or v.endswith("/" + asked.get("sku", "\0"))]
    batches = await shop.db.read(inventory.batches, limit=100)
    names = {p.product_id: p.name for p in await shop.db.read(catalog.products)}
    context: dict[str, Any] = {"skus": skus, "wanted": wanted[0] if wanted else "", "batches": batches, "names": names}
    return answer(request, "codes.html", status=status, form=form or Shown(), formats=FORMATS, encodings=ENCODINGS, **context)


route_handlers = [codes, take, decide, batch_page]
