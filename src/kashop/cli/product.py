"""`kashop product`: what is for sale."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import rich_click as click

from kashop.catalog import reads, rules, writes
from kashop.catalog.types import BuyerField, Product, ProductDraft, SkuDraft
from kashop.cli import frame, price_list, show
from kashop.db import Reader, Tx
from kashop.flows import products
from kashop.inventory.reads import counts
from kashop.lib import money
from kashop.lib.actor import Actor
from kashop.lib.errors import Invalid, NotFound
from kashop.shop import Shop

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def product() -> None:
    """What is for sale. A product has one SKU (规格) or several; each SKU has its price, tiers and stock."""


product.add_command(price_list.import_)


def _product_options(command: F) -> F:
    for option in reversed(
        (
            click.option("--category", metavar="SLUG", help="Its shelf; `-` takes it off."),
            click.option("--summary", help="One sentence for lists."),
            click.option("--description", help="Markdown; `@FILE` reads a file."),
            click.option("--instructions", help="Markdown, shown after delivery; `@FILE` reads a file."),
            click.option(
                "--delivery", type=click.Choice(["auto", "manual"]), help="auto: codes from stock. manual: staff deliver."
            ),
            click.option("--contact", "contact_type", type=click.Choice(rules.CONTACT_TYPES), help="What the buyer leaves."),
            click.option("--lookup-password", type=click.Choice(["optional", "required"])),
            click.option(
                "--field", "fields", multiple=True, metavar="NAME=LABEL", help="A question to the buyer; JSON for more."
            ),
            click.option("--stock-display", type=click.Choice(rules.STOCK_DISPLAYS), help="How buyers see the stock."),
            click.option("--hold-minutes", type=int, help="How long an unpaid order keeps its codes."),
            click.option("--position", type=int, help="Lower stands first."),
            click.option("--hidden/--shown", "is_hidden", default=None),
        )
    ):
        command = option(command)
    return command


def _sku_options(command: F) -> F:
    for option in reversed(
        (
            click.option("--price", metavar="9.90"),
            click.option("--cost", metavar="5.00", help="What one costs you, for reports."),
            click.option("--tiers", metavar="10=9.5;50=9", help="From so many on, each costs so much."),
            click.option("--min", "min_quantity", type=int, metavar="N", help="Least per order."),
            click.option("--max", "max_quantity", type=int, metavar="N", help="Most per order."),
            click.option("--free/--not-free", "is_free", default=None, help="A price of 0 needs this mark."),
            click.option("--low-stock-line", type=int, metavar="N", help="Warn below so many."),
        )
    ):
        command = option(command)
    return command


@product.command("add")
@frame.shop_options
@click.option("--slug", required=True, help="Stands in the address /p/SLUG and names the product here.")
@click.option("--name", required=True)
@click.option("--sku", "sku_code", default="", metavar="CODE", help="The API's name of its SKU; the slug unless given.")
@click.option("--sku-name", default="", metavar="NAME", help="Shown when there are several SKUs.")
@_sku_options
@_product_options
def add(
    *, data: Path, is_json: bool, slug: str, name: str, sku_code: str, sku_name: str, price: str | None, **given: Any
) -> None:
    """Put a product up for sale.

    Example: kashop product add --slug steam-50 --name "Steam 充值码 50 元" --price 52.80 --tiers "10=51.9;50=51.5"
    """
    if price is None and not given["is_free"]:
        raise click.UsageError("Missing option '--price' (or --free).")

    async def work(shop: Shop) -> int:
        sku = SkuDraft(**{**_sku_values(given, price or "0", _currency(shop)), "sku_code": sku_code, "name": sku_name})
        return await shop.db.write(_add, {"slug": slug, "name": name, **_product_values(given)}, sku, frame.actor())

    product_id = frame.run(data, work)
    if is_json:
        show.as_json({"product_id": product_id, "slug": slug, "sku": sku_code or slug})
    else:
        show.line(f"Added {slug}. Put codes on its shelf with `kashop codes import FILE --product {slug}`.")


def _add(tx: Tx, values: dict[str, Any], sku: SkuDraft, actor: Actor) -> int:
    return writes.add_product(tx, ProductDraft(**_with_category(tx, values)), [sku], actor)


@product.command("edit")
@click.argument("slug")
@frame.shop_options
@click.option("--name")
@click.option(
    "--sku", "sku_code", default="", metavar="CODE", help="Which SKU price, tiers and limits are for, if there are several."
)
@_sku_options
@_product_options
def edit(*, data: Path, is_json: bool, slug: str, name: str | None, sku_code: str, price: str | None, **given: Any) -> None:
    """Change a product; what is not given stays as it is. Orders already placed keep their price.

    Example: kashop product edit steam-50 --price 51.80 --summary 自动发货
    """

    async def work(shop: Shop) -> None:
        values = {**({"name": name} if name is not None else {}), **_product_values(given)}
        sku_values = _sku_values(given, price, _currency(shop))
        if not values and not sku_values:
            raise click.UsageError("Nothing to change: give at least one option.")
        await shop.db.write(_edit, slug, values, sku_code, sku_values, frame.actor())

    frame.run(data, work)
    show.as_json({"slug": slug}) if is_json else show.line(f"Changed {slug}.")


def _edit(tx: Tx, slug: str, values: dict[str, Any], sku_code: str, sku_values: dict[str, Any], actor: Actor) -> None:
    found = _get(tx, slug)
    if values:
        draft = msgspec.structs.replace(products.draft_of(found), **_with_category(tx, values))
        writes.edit_product(tx, found.product_id, draft, version=found.version, actor=actor)
    if sku_values:
        sku_id, sku = _one_sku(tx, found, sku_code)
        writes.edit_sku(tx, sku_id, msgspec.structs.replace(sku, **sku_values), actor)


@product.command("add-sku")
@click.argument("slug")
@frame.shop_options
@click.option("--sku", "sku_code", required=True, metavar="CODE", help="The API's name for it.")
@click.option("--name", required=True, help="What the buyer chooses, such as 一年.")
@_sku_options
def add_sku(*, data: Path, is_json: bool, slug: str, sku_code: str, name: str, price: str | None, **given: Any) -> None:
    """Add another SKU to a product.

    Example: kashop product add-sku vip --sku vip-year --name 一年 --price 98
    """
    if price is None and not given["is_free"]:
        raise click.UsageError("Missing option '--price' (or --free).")

    async def work(shop: Shop) -> int:
        draft = SkuDraft(**{**_sku_values(given, price or "0", _currency(shop)), "sku_code": sku_code, "name": name})
        return await shop.db.write(_add_sku, slug, draft, frame.actor())

    sku_id = frame.run(data, work)
    show.as_json({"sku_id": sku_id, "sku": sku_code}) if is_json else show.line(f"Added {sku_code} to {slug}.")


def _add_sku(tx: Tx, slug: str, draft: SkuDraft, actor: Actor) -> int:
    return writes.add_sku(tx, _get(tx, slug).product_id, draft, actor)


@product.command("delete")
@click.argument("slug")
@frame.shop_options
def delete(*, slug: str, data: Path, is_json: bool) -> None:
    """Take a product away that never had a code or an order; any other stays, and can be hidden."""

    async def work(shop: Shop) -> None:
        await products.remove(shop, (await shop.db.read(_get, slug)).product_id, frame.actor())

    frame.run(data, work)
    show.as_json({"slug": slug}) if is_json else show.line(f"Deleted {slug}.")


@product.command("list")
@frame.shop_options
def list_(*, data: Path, is_json: bool) -> None:
    """Every product with its SKUs, prices and free stock."""
    rows = frame.run(data, lambda shop: shop.db.read(_listed, _currency(shop)))
    if is_json:
        show.as_json(rows)
        return
    columns = ("SLUG", "SKU", "NAME", "CATEGORY", ">PRICE", "TIERS", "DELIVERY", ">FREE", "")
    cells = [
        (
            r["slug"],
            r["sku"],
            f"{r['name']} {r['sku_name']}".strip(),
            r["category"],
            r["price"]["amount"],
            " ".join(f"{t['from']}={t['price']['amount']}" for t in r["tiers"]),
            r["delivery"],
            r["free"] if r["delivery"] == "auto" else "",
            "hidden" if r["is_hidden"] else "",
        )
        for r in rows
    ]
    show.table(columns, cells, empty="There is no product yet: `kashop product add` makes one.")


def _listed(db: Reader, currency: str) -> list[dict[str, Any]]:
    free: dict[int, int] = {}
    for count in counts(db):
        free[count.sku_id] = free.get(count.sku_id, 0) + count.free
    shelves = {c.category_id: c.slug for c in reads.categories(db)}
    return [
        {
            "slug": found.slug,
            "sku": sku.sku_code,
            "name": found.name,
            "sku_name": sku.name,
            "category": shelves.get(found.category_id or 0),
            "price": show.amount(sku.price_minor, currency),
            "cost": show.amount(sku.cost_minor, currency),
            "tiers": [{"from": q, "price": show.amount(p, currency)} for q, p in sku.tiers],
            "min": sku.min_quantity,
            "max": sku.max_quantity,
            "delivery": found.delivery,
            "hold_minutes": found.hold_minutes,
            "free": free.get(sku_id, 0),
            "is_hidden": bool(found.is_hidden or sku.is_hidden),
        }
        for found in reads.products(db)
        for sku_id, sku in products.sku_drafts(db, found.product_id)
    ]


def _get(db: Reader, slug: str) -> Product:
    found = reads.find_product(db, slug)
    if found is None:
        raise NotFound("There is no product {slug}: `kashop product list` shows them.", slug=slug)
    return found


def _one_sku(db: Reader, found: Product, sku_code: str) -> tuple[int, SkuDraft]:
    drafts = products.sku_drafts(db, found.product_id)
    fitting = [(sku_id, draft) for sku_id, draft in drafts if not sku_code or draft.sku_code == sku_code]
    if len(fitting) != 1:
        known = ", ".join(draft.sku_code for _, draft in drafts)
        raise Invalid.of("sku", "Name one of the product's SKUs with --sku: {known}.", known=known)
    return fitting[0]


def _with_category(db: Reader, values: dict[str, Any]) -> dict[str, Any]:
    slug = values.pop("category", None)
    if slug is None:
        return values
    found = reads.find_category(db, slug) if slug != "-" else None
    if slug != "-" and found is None:
        raise Invalid.of("category", "There is no category {slug}: `kashop category add` makes one.", slug=slug)
    return {**values, "category_id": found.category_id if found else None}


def _product_values(given: dict[str, Any]) -> dict[str, Any]:
    """The product's options that were given, as a draft has them."""
    names = ("category", "summary", "delivery", "contact_type", "lookup_password", "stock_display", "hold_minutes", "position")
    values = {name: given[name] for name in (*names, "is_hidden") if given[name] is not None}
    for name in ("description", "instructions"):
        if given[name] is not None:
            values[name] = _text_or_file(given[name], name)
    if given["fields"]:
        values["fields"] = tuple(_buyer_field(text) for text in given["fields"])
    return values


def _sku_values(given: dict[str, Any], price: str | None, currency: str) -> dict[str, Any]:
    """The SKU's options that were given, as a draft has them."""
    names = ("min_quantity", "max_quantity", "is_free", "low_stock_line")
    values = {name: given[name] for name in names if given[name] is not None}
    if price is not None:
        values["price_minor"] = money.parse(price, currency, field="price")
    if given["cost"] is not None:
        values["cost_minor"] = money.parse(given["cost"], currency, field="cost")
    if given["tiers"] is not None:
        values["tiers"] = rules.parse_tiers(given["tiers"], currency)
    return values


def _buyer_field(text: str) -> BuyerField:
    if text.startswith("{"):
        try:
            return msgspec.json.decode(text, type=BuyerField)
        except msgspec.DecodeError as error:
            raise Invalid.of("field", "{problem}", problem=error) from None
    name, _, label = text.partition("=")
    return BuyerField(name.strip(), label.strip() or name.strip())


def _text_or_file(text: str, field: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid.of(field, "The file {path} is not UTF-8 text.", path=text[1:]) from None


def _currency(shop: Shop) -> str:
    return shop.settings.text("shop.currency")
