"""The copy that a process keeps, and when it is too old to be shown."""

import asyncio
import time
from collections.abc import Callable

from kashop.db import Db
from kashop.shelf import reads
from kashop.shelf.types import Snapshot

OLDEST = 0.5
"""Seconds after which another process may have changed something that must be seen."""

OLDEST_COUNTS = 0.25
"""Seconds after a commit of our own within which what it took or brought must be seen."""


class Shelf:
    """What is for sale, read again only while somebody asks, once for all who ask. `seconds` is a clock that never goes back."""

    def __init__(self, db: Db, *, seconds: Callable[[], float] = time.monotonic):
        self._db = db
        self._seconds = seconds
        self._snapshot: Snapshot | None = None
        self._newest = 0
        self._until = 0.0
        self._read_until = 0.0
        self._reading: asyncio.Task[Snapshot] | None = None
        self._restocked = 0
        db.watch(reads.version, self._committed)
        db.watch(reads.restocked, self._stock_came)

    async def look(self) -> Snapshot:
        """What is for sale, as new as promised."""
        shown = self.glance()
        if shown is None and self._reading is not None:  # it may have been begun before what the asker knows of
            await asyncio.shield(self._reading)
            shown = self.glance()
        if shown is not None:
            return shown
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(self._reading)

    def glance(self) -> Snapshot | None:
        """The same without waiting; None when it would have to be read."""
        shown = self._snapshot
        is_new = shown is not None and shown.version >= self._newest and self._seconds() < self._until
        return shown if is_new else None

    def doubt(self, version: int) -> None:
        """The database was seen to be at this version: what is older is not shown again."""
        self._newest = max(self._newest, version)

    def is_sold_out(self, shown: Snapshot, sku_id: int, channel: str, quantity: int) -> bool:
        """Whether there surely is less: this was counted after all that came back into sale here, and taking leaves no more."""
        return shown.count_free(sku_id, channel) < quantity and shown.restocked >= self._restocked

    def overcounted(self, shown: Snapshot) -> None:
        """Less was found than this shows: it is counted again for the next who looks, once for all who found that."""
        if shown is self._snapshot:
            self._until = 0.0

    def _stock_came(self, restocked: int) -> None:
        self._restocked = restocked

    def _committed(self, version: int) -> None:
        self.doubt(version)
        soon = self._seconds() + OLDEST_COUNTS
        self._until, self._read_until = min(self._until, soon), min(self._read_until, soon)

    async def _read(self) -> Snapshot:
        # from before the look, which sees at least what was committed by now
        self._read_until, newest = self._seconds() + OLDEST, self._newest
        try:
            known = self._snapshot.listing if self._snapshot else None
            found = await self._db.read(reads.snapshot, known)
            if found.version < newest == self._newest:  # a unit saw a change whose commit then failed
                self._newest = found.version
            self._snapshot, self._until = found, self._read_until
            return found
        finally:
            self._reading = None
