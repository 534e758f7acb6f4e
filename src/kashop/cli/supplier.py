"""`kashop supplier`: who may send sealed batches of codes, and what became of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import rich_click as click

from kashop.catalog import reads as catalog
from kashop.cli import frame, show
from kashop.db import Reader
from kashop.flows import supply as flow
from kashop.lib.errors import Conflict, NotFound
from kashop.shop import Shop
from kashop.supply import reads, sealedbatch, writes
from kashop.supply.types import SealedBatch, Supplier, SupplierKey
from kashop.vault import boxes
from kashop.web.api.supply import shown_key

PRODUCTS = click.option(
    "--product", "products", multiple=True, required=True, metavar="SLUG", help="What he may bring; repeat it."
)


@click.group()
def supplier() -> None:
    """Suppliers: who may seal codes for this shop, and send them."""


@supplier.command("add")
@click.argument("name")
@frame.shop_options
@PRODUCTS
@click.option("--trusted", is_flag=True, help="Put his batches on the shelf without asking staff.")
@click.option("--public-key", default="", metavar="KEY", help="His key, if he told you himself: confirmed at once.")
def add(*, name: str, data: Path, is_json: bool, products: tuple[str, ...], trusted: bool, public_key: str) -> None:
    """Add a supplier; prints the link by which he registers his key.

    Example: kashop supplier add 老张 --product steam-50
    """

    async def work(shop: Shop) -> dict[str, Any]:
        chosen = await shop.db.read(_products, products)
        supplier_id = await shop.db.write(writes.add_supplier, name, products=chosen, is_trusted=trusted, actor=frame.actor())
        if not public_key:
            return {"name": name, "link": await flow.invite(shop, supplier_id, frame.actor())}
        raw = sealedbatch.unbase64(public_key, boxes.KEY_BYTES)
        key_id = await shop.db.write(writes.offer_key, supplier_id, raw, frame.actor())
        await shop.db.write(writes.confirm_key, supplier_id, key_id, frame.actor())
        return {"name": name, "fingerprint": sealedbatch.fingerprint(raw)}

    try:
        told = frame.run(data, work)
    except ValueError:
        raise click.UsageError("--public-key is 43 characters, as `kashop codes supplier-key` prints it.") from None
    _tell_link(told, is_json)


@supplier.command("link")
@click.argument("name")
@frame.shop_options
def link(*, name: str, data: Path, is_json: bool) -> None:
    """Another one-time link: for a supplier who lost his key, or whose link ran out after seven days."""

    async def work(shop: Shop) -> dict[str, Any]:
        found = await shop.db.read(_get, name)
        return {"name": name, "link": await flow.invite(shop, found.supplier_id, frame.actor())}

    _tell_link(frame.run(data, work), is_json)


def _tell_link(told: dict[str, Any], is_json: bool) -> None:
    if is_json:
        show.as_json(told)
    elif "link" in told:
        show.line(told["link"])
        show.aside("Pass it on by a safe way: it works once, within seven days. Then compare his fingerprint and confirm it.")
    else:
        show.line(f"Added {told['name']}, key {sealedbatch.grouped(told['fingerprint'])}.")


@supplier.command("list")
@frame.shop_options
def list_(*, data: Path, is_json: bool) -> None:
    """Every supplier with his key's fingerprint."""
    found = frame.run(data, lambda shop: shop.db.read(_listed))
    if is_json:
        show.as_json(found)
        return
    rows = [(s["name"], s["state"], " ".join(s["products"]), sealedbatch.grouped(s["fingerprint"])) for s in found]
    show.table(("NAME", "", "PRODUCTS", "KEY"), rows, empty="No suppliers yet: `kashop supplier add`.")


def _listed(db: Reader) -> list[dict[str, Any]]:
    live = reads.live_keys(db)
    return [_plain(db, found, live.get(found.supplier_id, [])) for found in reads.suppliers(db)]


def _plain(db: Reader, found: Supplier, keys: list[SupplierKey]) -> dict[str, Any]:
    newest = keys[-1] if keys else None  # an offered one comes after the confirmed one
    states = (
        (bool(found.is_disabled), "disabled"),
        (newest is None, "no key yet"),
        (newest is not None and newest.status == "offered", "waits to be confirmed"),
        (bool(found.is_trusted), "trusted"),
        (True, "ok"),
    )
    return {
        "name": found.name,
        "state": next(state for is_so, state in states if is_so),
        "products": sorted({allowed.slug for allowed in reads.allowed(db, found.supplier_id)}),
        "fingerprint": sealedbatch.fingerprint(newest.public_key) if newest else "",
    }


@supplier.command("confirm")
@click.argument("name")
@click.argument("fingerprint")
@frame.shop_options
def confirm(*, name: str, fingerprint: str, data: Path, is_json: bool) -> None:
    """Let a supplier's key count, once its fingerprint is the one that he told you himself.

    Example: kashop supplier confirm 老张 "04ab 99c1 …"
    """

    async def work(shop: Shop) -> None:
        found = await shop.db.read(_get, name)
        offered = [k for k in await shop.db.read(reads.keys, found.supplier_id) if k.status == "offered"]
        wanted = "".join(fingerprint.split()).lower()
        if not offered or sealedbatch.fingerprint(offered[0].public_key) != wanted:
            raise Conflict("No key with that fingerprint waits to be confirmed.")
        await shop.db.write(writes.confirm_key, found.supplier_id, offered[0].supplier_key_id, frame.actor())

    frame.run(data, work)
    show.as_json({"name": name, "confirmed": True}) if is_json else show.line(f"{name} may send batches now.")


@supplier.command("disable")
@click.argument("name")
@frame.shop_options
def disable(*, name: str, data: Path, is_json: bool) -> None:
    """Take nothing more from a supplier; what waits is held for staff."""
    _set_disabled(data, name, True)
    show.as_json({"name": name}) if is_json else show.line(f"Nothing more is taken from {name}.")


@supplier.command("enable")
@click.argument("name")
@frame.shop_options
def enable(*, name: str, data: Path, is_json: bool) -> None:
    """Take batches from a supplier again."""
    _set_disabled(data, name, False)
    show.as_json({"name": name}) if is_json else show.line(f"{name} may send batches again.")


def _set_disabled(data: Path, name: str, is_disabled: bool) -> None:
    async def work(shop: Shop) -> None:
        found = await shop.db.read(_get, name)
        await shop.db.write(writes.set_disabled, found.supplier_id, is_disabled, frame.actor())

    frame.run(data, work)


@supplier.command("key")
@click.argument("name")
@frame.shop_options
def key(*, name: str, data: Path, is_json: bool) -> None:
    """The shop-key.json for a supplier's scripts: what `kashop codes seal --to` reads. Holds no secret.

    Example: kashop supplier key 老张 > shop-key.json
    """

    async def work(shop: Shop) -> Any:
        found = await shop.db.read(_get, name)
        confirmed = [k for k in await shop.db.read(reads.keys, found.supplier_id) if k.status == "confirmed"]
        return shown_key(shop, await flow.shop_key(shop, found), confirmed[0] if confirmed else None)

    show.as_json(frame.run(data, work))


@supplier.command("rotate-key")
@frame.shop_options
def rotate_key(*, data: Path, is_json: bool) -> None:
    """Make a new import key. The old one opens what is on its way, and is dropped two weeks later."""
    made = frame.run(data, lambda shop: flow.rotate_import_key(shop, frame.actor()))
    told = {"import_key": made.name}
    show.as_json(told) if is_json else show.line(f"New batches are sealed for {sealedbatch.grouped(made.name)}.")


@supplier.command("batches")
@frame.shop_options
def batches(*, data: Path, is_json: bool) -> None:
    """The newest sealed batches and what became of them."""

    async def work(shop: Shop) -> tuple[list[SealedBatch], str]:
        return await shop.db.read(reads.batches), shop.settings.text("shop.timezone")

    found, timezone = frame.run(data, work)
    if is_json:
        show.as_json(found)
        return
    rows = [(b.sealed_batch_id, show.when(b.received_at, timezone), b.supplier_name, b.sku_code, *_outcome(b)) for b in found]
    columns = (">ID", "RECEIVED", "SUPPLIER", "SKU", ">ROWS", "STATUS", "", ">NEW", ">DUPLICATE", ">BAD")
    show.table(columns, rows, empty="No supplier has sent anything yet.")


def _outcome(batch: SealedBatch) -> tuple[object, ...]:
    return (batch.count, batch.status, batch.reason, batch.added, batch.duplicates, batch.bad)


@click.command("open-sealed")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@frame.shop_options
def open_sealed(*, file: Path, data: Path, is_json: bool) -> None:
    """Take a supplier's sealed file that came by another way, judged as if he had sent it himself. Prints counts, no code."""

    async def work(shop: Shop) -> SealedBatch:
        made = await flow.receive(shop, _pieces(file), by=frame.actor())
        return await flow.accept(shop, made.sealed_batch_id, frame.actor()) if made.status == "held" else made

    done = frame.run(data, work)
    if is_json:
        show.as_json(done)
        return
    said = f"{done.count} rows from {done.supplier_name}: "
    counts = f"{done.added} added to {done.sku_code}, {done.duplicates} known, {done.bad} bad."
    show.line(said + (counts if done.status == "done" else f"{done.status} {done.reason}".rstrip() + "."))


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(1 << 16):
            yield piece


def _get(db: Reader, name: str) -> Supplier:
    found = reads.find_by_name(db, name.strip())
    if found is None:
        raise NotFound("There is no supplier {name}: `kashop supplier list` shows them.", name=name)
    return found


def _products(db: Reader, slugs: tuple[str, ...]) -> list[int]:
    found = []
    for slug in slugs:
        product = catalog.find_product(db, slug)
        if product is None:
            raise NotFound("There is no product {slug}: `kashop product list` shows them.", slug=slug)
        found.append(product.product_id)
    return found
