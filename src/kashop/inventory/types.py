"""The inventory's rows."""

import msgspec

DEFAULT_POOL = "default"


class Pool(msgspec.Struct, frozen=True):
    """A part of the stock that certain channels sell from."""

    pool_id: int
    slug: str
    name: str


class Batch(msgspec.Struct, frozen=True):
    """One import. `status` is importing until its last chunk; an interrupted one stays so, and the same file adds the rest."""

    batch_id: int
    product_id: int
    sku_id: int
    pool_id: int
    kind: str
    name: str
    source: str
    cost_minor: int
    expires_on: str
    note: str
    status: str
    imported: int
    duplicates: int
    bad: int
    created_by: str
    created_at: int


class BatchDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is called and costs."""

    product_id: int
    sku_id: int
    pool_id: int
    kind: str = "import"
    name: str
    source: str = ""
    source_digest: bytes | None = None
    supplier: str = ""
    note: str = ""
    cost_minor: int = 0
    expires_on: str = ""


class SealedCode(msgspec.Struct, frozen=True):
    """A code on its way into the vault."""

    code_id: int
    epoch: int
    sealed: bytes
    fingerprint: bytes
    cost_minor: int
    expires_on: str


class Count(msgspec.Struct, frozen=True):
    """How many codes of a SKU in a pool are in each state."""

    sku_id: int
    pool_id: int
    free: int
    held: int
    sold: int
    void: int


class OwnedCode(msgspec.Struct, frozen=True):
    """A code that a line owns, still sealed."""

    code_id: int
    product_id: int
    line_id: int
    epoch: int
    sealed: bytes
