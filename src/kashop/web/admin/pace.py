"""How fast work goes, and how long it will still take, as a page tells it."""

import msgspec

from kashop.flows.restock import Progress
from kashop.inventory.types import Batch
from kashop.lib.clock import MINUTE, SECOND

INTERRUPTED_AFTER = 2 * MINUTE
"""An import that has not moved for so long is one whose process is gone."""


class Pace(msgspec.Struct, frozen=True):
    """A share from 0 to 100, rows of how many (0: not known yet), rows a second, seconds left (0: not known)."""

    percent: int
    rows: int
    total: int
    rate: int
    left: int
    phase: str = "storing"

    @classmethod
    def of(cls, progress: Progress, now: int) -> "Pace":
        """Of work in this process."""
        seconds = max(now - progress.began.get(progress.phase, now), 1) / SECOND
        share = progress.share
        left = round(seconds * (1 - share) / share) if share > 0.02 and seconds > 1 else 0
        total = progress.total
        return cls(int(share * 100), progress.rows, total, round(progress.rows / seconds), left, progress.phase)

    @classmethod
    def of_batch(cls, batch: Batch) -> "Pace":
        """Of an import in any process, as its batch tells."""
        seconds = max(batch.touched_at - batch.created_at, 1) / SECOND
        rows, total = batch.rows_read, max(batch.rows_total, 1)
        rate = rows / seconds
        left = round((total - rows) / rate) if rows and seconds > 1 else 0
        return cls(min(rows * 100 // total, 100), rows, batch.rows_total, round(rate), left)


def is_interrupted(batch: Batch, now: int) -> bool:
    """Whether nobody is bringing the rest of a batch."""
    return batch.status == "importing" and batch.touched_at + INTERRUPTED_AFTER < now
