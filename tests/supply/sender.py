"""A supplier with a key of his own: joins a shop, seals codes, sends files, good ones and others."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from kashop.catalog import reads as catalog
from kashop.flows import supply
from kashop.lib.actor import CLI, Actor
from kashop.shop import Shop
from kashop.supply import reads, sealedbatch, writes
from kashop.supply.sealedbatch import Manifest
from kashop.supply.types import ImportKey, SealedBatch, Supplier
from kashop.vault import boxes

IP = "198.51.100.9"


class Sender:
    """One supplier. `seed` is his secret; the shop has only the public half."""

    def __init__(self, shop: Shop, supplier: Supplier, seed: bytes, key: ImportKey):
        self.shop, self.supplier, self.seed, self.key = shop, supplier, seed, key

    def names(self, **over: Any) -> dict[str, Any]:
        shop_id = self.shop.settings.text("shop.id")
        return {"shop": shop_id, "supplier": self.supplier.ref, "product": "steam", "sku": "steam", **over}

    def sealed(self, codes: list[str] | bytes, *, now: int | None = None, batch: str = "", **over: Any) -> bytes:
        """A good file, or with `over` one whose manifest names something else."""
        plain = codes if isinstance(codes, bytes) else sealedbatch.rows(codes)
        names = self.names(**over)
        seed, key = names.pop("seed", self.seed), names.pop("import_key", self.key.name)
        public = names.pop("public_key", self.key.public_key)
        at = self.shop.clock.now() if now is None else now
        return sealedbatch.seal(plain, seed=seed, public_key=public, import_key=key, now=at, batch=batch, **names)

    def resealed(self, file: bytes, **changed: Any) -> bytes:
        """The file with another manifest, rightly signed by him."""
        manifest, body = parts(file)
        return sealedbatch.assembled(msgspec.structs.replace(manifest, **changed), body, self.seed)

    async def send(self, file: bytes) -> SealedBatch:
        return await send(self.shop, file)


def parts(file: bytes) -> tuple[Manifest, bytes]:
    head = sealedbatch.parse_head(file)
    return head.manifest, file[sealedbatch.head_length(file) or 0 :]


async def send(shop: Shop, file: bytes) -> SealedBatch:
    return await supply.receive(shop, pieces(file), ip=IP)


async def pieces(file: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(file), size):
        yield file[start : start + size]


async def join(
    shop: Shop, name: str = "Zhang", *, slugs: tuple[str, ...] = ("steam",), is_trusted: bool = True, is_confirmed: bool = True
) -> Sender:
    """A supplier who came by his link and whose key staff confirmed."""
    found = [await shop.db.read(catalog.find_product, slug) for slug in slugs]
    products = [product.product_id for product in found if product]
    supplier_id = await shop.db.write(writes.add_supplier, name, products=products, is_trusted=is_trusted, actor=CLI)
    link = await supply.invite(shop, supplier_id, CLI)
    seed = boxes.new_seed()
    await register(shop, link.partition("#join=")[2], seed)
    if is_confirmed:
        await confirm(shop, supplier_id)
    return Sender(shop, await shop.db.read(reads.get, supplier_id), seed, await supply.import_key(shop))


async def register(shop: Shop, token: str, seed: bytes) -> Supplier:
    public = boxes.public_of(seed)
    proof = boxes.sign(seed, sealedbatch.join_text(token, public))
    return await supply.join(shop, token, public, proof, Actor("anonymous", "", IP))


async def confirm(shop: Shop, supplier_id: int) -> None:
    (offered,) = [k for k in await shop.db.read(reads.keys, supplier_id) if k.status == "offered"]
    await shop.db.write(writes.confirm_key, supplier_id, offered.supplier_key_id, CLI)
