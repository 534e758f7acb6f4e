"""Put a product and its SKUs up for sale, or change them, whole or not at all; and keep its picture."""

import asyncio
import hashlib
import io
from typing import TYPE_CHECKING

import msgspec

from kashop.catalog import reads, rules, writes
from kashop.catalog.types import BuyerField, Product, ProductDraft, SkuDraft
from kashop.db import Reader, Tx
from kashop.inventory import reads as inventory
from kashop.inventory import writes as stock
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, FieldError, Invalid, NotFound
from kashop.orders import reads as orders
from kashop.shop import Shop
from kashop.supply import reads as supply

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MOST_PIXELS = 40_000_000
LONGEST_SIDE = 1200


class SkuRow(msgspec.Struct, frozen=True):
    """A SKU as it stands in a form: `row` names its fields, `sku_id` is None for a new one."""

    row: str
    sku_id: int | None
    draft: SkuDraft


async def save(
    shop: Shop, draft: ProductDraft, rows: list[SkuRow], actor: Actor, *, product_id: int | None = None, version: int = 0
) -> int:
    """Add a product, or change one that is still as its editor saw it (`version`); its id.

    Raises Invalid by field (a SKU's are `sku-<row>-<field>`), Conflict when someone else was faster.
    """
    _check(draft, rows)
    if product_id is None:
        return await shop.db.write(_add, draft, rows, actor)
    await shop.db.write(_edit, product_id, draft, rows, version, actor)
    return product_id


async def set_hidden(shop: Shop, product_id: int, is_hidden: bool, actor: Actor) -> None:
    """Take a product out of the shop's window, or put it back."""
    await shop.db.write(_set_hidden, product_id, is_hidden, actor)


async def remove(shop: Shop, product_id: int, actor: Actor) -> None:
    """Take a product away that nothing hangs on. Raises Conflict with the counts of what does, NotFound."""
    counted, through = await shop.db.read(orders.count_lines_of, product_id)  # all lines, while buyers go on
    await shop.db.write(_remove, product_id, counted, through, actor)


def _remove(tx: Tx, product_id: int, counted: int, through: int, actor: Actor) -> None:
    product = reads.get_product(tx, product_id)
    codes, batches = inventory.count_ever(tx, product_id)
    lines = counted + orders.count_lines_of(tx, product_id, after=through)[0]
    supplies = supply.count_bound_to(tx, product_id)
    if codes or batches or lines or supplies:
        raise Conflict(
            "{name} stays: it has {codes} codes in {batches} batches, {lines} order lines and {supplies} ties to suppliers. "
            "Hide it instead.",
            code="in_use",
            name=product.name,
            codes=codes,
            batches=batches,
            lines=lines,
            supplies=supplies,
        )
    stock.forget_counts(tx, product_id)
    writes.remove_product(tx, product_id, actor)


def draft_of(product: Product) -> ProductDraft:
    """A stored product as a draft."""
    values = {name: getattr(product, name) for name in ProductDraft.__struct_fields__}
    fields = tuple(msgspec.json.decode(product.fields, type=list[BuyerField]))
    return ProductDraft(**{**values, "fields": fields, "is_hidden": bool(product.is_hidden)})


def sku_drafts(db: Reader, product_id: int) -> list[tuple[int, SkuDraft]]:
    """A product's SKUs as drafts, with their ids."""
    found = []
    for sku in reads.skus(db, product_id):
        values = {name: getattr(sku, name) for name in SkuDraft.__struct_fields__ if name != "tiers"}
        flags = {"is_free": bool(sku.is_free), "is_hidden": bool(sku.is_hidden)}
        tiers = tuple((t.min_quantity, t.price_minor) for t in reads.tiers(db, sku.sku_id))
        found.append((sku.sku_id, SkuDraft(**{**values, **flags, "tiers": tiers})))
    return found


async def keep_picture(shop: Shop, data: bytes) -> str:
    """Store a picture drawn anew by us, so that nothing but the picture is left of it; its name.

    Raises Invalid for `image`, Unavailable.
    """
    name, body = await asyncio.to_thread(_drawn, data)
    await shop.uploads.put(name, body)
    return name


def _check(draft: ProductDraft, rows: list[SkuRow]) -> None:
    """Every complaint about a product and its SKUs at once."""
    wrong: list[FieldError] = []
    try:
        rules.checked_product(draft)
    except Invalid as invalid:
        wrong += invalid.fields
    for row in rows:
        try:
            rules.checked_sku(row.draft, slug=draft.slug)
        except Invalid as invalid:
            wrong += _of_row(row, invalid)
    if not rows:
        wrong.append(FieldError("skus", "A product needs at least one SKU."))
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)


def _add(tx: Tx, draft: ProductDraft, rows: list[SkuRow], actor: Actor) -> int:
    first, *others = rows
    try:
        product_id = writes.add_product(tx, draft, [first.draft], actor)
    except Invalid as invalid:
        raise Invalid(invalid.message, fields=_of_row(first, invalid)) from None
    for row in others:
        _save_sku(tx, product_id, row, actor)
    return product_id


def _edit(tx: Tx, product_id: int, draft: ProductDraft, rows: list[SkuRow], version: int, actor: Actor) -> None:
    writes.edit_product(tx, product_id, draft, version=version, actor=actor)
    stored = dict(sku_drafts(tx, product_id))
    for row in rows:
        if row.sku_id is not None and row.sku_id not in stored:
            raise NotFound("There is no such SKU.")
        if row.sku_id is None or stored[row.sku_id] != row.draft:
            _save_sku(tx, product_id, row, actor)


def _save_sku(tx: Tx, product_id: int, row: SkuRow, actor: Actor) -> None:
    try:
        if row.sku_id is None:
            writes.add_sku(tx, product_id, row.draft, actor)
        else:
            writes.edit_sku(tx, row.sku_id, row.draft, actor)
    except Invalid as invalid:
        raise Invalid(invalid.message, fields=_of_row(row, invalid)) from None


def _set_hidden(tx: Tx, product_id: int, is_hidden: bool, actor: Actor) -> None:
    product = reads.get_product(tx, product_id)
    draft = msgspec.structs.replace(draft_of(product), is_hidden=is_hidden)
    writes.edit_product(tx, product_id, draft, version=product.version, actor=actor)


def _of_row(row: SkuRow, invalid: Invalid) -> list[FieldError]:
    """A SKU's complaints under the names that its row has in the form; the product's own keep theirs."""
    return [
        e if e.field in ("slug", "category") else FieldError(f"sku-{row.row}-{e.field}", e.message, e.params)
        for e in invalid.fields
    ]


def _drawn(data: bytes) -> tuple[str, bytes]:
    """A name that says what is in it, and the picture."""
    from PIL import Image, ImageOps, UnidentifiedImageError  # not at start (decision 0038)

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise _too_large()
            drawn = ImageOps.exif_transpose(picture).convert("RGBA" if _is_clear(picture) else "RGB")
            drawn.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    except Image.DecompressionBombError:
        raise _too_large() from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise Invalid.of("image", "This is not a picture: use PNG, JPEG, WebP or GIF.") from error
    out = io.BytesIO()
    drawn.save(out, "WEBP", quality=84, method=4)
    body = out.getvalue()
    return hashlib.blake2b(body, digest_size=12).hexdigest() + ".webp", body


def _too_large() -> Invalid:
    return Invalid.of("image", "The picture is too large: 40 megapixels at most.")


def _is_clear(picture: "Picture") -> bool:
    return "A" in picture.getbands() or "transparency" in picture.info
