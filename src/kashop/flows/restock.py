"""Stock comes in: read a file, seal every code off the writer's thread, put it on the shelf in chunks.

Always true: no code in the clear outlives its chunk; a code that the shop has ever held is never added again; each chunk is
whole, so that an import which dies leaves a batch marked `importing` and the same file adds exactly the rest
(docs/decisions/0005).
"""

import asyncio
import hashlib
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import BinaryIO

import msgspec

from kashop.catalog import reads as catalog
from kashop.catalog.types import Product, Sku
from kashop.db import Reader
from kashop.inventory import reads, stockfile, writes
from kashop.inventory.types import DEFAULT_POOL, BatchDraft, SealedCode
from kashop.lib import ids, money
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.shop import Shop
from kashop.vault import DataKey
from kashop.vault import writes as vault

CHUNK = 2000
MOST_LISTED = 1000


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A stock file and where its codes go.

    `sku` may be left out when the product has one; `cost` is per code, when the file does not say.
    """

    file: BinaryIO
    name: str
    product: str
    sku: str = ""
    pool: str = DEFAULT_POOL
    batch: str = ""
    cost: str = ""
    note: str = ""
    supplier: str = ""
    rules: stockfile.Rules = stockfile.Rules()


class Reject(msgspec.Struct, frozen=True):
    """A row that did not become stock: duplicate_in_file, duplicate_in_stock, or what is wrong with it. Never the code."""

    row: int
    reason: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, or would do. `rejects` lists the first thousand; the counts are complete."""

    product: str
    sku: str
    shape: stockfile.Shape
    is_dry_run: bool
    batch_id: int | None
    read: int
    new: int
    duplicate_in_file: int
    duplicate_in_stock: int
    bad: int
    warnings: dict[str, int]
    rejects: tuple[Reject, ...]


async def import_codes(shop: Shop, source: Source, actor: Actor, *, dry_run: bool = False) -> Report:
    """Import a stock file into one SKU, or only say what that would do. Raises Invalid, for the file or the rules."""
    product, sku, pool_id = await shop.db.read(_place, source)
    cost = money.parse(source.cost, shop.settings.text("shop.currency"), field="cost") if source.cost else sku.cost_minor
    shape, digest = await asyncio.to_thread(_inspect, source)
    if shape.question is not None:
        raise Invalid("Please correct the marked fields.", fields=[shape.question])
    run = _Run(shop, source, sku, cost)
    await asyncio.to_thread(run.prove)  # the whole file is read once before anything is stored: a bad byte at the end refuses it
    if dry_run:
        await run.count()
        return run.report(shape, product, None)
    draft = BatchDraft(
        product_id=product.product_id,
        sku_id=sku.sku_id,
        pool_id=pool_id,
        name=source.batch or source.name,
        source=source.name,
        source_digest=digest,
        supplier=source.supplier,
        note=source.note,
        cost_minor=cost,
    )
    key = await shop.db.write(vault.ensure_data_key, shop.keyring, product.product_id)
    shop.keyring.learn([key])
    batch_id = await shop.db.write(writes.open_batch, draft, actor)
    await run.store(batch_id, key)
    await shop.db.write(writes.close_batch, batch_id, duplicates=run.counts["duplicate_in_file"], bad=run.bad, actor=actor)
    return run.report(shape, product, batch_id)


async def inspect(shop: Shop, source: Source) -> stockfile.Shape:
    """What a stock file looks like, for the preview. Its samples are codes in the clear: mask them."""
    shape, _ = await asyncio.to_thread(_inspect, source)
    return shape


class _Prepared(msgspec.Struct, frozen=True):
    """A good row, fingerprinted; its code leaves with the chunk."""

    number: int
    code: str
    fingerprint: bytes
    cost_minor: int
    expires: str

    def __repr__(self) -> str:
        return f"<row {self.number}>"


class _Run:
    """One pass over a file, counting as it goes."""

    def __init__(self, shop: Shop, source: Source, sku: Sku, cost_minor: int):
        self._shop = shop
        self._source = source
        self._sku = sku
        self._cost = cost_minor
        self._currency = shop.settings.text("shop.currency")
        self.counts: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.rejects: list[Reject] = []
        self.read = 0
        self.bad = 0

    def prove(self) -> None:
        """Read to the end and keep nothing."""
        for _ in self._rows():
            pass

    async def count(self) -> None:
        """What storing would do."""
        async for chunk in self._chunks():
            known = await self._shop.db.read(reads.known_fingerprints, [p.fingerprint for p in chunk])
            self._tell(chunk, known)
            self.counts["new"] += len(chunk) - len(known)

    async def store(self, batch_id: int, key: DataKey) -> None:
        """Seal and shelve, chunk by chunk."""
        async for chunk in self._chunks():
            known = await self._shop.db.read(reads.known_fingerprints, [p.fingerprint for p in chunk])
            self._tell(chunk, known)
            sealed = await asyncio.to_thread(self._sealed, chunk, key)
            added = await self._shop.db.write(writes.add_codes, batch_id, sealed)
            self.counts["new"] += added
            # what another import brought between the look and the write
            self.counts["duplicate_in_stock"] += len(chunk) - len(known) - added

    async def _chunks(self) -> AsyncIterator[list[_Prepared]]:
        prepared = self._prepared()
        while chunk := await asyncio.to_thread(lambda: list(islice(prepared, CHUNK))):
            yield chunk

    def _rows(self) -> Iterator[stockfile.Row]:
        self._source.file.seek(0)
        return stockfile.rows(self._source.file, self._source.name, self._source.rules)

    def _prepared(self) -> Iterator[_Prepared]:
        seen: set[bytes] = set()
        for row in self._rows():
            self.read += 1
            problem, cost = row.problem, self._cost
            if problem is None and row.cost is not None:
                try:
                    cost = money.parse(row.cost, self._currency)
                except Invalid:
                    problem = "bad_cost"
            if problem is not None:
                self.bad += 1
                self._reject(row.number, problem)
                continue
            if row.warning:
                self.warnings[row.warning] += 1
            fingerprint = self._shop.keyring.fingerprint(stockfile.fingerprint_text(row.code))
            if fingerprint in seen:
                self._reject(row.number, "duplicate_in_file")
                continue
            seen.add(fingerprint)
            yield _Prepared(row.number, row.code, fingerprint, cost, row.expires or "")

    def _sealed(self, chunk: list[_Prepared], key: DataKey) -> list[SealedCode]:
        seal, place = self._shop.keyring.seal_code, {"product_id": key.product_id, "epoch": key.epoch}
        return [
            SealedCode(
                code_id=code_id,
                epoch=key.epoch,
                sealed=seal(p.code, code_id=code_id, **place),
                fingerprint=p.fingerprint,
                cost_minor=p.cost_minor,
                expires_on=p.expires,
            )
            for code_id, p in zip(ids.snowflakes.take(len(chunk)), chunk, strict=True)
        ]

    def _tell(self, chunk: list[_Prepared], known: set[bytes]) -> None:
        for prepared in chunk:
            if prepared.fingerprint in known:
                self._reject(prepared.number, "duplicate_in_stock")

    def _reject(self, number: int, reason: str) -> None:
        self.counts[reason] += 1
        if len(self.rejects) < MOST_LISTED:
            self.rejects.append(Reject(number, reason))

    def report(self, shape: stockfile.Shape, product: Product, batch_id: int | None) -> Report:
        """The counts so far."""
        return Report(
            product=product.slug,
            sku=self._sku.sku_code,
            shape=msgspec.structs.replace(shape, first=(), cells=()),
            is_dry_run=batch_id is None,
            batch_id=batch_id,
            read=self.read,
            new=self.counts["new"],
            duplicate_in_file=self.counts["duplicate_in_file"],
            duplicate_in_stock=self.counts["duplicate_in_stock"],
            bad=self.bad,
            warnings=dict(self.warnings),
            rejects=tuple(sorted(self.rejects, key=lambda r: r.row)),
        )


def _inspect(source: Source) -> tuple[stockfile.Shape, bytes]:
    source.file.seek(0)
    digest = hashlib.blake2b(digest_size=32)
    while part := source.file.read(1 << 20):
        digest.update(part)
    source.file.seek(0)
    return stockfile.inspect(source.file, source.name, source.rules), digest.digest()


def _place(db: Reader, source: Source) -> tuple[Product, Sku, int]:
    product = catalog.find_product(db, source.product)
    if product is None:
        raise NotFound("There is no product {slug}.", slug=source.product)
    if product.delivery != "auto":
        raise Conflict("{slug} is delivered by hand: it has no stock of codes.", slug=source.product)
    skus = [s for s in catalog.skus(db, product.product_id) if not source.sku or s.sku_code == source.sku]
    if len(skus) != 1:
        raise Invalid.of(
            "sku",
            "Name one of the product's SKUs: {known}.",
            known=", ".join(s.sku_code for s in skus) or "-",
        )
    return product, skus[0], reads.get_pool(db, source.pool).pool_id


def mask(code: str) -> str:
    """A code as a preview may show it: its ends and its length."""
    flat = " ".join(code.split())
    if len(flat) < 8:
        return "•" * len(flat)
    return f"{flat[:2]}{'•' * min(len(flat) - 4, 12)}{flat[-2:]}"


def from_text(text: str) -> BinaryIO:
    """Pasted codes as a file."""
    return io.BytesIO(text.encode())
