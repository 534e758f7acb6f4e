"""`kashop product import`: a whole price list at once, its stock files beside it.

Always true: every row is read and checked before anything is stored; products go in all together or not at all; a product that is
there already stays as it is, so the same command can be run again.
"""

import io
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from kashop.catalog import reads, rules, writes
from kashop.catalog.types import ProductDraft, SkuDraft
from kashop.cli import frame, show, stock_files
from kashop.db import Reader, Tx
from kashop.flows import restock
from kashop.inventory.stockfile import Rules, decode, sheets, tables
from kashop.inventory.stockfile.cells import plain_text
from kashop.lib import money
from kashop.lib.actor import Actor
from kashop.lib.errors import FieldError, Invalid
from kashop.shop import Shop

COLUMNS = {
    "slug": ("标识", "编号"),
    "name": ("名称", "商品名称", "商品"),
    "category": ("分类",),
    "price": ("价格", "售价"),
    "cost": ("成本",),
    "tiers": ("阶梯价",),
    "min": ("最少", "起购"),
    "max": ("最多", "限购"),
    "delivery": ("发货", "发货方式"),
    "stock_file": ("库存文件", "卡密文件"),
    "instructions": ("使用说明", "说明"),
}
NEEDED = ("slug", "name", "price")
MOST_BYTES = 8 * 1024 * 1024


class Item(msgspec.Struct, frozen=True):
    """One row that can be sold."""

    row: int
    category: str
    product: ProductDraft
    sku: SkuDraft
    stock_file: Path | None


class Outcome(msgspec.Struct, frozen=True):
    """What became of a row. `stock` is the import's report."""

    slug: str
    result: str
    stock: dict[str, Any] | None = None


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@frame.shop_options
@click.option("--with-stock", is_flag=True, help="Also import each row's stock_file, found beside FILE.")
@click.option("--dry-run", is_flag=True, help="Only read and check.")
def import_(*, file: Path, data: Path, is_json: bool, with_stock: bool, dry_run: bool) -> None:
    """Import a price list (csv, tsv or xlsx, in any usual encoding).

    Columns: slug, name, price; and, if you like, category, cost, tiers (10=51.9;50=51.5), min, max, delivery (auto or manual),
    stock_file, instructions. Categories that are missing are made. Products that are there already stay as they are.

    Example: kashop product import products.csv --with-stock
    """
    outcomes = frame.run(data, lambda shop: _import(shop, file, with_stock, dry_run))
    if is_json:
        show.as_json({"dry_run": dry_run, "products": outcomes})
        return
    rows = [(o.slug, o.result, *_stock_cells(o)) for o in outcomes]
    show.table(("PRODUCT", "", ">NEW CODES", ">DUPLICATE", ">BAD"), rows)


def _stock_cells(outcome: Outcome) -> tuple[object, object, object]:
    if outcome.stock is None:
        return "", "", ""
    duplicate = outcome.stock["duplicate_in_file"] + outcome.stock["duplicate_in_stock"]
    return outcome.stock["new"], duplicate, outcome.stock["bad"]


async def _import(shop: Shop, file: Path, with_stock: bool, dry_run: bool) -> list[Outcome]:
    items = _items(file, shop.settings.text("shop.currency"), with_stock)
    for item in items:
        if item.stock_file is not None:
            await _look_into(shop, item, item.stock_file)
    known = await shop.db.read(_known, items)
    if not dry_run:
        await shop.db.write(_add_all, items, frame.actor())
    outcomes = []
    for item in items:
        result = "kept" if item.product.slug in known else "would be added" if dry_run else "added"
        stock = None
        if item.stock_file is not None and not dry_run:
            stock = await _stocked(shop, item, item.stock_file)
        outcomes.append(Outcome(item.product.slug, result, stock))
    return outcomes


async def _look_into(shop: Shop, item: Item, path: Path) -> None:
    """Refuse the list while one of its stock files is none."""
    with path.open("rb") as file:
        source = restock.Source(file=file, name=stock_files.name_of(path), product=item.product.slug)
        try:
            shape = await restock.inspect(shop, source)
            if shape.question is not None:
                raise Invalid("", fields=[shape.question])
        except Invalid as invalid:
            raise _of_file(item, path, invalid) from None


async def _stocked(shop: Shop, item: Item, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        source = restock.Source(file=file, name=stock_files.name_of(path), product=item.product.slug, sku=item.sku.sku_code)
        try:
            return stock_files.told(await restock.import_codes(shop, source, frame.actor()))
        except Invalid as invalid:
            raise _of_file(item, path, invalid) from None


def _of_file(item: Item, path: Path, invalid: Invalid) -> Invalid:
    return Invalid.of(f"row {item.row}", "{file}: {problem}", file=path.name, problem=invalid.text())


def _known(db: Reader, items: list[Item]) -> set[str]:
    return {i.product.slug for i in items if reads.find_product(db, i.product.slug) is not None}


def _add_all(tx: Tx, items: list[Item], actor: Actor) -> None:
    shelves = {c.name: c.category_id for c in reads.categories(tx)} | {c.slug: c.category_id for c in reads.categories(tx)}
    for item in items:
        if reads.find_product(tx, item.product.slug) is not None:
            continue
        if item.category and item.category not in shelves:
            slug = item.category if rules.SLUG.fullmatch(item.category) else _free_slug(tx)
            shelves[item.category] = writes.add_category(tx, slug=slug, name=item.category, parent_id=None, actor=actor)
        draft = msgspec.structs.replace(item.product, category_id=shelves.get(item.category))
        try:
            writes.add_product(tx, draft, [item.sku], actor)
        except Invalid as invalid:
            raise Invalid.of(f"row {item.row}", "{problem}", problem=invalid.text()) from None


def _free_slug(db: Reader) -> str:
    """A name for the address of a category whose own name cannot be one; staff may give it a better one."""
    number = len(reads.categories(db)) + 1
    while reads.find_category(db, f"category-{number}") is not None:
        number += 1
    return f"category-{number}"


def _items(file: Path, currency: str, with_stock: bool) -> list[Item]:
    items: list[Item] = []
    wrong: list[FieldError] = []
    for number, row in _rows(file):
        try:
            items.append(_item(number, row, file, currency=currency, with_stock=with_stock))
        except Invalid as invalid:
            wrong += [FieldError(f"row {number}, {e.field}", e.message, e.params) for e in invalid.fields]
    slugs = [i.product.slug for i in items]
    wrong += [
        FieldError(f"row {i.row}, slug", "This slug stands on two rows.")
        for n, i in enumerate(items)
        if i.product.slug in slugs[:n]
    ]
    if not items and not wrong:
        wrong.append(FieldError("file", "The file has no rows."))
    if wrong:
        raise Invalid("Please correct the marked rows.", fields=wrong[:50])
    return items


def _item(number: int, row: dict[str, str], file: Path, *, currency: str, with_stock: bool) -> Item:
    slug, delivery = row.get("slug", ""), row.get("delivery", "").lower() or "auto"
    delivery = {"自动": "auto", "人工": "manual", "手动": "manual"}.get(delivery, delivery)
    product = ProductDraft(slug=slug, name=row.get("name", ""), delivery=delivery, instructions=row.get("instructions", ""))
    sku = SkuDraft(
        price_minor=money.parse(row.get("price", ""), currency, field="price"),
        cost_minor=money.parse(row.get("cost") or "0", currency, field="cost"),
        tiers=rules.parse_tiers(row.get("tiers", ""), currency),
        min_quantity=_number(row, "min", 1),
        max_quantity=_number(row, "max", 100),
    )
    stock_file = row.get("stock_file", "") if with_stock else ""
    path = file.parent / stock_file
    if stock_file and not path.is_file():
        raise Invalid.of("stock_file", "There is no file {name} beside the list.", name=stock_file)
    if stock_file and delivery != "auto":
        raise Invalid.of("stock_file", "A product delivered by hand has no stock of codes.")
    checked = rules.checked_product(product)
    return Item(number, row.get("category", ""), checked, rules.checked_sku(sku, slug=checked.slug), path if stock_file else None)


def _number(row: dict[str, str], name: str, default: int) -> int:
    text = row.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise Invalid.of(name, "Write a whole number.")
    return int(text)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    if path.stat().st_size > MOST_BYTES:
        raise Invalid.of("file", "A price list has 8 MiB at most.")
    file = io.BytesIO(path.read_bytes())
    wanted = Rules(header=True, format=None if decode.is_zip(file) else "csv")
    if decode.is_zip(file):
        table = sheets.open_sheet(file, wanted)
    else:
        table = tables.open_text(file, path.name, decode.detect(file, None), wanted)
    records = table.open()
    names = [_column(plain_text(cell)) for cell in next(records).cells]
    if missing := [name for name in NEEDED if name not in names]:
        raise Invalid.of("file", "The first row must name the columns; missing: {names}.", names=", ".join(missing))
    found = []
    for record in records:
        texts = [plain_text(cell).strip() for cell in record.cells]
        if any(texts[len(names) :]):
            raise Invalid.of(f"row {record.number}", "There are more cells than columns: put texts with commas into quotes.")
        found.append((record.number, {n: t for n, t in zip(names, texts, strict=False) if n}))
    return found


def _column(heading: str) -> str:
    text = heading.strip().lower()
    return next((name for name, others in COLUMNS.items() if text == name or text in others), "")
