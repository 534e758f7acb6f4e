"""Bring stock in: from files, or from rows that are already in memory."""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from kashop.catalog import reads as catalog
from kashop.catalog.types import Product, Sku
from kashop.db import Reader
from kashop.db.queue import Work, does
from kashop.flows.restock.pace import beside_the_shop
from kashop.flows.restock.run import Rows, Run
from kashop.flows.restock.types import POLICIES, REFUSE, Lot, Progress, Report, Source, StockFile
from kashop.inventory import reads, stockfile, writes
from kashop.inventory.types import BatchDraft, Ending, Rejects
from kashop.lib import money
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid, NotFound, Refusal
from kashop.shop import Shop
from kashop.vault import Sealed


class _Place(msgspec.Struct, frozen=True):
    product: Product
    sku: Sku
    pool_id: int
    cost_minor: int


async def import_codes(
    shop: Shop, source: Source, actor: Actor, *, dry_run: bool = False, progress: Progress | None = None
) -> Report:
    """Import stock files into one SKU, or only say what that would do.

    Raises Invalid, for a file or the rules; Sealed, before anything is read, while the vault is.
    """
    refuse_sealed(shop)
    progress = progress or Progress()
    shapes, digest = [], hashlib.blake2b(digest_size=32)
    for file in source.files:
        shapes.append(await asyncio.to_thread(_inspect, file, digest))
        if (question := shapes[-1].question) is not None:
            raise Invalid("Please correct the marked fields.", fields=[question])
    shape = msgspec.structs.replace(shapes[0], first=(), cells=())
    progress.digest = digest.digest()
    names = [file.name for file in source.files]
    rows = _rows_of(source.files, progress)
    return await _bring(shop, source, rows, actor, names=names, digest=digest.digest(), shape=shape, dry_run=dry_run, at=progress)


async def import_rows(
    shop: Shop, lot: Lot, codes: Sequence[str], actor: Actor, *, name: str, digest: bytes, progress: Progress | None = None
) -> Report:
    """Import codes that are in memory already, such as a supplier's opened batch: each a row, from 1, judged like a file's line.

    `name` and `digest` say where they came from, for the batch and its row in the audit. Refused, skipped, counted and told
    exactly as by `import_codes`.
    """
    refuse_sealed(shop)

    def rows() -> Iterator[tuple[int, stockfile.Row]]:
        return ((0, row) for row in stockfile.rows_of(codes))

    at = progress or Progress()
    return await _bring(shop, lot, rows, actor, names=[name], digest=digest, shape=None, dry_run=False, at=at)


async def inspect(shop: Shop, source: StockFile | Source) -> stockfile.Shape:
    """What a stock file looks like, for the preview. Its samples are codes in the clear: mask them."""
    file = source if isinstance(source, StockFile) else source.files[0]
    return await asyncio.to_thread(_inspect, file, None)


def refuse_sealed(shop: Shop) -> None:
    """Raises Sealed while the vault is: no code can be fingerprinted or sealed then."""
    if shop.keyring.is_sealed:
        raise Sealed


async def _bring(
    shop: Shop,
    lot: Lot,
    rows: Rows,
    actor: Actor,
    *,
    names: list[str],
    digest: bytes,
    shape: stockfile.Shape | None,
    dry_run: bool,
    at: Progress,
) -> Report:
    place = await shop.db.read(_place, lot, shop.settings.text("shop.currency"))
    run = Run(shop, lot, rows, product_id=place.product.product_id, cost_minor=place.cost_minor, progress=at)
    batch_id, is_whole = None, True
    with beside_the_shop():
        await run.prove()
        if dry_run or lot.duplicates == REFUSE:
            await run.count()
            _refuse_duplicates(lot, run, dry_run=dry_run)
        if not dry_run:
            draft = _draft(lot, place, name=" + ".join(names)[:200], digest=digest, total=at.total)
            batch_id = at.batch_id = await shop.db.write(writes.open_batch, draft, actor)
            is_whole = await _store(shop, run, batch_id, actor, names=names, digest=digest)
    at.phase = "ended"
    return _report(run, place, shape, batch_id, is_whole=is_whole)


@does(Work.BACKGROUND)
async def _store(shop: Shop, run: Run, batch_id: int, actor: Actor, *, names: list[str], digest: bytes) -> bool:
    """Store, and write down how it ended, even when it broke: what was shelved until then stays."""
    is_whole, why = False, "cancelled"
    try:
        is_whole = await run.store(batch_id)
    except Refusal as refusal:
        why = refusal.code
        raise
    except BaseException:
        why = "broken"
        raise
    finally:
        if not is_whole:
            await shop.db.write(writes.stop_batch, batch_id, actor, why=why)
        listed, content = await asyncio.to_thread(run.notes.as_csv, names)
        ending = Ending(
            duplicates=run.notes.counts["duplicate_in_file"],
            bad=run.notes.bad,
            rows_read=run.notes.read,
            rejects=Rejects(listed, content),
        )
        await shop.db.write(writes.close_batch, batch_id, ending, actor, digest=digest)
    return is_whole


def _refuse_duplicates(lot: Lot, run: Run, *, dry_run: bool) -> None:
    twice, known = run.notes.counts["duplicate_in_file"], run.notes.known
    if not dry_run and lot.duplicates == REFUSE and twice + known:
        raise Invalid.of(
            "duplicates",
            "{twice} rows are in the file twice and {known} were in the shop before: nothing was imported.",
            twice=twice,
            known=known,
        )


def _draft(lot: Lot, place: _Place, *, name: str, digest: bytes, total: int) -> BatchDraft:
    return BatchDraft(
        product_id=place.product.product_id,
        sku_id=place.sku.sku_id,
        pool_id=place.pool_id,
        name=lot.batch or name[:80],
        source=name,
        source_digest=digest,
        supplier=lot.supplier,
        note=lot.note,
        cost_minor=place.cost_minor,
        expires_on=lot.expires,
        rows_total=total,
    )


def _report(run: Run, place: _Place, shape: stockfile.Shape | None, batch_id: int | None, *, is_whole: bool) -> Report:
    notes = run.notes
    return Report(
        product=place.product.slug,
        sku=place.sku.sku_code,
        shape=shape,
        is_dry_run=batch_id is None,
        batch_id=batch_id,
        is_stopped=not is_whole,
        read=notes.read,
        new=notes.counts["new"],
        duplicate_in_file=notes.counts["duplicate_in_file"],
        duplicate_in_stock=notes.known,
        already_sold=notes.counts["duplicate_sold"],
        bad=notes.bad,
        warnings=dict(notes.warnings),
        rejects=notes.first_rejects(),
        samples=tuple(notes.samples),
    )


def _rows_of(files: tuple[StockFile, ...], progress: Progress) -> Rows:
    def rows() -> Iterable[tuple[int, stockfile.Row]]:
        before = 0
        for number, file in enumerate(files):
            file.file.seek(0)
            for count, row in enumerate(stockfile.rows(file.file, file.name, file.rules)):
                yield number, row
                if count % 512 == 0:
                    progress.read_bytes = before + file.file.tell()
            before += file.file.tell()

    return rows


def _inspect(file: StockFile, digest: "hashlib.blake2b | None") -> stockfile.Shape:
    file.file.seek(0)
    while digest is not None and (part := file.file.read(1 << 18)):
        digest.update(part)
    file.file.seek(0)
    return stockfile.inspect(file.file, file.name, file.rules)


def _place(db: Reader, lot: Lot, currency: str) -> _Place:
    product = catalog.find_product(db, lot.product)
    if product is None:
        raise NotFound("There is no product {slug}.", slug=lot.product)
    if product.delivery != "auto":
        raise Conflict("{slug} is delivered by hand: it has no stock of codes.", slug=lot.product)
    skus = [s for s in catalog.skus(db, product.product_id) if not lot.sku or s.sku_code == lot.sku]
    if len(skus) != 1:
        raise Invalid.of(
            "sku",
            "Name one of the product's SKUs: {known}.",
            known=", ".join(s.sku_code for s in skus) or "-",
        )
    cost = money.parse(lot.cost, currency, field="cost") if lot.cost else skus[0].cost_minor
    checked(lot)
    return _Place(product, skus[0], reads.get_pool(db, lot.pool).pool_id, cost)


def checked(lot: Lot) -> None:
    """Raises Invalid for a policy or a date that is none."""
    for field, policy in (("duplicates", lot.duplicates), ("bad_rows", lot.bad_rows)):
        if policy not in POLICIES:
            raise Invalid.of(field, "Please choose one of the list.")
    try:
        if lot.expires and dt.date.fromisoformat(lot.expires).isoformat() != lot.expires:
            raise ValueError("another spelling")
    except ValueError:
        raise Invalid.of("expires", "Write the date as 2027-12-31.") from None
