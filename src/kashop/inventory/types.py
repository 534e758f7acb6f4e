"""The inventory's rows."""

import msgspec

DEFAULT_POOL = "default"


class Pool(msgspec.Struct, frozen=True):
    """A part of the stock that certain channels sell from."""

    pool_id: int
    slug: str
    name: str


class ChannelPool(msgspec.Struct, frozen=True):
    """The pool that a channel sells from, when it is not the default one."""

    channel: str
    pool_id: int


class Batch(msgspec.Struct, frozen=True):
    """One import.

    `status` is importing until its last chunk, then done or stopped; an interrupted one stays importing, untouched, and the same
    file adds the rest. One that is taken back is undoing, then undone.
    """

    batch_id: int
    product_id: int
    sku_id: int
    pool_id: int
    kind: str
    name: str
    source: str
    source_digest: bytes | None
    supplier: str
    cost_minor: int
    expires_on: str
    note: str
    status: str
    imported: int
    duplicates: int
    bad: int
    taken_back: int
    rows_total: int
    rows_read: int
    created_by: str
    created_at: int
    touched_at: int
    ended_at: int | None


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
    rows_total: int = 0


class Intake(msgspec.Struct, frozen=True):
    """What a chunk of codes has to fit: its batch as it stands now."""

    product_id: int
    sku_id: int
    pool_id: int
    status: str


class Added(msgspec.Struct, frozen=True):
    """A chunk on the shelf: how many codes were new, and what became of those that the shop had had, by fingerprint."""

    count: int
    known: dict[bytes, str]


class KnownCode(msgspec.Struct, frozen=True):
    """A code that the shop has had, as an import compares it."""

    code_id: int
    fingerprint: bytes
    status: str


class Rejects(msgspec.Struct, frozen=True):
    """Which rows of an import were left out: packed CSV of so many."""

    listed: int
    content: bytes


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when an import ends; `duplicates` are those found within the file itself."""

    duplicates: int
    bad: int
    rows_read: int
    rejects: Rejects


class BatchEdit(msgspec.Struct, frozen=True, kw_only=True):
    """What may be changed of a batch afterwards."""

    name: str
    note: str
    supplier: str
    cost_minor: int
    expires_on: str


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


class BatchCounts(msgspec.Struct, frozen=True):
    """What became of a batch's codes."""

    free: int
    held: int
    sold: int
    void: int


class TakenBack(msgspec.Struct, frozen=True):
    """How far an undo is: codes that it made void in all, and whether none is left to be."""

    voided: int
    is_done: bool
