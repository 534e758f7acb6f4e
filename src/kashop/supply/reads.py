"""Looks at suppliers, the shop's import keys, and sealed batches."""

import msgspec

from kashop.db import Reader
from kashop.lib.errors import NotFound
from kashop.supply.sealedbatch import MOST_DRIFT, Head, moment, signed_text
from kashop.supply.types import Allowed, ImportKey, OpenLoad, SealedBatch, SealedContent, Supplier, SupplierKey
from kashop.vault import boxes

MOST_LISTED = 200


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be thought of a batch by its first lines. `why` is a word of REFUSALS, empty for a good one.

    `supplier` is whom it names, if there is such a one; `is_proved`, that a key of his signed it.
    """

    why: str
    supplier: Supplier | None = None
    is_proved: bool = False
    key: SupplierKey | None = None
    import_key: ImportKey | None = None
    place: Allowed | None = None
    load: OpenLoad = OpenLoad(0, 0)


def judge(db: Reader, head: Head, *, shop: str) -> Verdict:
    """Whether a batch may come in, before its content is read."""
    manifest = head.manifest
    supplier = find_by_ref(db, manifest.supplier)
    if supplier is None:
        return Verdict(why="supplier")
    key = signer(db, supplier.supplier_id, signed_text(head.line), head.signature)
    if key is None:
        return Verdict(why="supplier", supplier=supplier)
    import_key = find_import_key(db, manifest.import_key)
    place = find_allowed(db, supplier.supplier_id, slug=manifest.product, sku_code=manifest.sku)
    why = next(
        (
            why
            for is_wrong, why in (
                (key.status != "confirmed", "unconfirmed"),
                (bool(supplier.is_disabled), "disabled"),
                (manifest.shop != shop, "shop"),
                (abs(moment(manifest.created_at) - db.now) > MOST_DRIFT, "time"),
                (import_key is None or import_key.sealed is None, "key"),
                (place is None, "product"),
                (is_known_batch(db, supplier.supplier_id, manifest.batch), "replayed"),
            )
            if is_wrong
        ),
        "",
    )
    return Verdict(
        why=why,
        supplier=supplier,
        is_proved=True,
        key=key,
        import_key=import_key,
        place=place,
        load=open_load(db, supplier.supplier_id),
    )


def signer(db: Reader, supplier_id: int, message: bytes, signature: bytes) -> SupplierKey | None:
    """Which of a supplier's live keys signed a text, if one did; it may still wait to be confirmed."""
    live = [key for key in keys(db, supplier_id) if key.status in ("confirmed", "offered")]
    return next((key for key in live if boxes.is_signed(key.public_key, message, signature)), None)


def is_known_batch(db: Reader, supplier_id: int, batch_no: str) -> bool:
    """Whether a batch of that number was taken before."""
    sql = "SELECT 1 FROM sealed_batches WHERE supplier_id = :supplier_id AND batch_no = :batch_no"
    return db.value(sql, supplier_id=supplier_id, batch_no=batch_no) is not None


def open_load(db: Reader, supplier_id: int) -> OpenLoad:
    """How much a supplier has sent that is not opened yet."""
    sql = """SELECT COUNT(*) AS batches, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS size FROM sealed_batches
             WHERE supplier_id = :supplier_id AND status IN ('held', 'waiting')"""
    return db.one(sql, OpenLoad, supplier_id=supplier_id) or OpenLoad(0, 0)


def current_import_key(db: Reader) -> ImportKey | None:
    """The key that new batches are sealed for; None before the first."""
    sql = """SELECT import_key_id, name, public_key, sealed, created_at, retired_at FROM import_keys
             WHERE retired_at IS NULL ORDER BY import_key_id DESC LIMIT 1"""
    return db.one(sql, ImportKey)


def find_import_key(db: Reader, name: str) -> ImportKey | None:
    """The import key of that name, retired or not."""
    sql = "SELECT import_key_id, name, public_key, sealed, created_at, retired_at FROM import_keys WHERE name = :name"
    return db.one(sql, ImportKey, name=name)


def import_keys(db: Reader) -> list[ImportKey]:
    """Every import key that can still open something, the newest first."""
    sql = """SELECT import_key_id, name, public_key, sealed, created_at, retired_at FROM import_keys
             WHERE sealed IS NOT NULL ORDER BY import_key_id DESC"""
    return db.all(sql, ImportKey)


def suppliers(db: Reader) -> list[Supplier]:
    """Every supplier by name."""
    sql = """SELECT supplier_id, ref, name, is_trusted, is_disabled, join_until, created_at FROM suppliers ORDER BY name"""
    return db.all(sql, Supplier)


def get(db: Reader, supplier_id: int) -> Supplier:
    """One supplier. Raises NotFound."""
    sql = """SELECT supplier_id, ref, name, is_trusted, is_disabled, join_until, created_at FROM suppliers
             WHERE supplier_id = :supplier_id"""
    found = db.one(sql, Supplier, supplier_id=supplier_id)
    if found is None:
        raise NotFound("There is no such supplier.")
    return found


def find_by_name(db: Reader, name: str) -> Supplier | None:
    """The supplier whom staff call so."""
    sql = """SELECT supplier_id, ref, name, is_trusted, is_disabled, join_until, created_at FROM suppliers WHERE name = :name"""
    return db.one(sql, Supplier, name=name)


def find_by_ref(db: Reader, ref: str) -> Supplier | None:
    """The supplier whom a manifest names."""
    sql = """SELECT supplier_id, ref, name, is_trusted, is_disabled, join_until, created_at FROM suppliers WHERE ref = :ref"""
    return db.one(sql, Supplier, ref=ref)


def find_joining(db: Reader, join_hash: bytes) -> Supplier | None:
    """The supplier whose one-time link this is, while it may be used."""
    sql = """SELECT supplier_id, ref, name, is_trusted, is_disabled, join_until, created_at FROM suppliers
             WHERE join_hash = :join_hash AND join_until > :now AND is_disabled = 0"""
    return db.one(sql, Supplier, join_hash=join_hash, now=db.now)


def keys(db: Reader, supplier_id: int) -> list[SupplierKey]:
    """A supplier's keys, the newest first."""
    sql = """SELECT supplier_key_id, supplier_id, public_key, status, offered_at, changed_at FROM supplier_keys
             WHERE supplier_id = :supplier_id ORDER BY supplier_key_id DESC"""
    return db.all(sql, SupplierKey, supplier_id=supplier_id)


def live_keys(db: Reader) -> dict[int, list[SupplierKey]]:
    """Every supplier's confirmed key and the one that waits to be confirmed."""
    sql = """SELECT supplier_key_id, supplier_id, public_key, status, offered_at, changed_at FROM supplier_keys
             WHERE status IN ('confirmed', 'offered') ORDER BY status, supplier_key_id"""
    found: dict[int, list[SupplierKey]] = {}
    for key in db.all(sql, SupplierKey):
        found.setdefault(key.supplier_id, []).append(key)
    return found


def is_key_known(db: Reader, public_key: bytes) -> bool:
    """Whether a key was ever registered, by whomever."""
    return db.value("SELECT 1 FROM supplier_keys WHERE public_key = :public_key", public_key=public_key) is not None


def allowed(db: Reader, supplier_id: int) -> list[Allowed]:
    """Every SKU that a supplier may bring codes for."""
    sql = """SELECT p.product_id, p.slug, p.name AS product_name, s.sku_id, s.sku_code, s.name AS sku_name
             FROM supplier_products a JOIN products p ON p.product_id = a.product_id JOIN skus s ON s.product_id = p.product_id
             WHERE a.supplier_id = :supplier_id AND p.delivery = 'auto' ORDER BY p.position, p.product_id, s.position, s.sku_id"""
    return db.all(sql, Allowed, supplier_id=supplier_id)


def find_allowed(db: Reader, supplier_id: int, *, slug: str, sku_code: str) -> Allowed | None:
    """The SKU, if the supplier may bring codes for it."""
    sql = """SELECT p.product_id, p.slug, p.name AS product_name, s.sku_id, s.sku_code, s.name AS sku_name
             FROM supplier_products a JOIN products p ON p.product_id = a.product_id JOIN skus s ON s.product_id = p.product_id
             WHERE a.supplier_id = :supplier_id AND p.slug = :slug AND s.sku_code = :sku_code AND p.delivery = 'auto'"""
    return db.one(sql, Allowed, supplier_id=supplier_id, slug=slug, sku_code=sku_code)


def batches(db: Reader, *, supplier_id: int | None = None, limit: int = MOST_LISTED) -> list[SealedBatch]:
    """The newest sealed batches, of everybody or of one supplier."""
    sql = """SELECT b.sealed_batch_id, b.supplier_id, u.name AS supplier_name, b.batch_no, b.product_id, p.slug,
               p.name AS product_name, s.sku_code, b.count, b.size, b.status, b.reason, b.received_at, b.ended_at, b.batch_id,
               b.added, b.duplicates, b.bad
             FROM sealed_batches b JOIN suppliers u ON u.supplier_id = b.supplier_id
               JOIN products p ON p.product_id = b.product_id JOIN skus s ON s.sku_id = b.sku_id
             WHERE (CAST(:supplier_id AS BIGINT) IS NULL OR b.supplier_id = :supplier_id)
             ORDER BY b.sealed_batch_id DESC LIMIT :limit"""
    return db.all(sql, SealedBatch, supplier_id=supplier_id, limit=limit)


def get_batch(db: Reader, sealed_batch_id: int) -> SealedBatch:
    """One sealed batch. Raises NotFound."""
    sql = """SELECT b.sealed_batch_id, b.supplier_id, u.name AS supplier_name, b.batch_no, b.product_id, p.slug,
               p.name AS product_name, s.sku_code, b.count, b.size, b.status, b.reason, b.received_at, b.ended_at, b.batch_id,
               b.added, b.duplicates, b.bad
             FROM sealed_batches b JOIN suppliers u ON u.supplier_id = b.supplier_id
               JOIN products p ON p.product_id = b.product_id JOIN skus s ON s.sku_id = b.sku_id
             WHERE b.sealed_batch_id = :sealed_batch_id"""
    found = db.one(sql, SealedBatch, sealed_batch_id=sealed_batch_id)
    if found is None:
        raise NotFound("There is no such batch.")
    return found


def find_own(db: Reader, supplier_id: int, batch_no: str) -> int | None:
    """The id of a supplier's own batch by its number."""
    sql = "SELECT sealed_batch_id FROM sealed_batches WHERE supplier_id = :supplier_id AND batch_no = :batch_no"
    found: int | None = db.value(sql, supplier_id=supplier_id, batch_no=batch_no)
    return found


def get_content(db: Reader, sealed_batch_id: int) -> SealedContent | None:
    """A waiting batch with all that opening it takes; None when it waits no longer."""
    sql = """SELECT b.sealed_batch_id, b.supplier_id, u.name AS supplier_name, b.batch_no, p.slug, s.sku_code, b.manifest,
               b.signature, b.body, k.public_key, k.status AS key_status, u.is_disabled, i.name AS import_key_name,
               i.sealed AS import_key
             FROM sealed_batches b JOIN suppliers u ON u.supplier_id = b.supplier_id
               JOIN supplier_keys k ON k.supplier_key_id = b.supplier_key_id
               JOIN import_keys i ON i.import_key_id = b.import_key_id
               JOIN products p ON p.product_id = b.product_id JOIN skus s ON s.sku_id = b.sku_id
             WHERE b.sealed_batch_id = :sealed_batch_id AND b.status = 'waiting'"""
    return db.one(sql, SealedContent, sealed_batch_id=sealed_batch_id)


def due(db: Reader, *, limit: int) -> list[int]:
    """Batches that wait to be opened, by when they are to be tried."""
    sql = """SELECT sealed_batch_id FROM sealed_batches WHERE status = 'waiting' AND next_try_at <= :now
             ORDER BY next_try_at, sealed_batch_id LIMIT :limit"""
    return db.values(sql, now=db.now, limit=limit)


def droppable_keys(db: Reader, before: int) -> list[ImportKey]:
    """Keys retired so long ago that no batch for them can still come, and for which none waits."""
    sql = """SELECT i.import_key_id, i.name, i.public_key, i.sealed, i.created_at, i.retired_at FROM import_keys i
             WHERE i.sealed IS NOT NULL AND i.retired_at < :before
               AND NOT EXISTS (SELECT 1 FROM sealed_batches b
                               WHERE b.import_key_id = i.import_key_id AND b.status IN ('held', 'waiting'))
             ORDER BY i.import_key_id"""
    return db.all(sql, ImportKey, before=before)


def count_bound_to(db: Reader, product_id: int) -> int:
    """How many suppliers may bring codes for a product, and sealed batches that came for it."""
    suppliers = db.value("SELECT COUNT(*) FROM supplier_products WHERE product_id = :product_id", product_id=product_id)
    return int(suppliers) + int(
        db.value("SELECT COUNT(*) FROM sealed_batches WHERE product_id = :product_id", product_id=product_id)
    )
