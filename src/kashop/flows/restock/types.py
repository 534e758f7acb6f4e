"""What goes into an import and what comes of it. Nothing here shows a code."""

from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec

from kashop.inventory import stockfile
from kashop.inventory.types import DEFAULT_POOL

SKIP, REFUSE = "skip", "refuse"
POLICIES = (SKIP, REFUSE)


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """Where codes go and what is noted of them.

    `sku` may be left out when the product has one; `cost` and `expires` are of each code, where the file does not say. With
    `duplicates` or `bad_rows` set to refuse, one such row refuses the whole file.
    """

    product: str
    sku: str = ""
    pool: str = DEFAULT_POOL
    batch: str = ""
    cost: str = ""
    expires: str = ""
    note: str = ""
    supplier: str = ""
    duplicates: str = SKIP
    bad_rows: str = SKIP


class StockFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file and how to read it."""

    file: BinaryIO
    name: str
    rules: stockfile.Rules = stockfile.Rules()


class Source(Lot, frozen=True, kw_only=True):
    """A stock file and where its codes go; `more` files join the same batch."""

    file: BinaryIO
    name: str
    rules: stockfile.Rules = stockfile.Rules()
    more: tuple[StockFile, ...] = ()

    @property
    def files(self) -> tuple[StockFile, ...]:
        """All of them, in order."""
        return (StockFile(file=self.file, name=self.name, rules=self.rules), *self.more)


class Reject(msgspec.Struct, frozen=True):
    """A row that did not become stock, and why: a duplicate_…, or what is wrong with it. Never the code."""

    row: int
    reason: str
    file: int = 0


class Sample(msgspec.Struct, frozen=True):
    """One of the first rows as a preview may show it: masked, with what would become of it."""

    row: int
    masked: str
    verdict: str
    warning: str = ""
    cost: str = ""
    expires: str = ""
    file: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, or would do. `rejects` lists the first thousand; the counts are complete.

    `duplicate_in_stock` are all that the shop has had before, `already_sold` those of them that were sold.
    """

    product: str
    sku: str
    shape: stockfile.Shape | None
    is_dry_run: bool
    batch_id: int | None
    is_stopped: bool
    read: int
    new: int
    duplicate_in_file: int
    duplicate_in_stock: int
    already_sold: int
    bad: int
    warnings: dict[str, int]
    rejects: tuple[Reject, ...]
    samples: tuple[Sample, ...] = ()


@dataclass(slots=True)
class Progress:
    """How far an import is; whoever started it may look at any time, and set `is_cancelled`."""

    phase: str = "reading"
    rows: int = 0
    total: int = 0
    read_bytes: int = 0
    size: int = 0
    digest: bytes = b""
    batch_id: int | None = None
    is_cancelled: bool = False
    began: dict[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """From 0 to 1, of this phase."""
        if self.total:
            return min(self.rows / self.total, 1.0)
        return min(self.read_bytes / self.size, 1.0) if self.size else 0.0
