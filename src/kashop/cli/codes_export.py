"""`kashop codes export`: codes into a file that only its passphrase opens, by the same rules as in the panel."""

import os
from pathlib import Path

import rich_click as click

from kashop.catalog import reads as catalog
from kashop.cli import frame, show
from kashop.db import Reader
from kashop.flows import exports
from kashop.flows.codes import Asked
from kashop.flows.exports import MOST_CODES, Made, Wish
from kashop.inventory.codelist.types import STATES, Sought
from kashop.lib.errors import Invalid, NotFound, Refusal
from kashop.shop import Shop


class _Waits(Refusal):
    """It waits for a second person."""

    code = "second_person_needed"


@click.command("export")
@frame.shop_options
@click.option("--product", default="", metavar="SLUG", help="Whose codes; not with --approved.")
@click.option("--sku", default="", metavar="CODE")
@click.option("--batch", type=int, metavar="NUMBER")
@click.option("--state", type=click.Choice(STATES), default="free", show_default=True)
@click.option("--count", type=click.IntRange(1, MOST_CODES), default=MOST_CODES, show_default=True, help="At most, oldest first.")
@click.option("--take-out", is_flag=True, help="Void the free ones as they leave.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE", help="A new .xlsx file.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), required=True, metavar="F", help="- for stdin.")
@click.option("--reason", default="", help="Why: it stands in the audit of each code; not with --approved.")
@click.option("--approved", type=int, metavar="ID", help="Do what a second person approved: exactly those codes, once.")
def export(*, data: Path, is_json: bool, out: Path, passphrase_file: Path, approved: int | None, **given: object) -> None:
    """Export codes as an Excel workbook encrypted to a passphrase.

    Above the bounds of the settings codes.second_person_above a second person has to approve it in the panel first.

    Example: kashop codes export --product steam-50 --count 20 --out them.xlsx --passphrase-file pw.txt --reason "for the partner"
    """
    passphrase = frame.read_secret(passphrase_file, field="passphrase")
    if out.exists():
        raise Invalid.of("out", "The file {path} is there already.", path=out)

    async def work(shop: Shop) -> Made:
        if approved is not None:
            made: Made | Asked = await exports.export_approved(shop, approved, frame.actor(), passphrase=passphrase)
        else:
            wish = await shop.db.read(_wish, given)
            count = (await exports.preview(shop, wish, frame.actor())).count
            made = await exports.export(shop, wish, frame.actor(), expected=count, passphrase=passphrase)
        if isinstance(made, Asked):
            raise _Waits(
                "This needs a second person. Request {number} waits under Approvals in the panel; when somebody has approved it, "
                "run the command again with --approved {number}.",
                number=made.approval_id,
            )
        return made

    made = frame.run(data, work)
    _store(out, made.data)
    if is_json:
        told = {"export": made.export_id, "file": out, "codes": made.count, "digest": made.digest}
        show.as_json({**told, "gone": made.gone, "unreadable": list(made.lost)})
        return
    show.line(f"Wrote {made.count} codes to {out}. BLAKE2b {made.digest}")
    for number, why in ((made.gone, "no longer in that state"), (len(made.lost), "do not open where they stand")):
        if number:
            show.line(f"Left out {number}: {why}.")


def _store(out: Path, data: bytes) -> None:
    """A new file, for its owner alone."""
    fd = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _wish(db: Reader, given: dict[str, object]) -> Wish:
    slug, sku_code = str(given["product"]), str(given["sku"])
    product = catalog.find_product(db, slug)
    if product is None:
        raise NotFound("There is no product {slug}: `kashop product list` shows them.", slug=slug or "-")
    sku = catalog.find_sku(db, sku_code) if sku_code else None
    if sku_code and (sku is None or sku.product_id != product.product_id):
        raise NotFound("There is no such SKU.")
    sought = Sought(
        product_id=product.product_id,
        sku_id=sku.sku_id if sku else None,
        batch_id=given["batch"],  # type: ignore[arg-type]  # click has seen to its type
        status=str(given["state"]),
    )
    return Wish(
        sought=sought,
        most=given["count"],  # type: ignore[arg-type]
        take_out=bool(given["take_out"]) and sought.status == "free",
        reason=str(given["reason"]),
    )
