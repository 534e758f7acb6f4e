"""The supply's rows."""

import msgspec


class ImportKey(msgspec.Struct, frozen=True):
    """The shop's key that suppliers seal for. `sealed` is its private half, None once dropped."""

    import_key_id: int
    name: str
    public_key: bytes
    sealed: bytes | None
    created_at: int
    retired_at: int | None

    def __repr__(self) -> str:
        return f"<ImportKey {self.name}>"


class Supplier(msgspec.Struct, frozen=True):
    """Somebody who may send sealed batches."""

    supplier_id: int
    ref: str
    name: str
    is_trusted: int
    is_disabled: int
    join_until: int
    created_at: int


class SupplierKey(msgspec.Struct, frozen=True):
    """A supplier's public key. `status`: offered, confirmed, retired, rejected; only a confirmed one counts."""

    supplier_key_id: int
    supplier_id: int
    public_key: bytes
    status: str
    offered_at: int
    changed_at: int


class SealedBatch(msgspec.Struct, frozen=True):
    """A batch as staff and its supplier may see it. `status`: held (for approval), waiting (to be opened), done, refused."""

    sealed_batch_id: int
    supplier_id: int
    supplier_name: str
    batch_no: str
    product_id: int
    slug: str
    product_name: str
    sku_code: str
    count: int
    size: int
    status: str
    reason: str
    received_at: int
    ended_at: int | None
    batch_id: int | None
    added: int
    duplicates: int
    bad: int


class SealedContent(msgspec.Struct, frozen=True):
    """What it takes to open a batch: everything that was signed is checked again then."""

    sealed_batch_id: int
    supplier_id: int
    supplier_name: str
    batch_no: str
    slug: str
    sku_code: str
    manifest: bytes
    signature: bytes
    body: bytes
    public_key: bytes
    key_status: str
    is_disabled: int
    import_key_name: str
    import_key: bytes | None

    def __repr__(self) -> str:
        return f"<SealedContent {self.sealed_batch_id}>"


class Counts(msgspec.Struct, frozen=True):
    """What became of the rows of a batch."""

    batch_id: int | None
    added: int
    duplicates: int
    bad: int


class Allowed(msgspec.Struct, frozen=True):
    """A SKU that a supplier may bring codes for."""

    product_id: int
    slug: str
    product_name: str
    sku_id: int
    sku_code: str
    sku_name: str


class OpenLoad(msgspec.Struct, frozen=True):
    """How much of a supplier's is not opened yet."""

    batches: int
    size: int
