"""`kashop codes`: the stock. No command here prints a code."""

import io
import sys
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import rich_click as click

from kashop.catalog import reads as catalog
from kashop.cli import frame, sealing, show, stock_files
from kashop.cli.codes_export import export
from kashop.cli.supplier import open_sealed
from kashop.db import Reader
from kashop.flows import restock
from kashop.flows.void import void_codes
from kashop.inventory import reads
from kashop.inventory.stockfile import ENCODINGS, FORMATS, Rules
from kashop.inventory.types import DEFAULT_POOL, Batch
from kashop.lib.errors import NotFound
from kashop.shop import Shop

MOST_BYTES = 1024 * 1024 * 1024
LISTED = 20


@click.group()
def codes() -> None:
    """The stock: codes in batches, each sealed as it comes in."""


@codes.command("import")
@click.argument("file", metavar="FILE")
@frame.shop_options
@click.option("--product", required=True, metavar="SLUG")
@click.option("--sku", default="", metavar="CODE", help="Which SKU, if the product has several.")
@click.option("--pool", default=DEFAULT_POOL, show_default=True)
@click.option("--batch", default="", metavar="NAME", help="What to call this import; the file's name unless given.")
@click.option("--cost", default="", metavar="5.00", help="What one cost, where the file does not say.")
@click.option("--note", default="")
@click.option("--supplier", default="")
@click.option("--dry-run", is_flag=True, help="Read everything, store nothing, say what would happen.")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="Found out from the content unless given.")
@click.option("--encoding", type=click.Choice(ENCODINGS), help="Found out unless given.")
@click.option("--separator", metavar="SEP", help="Between columns: a character, `tab`, or a text such as ----.")
@click.option("--columns", metavar="A,B", help="Which columns make up the code: names or numbers from 1.")
@click.option("--join", "joiner", default="----", show_default=True, metavar="SEP", help="Between joined columns.")
@click.option("--header/--no-header", default=None, help="Whether the first row names the columns.")
@click.option("--sheet", metavar="NAME", help="Which sheet of a workbook.")
@click.option("--cost-column", metavar="NAME")
@click.option("--expiry-column", metavar="NAME")
@click.option("--note-column", metavar="NAME")
def import_(*, file: str, data: Path, is_json: bool, dry_run: bool, product: str, **given: Any) -> None:
    """Import codes from a txt, csv, tsv, xlsx or jsonl file; `-` reads stdin.

    A code that the shop has ever held is not added again, so an interrupted import is finished by running it once more.

    Example: kashop codes import 卡密.txt --product steam-50 --dry-run

    Example: kashop codes import cards.csv --product game-100 --columns 卡号,密码 --join "----"
    """
    opened, name = _opened(file)

    async def work(shop: Shop) -> restock.Report:
        kept = {k: given[k] for k in ("sku", "pool", "batch", "cost", "note", "supplier")}
        source = restock.Source(file=opened, name=name, product=product, rules=_rules(given), **kept)
        return await restock.import_codes(shop, source, frame.actor(), dry_run=dry_run)

    with opened:
        report = frame.run(data, work)
    if is_json:
        show.as_json(stock_files.told(report))
    else:
        _tell(report)


@codes.command()
@click.argument("file", metavar="FILE")
@frame.shop_options
@click.option("--reason", required=True, help="Why: it stands in the audit of each code.")
def void(*, file: str, data: Path, is_json: bool, reason: str) -> None:
    """Take the codes that FILE lists out of sale for ever; `-` reads stdin. Held and sold ones stay their order's.

    Example: kashop codes void leaked.txt --reason "leaked by a supplier"
    """
    opened, name = _opened(file)
    with opened:
        done = frame.run(data, lambda shop: void_codes(shop, opened, name, frame.actor(), reason=reason))
    if is_json:
        show.as_json(msgspec.to_builtins(done))
        return
    show.line(f"Voided {done.voided}.")
    for rows, why in ((done.unknown, "the shop never had them"), (done.not_free, "held, sold or void already")):
        if rows:
            show.line(
                f"Left alone {len(rows)}, {why}: rows {', '.join(map(str, rows[:LISTED]))}{' …' if len(rows) > LISTED else ''}"
            )


def _opened(file: str) -> tuple[BinaryIO, str]:
    if file == "-":
        text = sys.stdin.buffer.read(MOST_BYTES)
        return io.BytesIO(text), "stdin"
    path = Path(file)
    if path.is_dir():
        raise click.UsageError("FILE is a directory.")
    return path.open("rb"), stock_files.name_of(path)


def _rules(given: dict[str, Any]) -> Rules:
    columns = tuple(_column(c) for c in given["columns"].split(",")) if given["columns"] else None
    return Rules(
        format=given["format_"],
        encoding=given["encoding"],
        separator=given["separator"],
        columns=columns,
        joiner=given["joiner"].replace("\\t", "\t").replace("\\n", "\n"),
        header=given["header"],
        sheet=given["sheet"],
        cost_column=_column(given["cost_column"]),
        expiry_column=_column(given["expiry_column"]),
        note_column=_column(given["note_column"]),
    )


def _column(text: str | None) -> Any:
    if text is None:
        return None
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else text


def _tell(report: restock.Report) -> None:
    shape = report.shape
    assert shape is not None
    parts = [shape.format, shape.encoding, f"separator {shape.separator!r}" if shape.separator else None]
    parts += [f"sheet {shape.sheet}" if shape.sheet else None]
    if shape.header:
        parts.append("code = " + f" {shape.joiner} ".join(shape.columns))
    show.line("Read as: " + ", ".join(p for p in parts if p))
    if shape.ignored:
        show.line("Not used: " + ", ".join(shape.ignored))
    verb = "would be added" if report.is_dry_run else "added"
    twice = f"{report.duplicate_in_file} duplicate in the file, {report.duplicate_in_stock} already known"
    show.line(f"{report.read} rows: {report.new} {verb} to {report.sku}, {twice}, {report.bad} bad.")
    for warning, count in report.warnings.items():
        show.line(f"Worth a look: {warning.replace('_', ' ')} in {count} rows.")
    for reject in report.rejects[:LISTED]:
        show.line(f"  row {reject.row}: {reject.reason.replace('_', ' ')}")
    if len(report.rejects) > LISTED:
        show.line(f"  … {len(report.rejects) - LISTED} more: --json lists up to a thousand.")


@codes.command("count")
@frame.shop_options
@click.option("--product", default="", metavar="SLUG", help="Only this product.")
def count(*, data: Path, is_json: bool, product: str) -> None:
    """How many codes are free, held, sold and void, by SKU and pool."""
    rows = frame.run(data, lambda shop: shop.db.read(_counted, product))
    if is_json:
        show.as_json(rows)
        return
    columns = ("PRODUCT", "SKU", "POOL", ">FREE", ">HELD", ">SOLD", ">VOID")
    show.table(columns, [tuple(r.values()) for r in rows], empty="There are no codes yet.")


def _counted(db: Reader, slug: str) -> list[dict[str, Any]]:
    if slug and catalog.find_product(db, slug) is None:
        raise NotFound("There is no product {slug}: `kashop product list` shows them.", slug=slug)
    pools = {p.pool_id: p.slug for p in reads.pools(db)}
    rows = []
    for c in reads.counts(db):
        sku = catalog.get_sku(db, c.sku_id)
        product = catalog.get_product(db, sku.product_id)
        if slug in ("", product.slug):
            numbers = {"free": c.free, "held": c.held, "sold": c.sold, "void": c.void}
            rows.append({"product": product.slug, "sku": sku.sku_code, "pool": pools[c.pool_id], **numbers})
    return rows


@codes.command("batches")
@frame.shop_options
def batches(*, data: Path, is_json: bool) -> None:
    """The newest imports first."""

    async def work(shop: Shop) -> tuple[list[tuple[Batch, str]], str, str]:
        return await shop.db.read(_batches), shop.settings.text("shop.timezone"), shop.settings.text("shop.currency")

    found, timezone, currency = frame.run(data, work)
    if is_json:
        show.as_json([{**msgspec.structs.asdict(b), "sku": sku, "cost": show.amount(b.cost_minor, currency)} for b, sku in found])
        return
    rows = [
        (b.batch_id, show.when(b.created_at, timezone), sku, b.name, b.imported, b.duplicates, b.bad, b.status, b.created_by)
        for b, sku in found
    ]
    columns = (">BATCH", "WHEN", "SKU", "NAME", ">IMPORTED", ">DUPLICATE", ">BAD", "STATUS", "BY")
    show.table(columns, rows, empty="Nothing has been imported yet.")


def _batches(db: Reader) -> list[tuple[Batch, str]]:
    return [(b, catalog.get_sku(db, b.sku_id).sku_code) for b in reads.batches(db)]


for _command in (export, sealing.supplier_key, sealing.shop_key, sealing.seal, open_sealed):
    codes.add_command(_command)
