"""Tries counted over all servers in the shop's own database.

Always true: what a server tells is one row, whatever it counted meanwhile; what is counted one by one is decided in one change.
"""

from collections.abc import Sequence

from kashop.db import Db
from kashop.db.queue import Work, doing
from kashop.lib import ids
from kashop.lib.clock import SECOND, Clock
from kashop.risk import reads, writes
from kashop.risk.tally import LONGEST_WINDOW, Try

_AT_A_TIME = 500
_LATE = 20
"""Rows that are looked at again: one that got its number earlier may be there later."""


class InDatabase:
    """A Tally."""

    def __init__(self, db: Db, clock: Clock):
        self._db, self._clock = db, clock
        self._node = ids.token()[:12]
        self._seen = 0

    async def exchange(self, tries: str) -> list[tuple[str, str]]:
        """As a Tally."""
        if tries:
            with doing(Work.BACKGROUND):
                await self._db.write(writes.tell_tries, self._node, tries)
        since = self._clock.now() - LONGEST_WINDOW * SECOND
        heard: list[tuple[str, str]] = []
        after = max(0, self._seen - _LATE)
        while True:
            rows = await self._db.read(reads.told_after, after, since=since, limit=_AT_A_TIME)
            heard += [(row.node, row.tries) for row in rows if row.node != self._node]
            after = rows[-1].told_id if rows else after
            self._seen = max(self._seen, after)
            if len(rows) < _AT_A_TIME:
                return heard

    async def take(self, tries: Sequence[Try]) -> tuple[int, int] | None:
        """As a Tally."""
        return await self._db.write(writes.take_tries, tries)

    async def forgive(self, subject: str) -> None:
        """As a Tally."""
        await self._db.write(writes.forgive_tries, subject)

    async def close(self) -> None:
        """The shop closes its database."""
