"""Stock files between their preview and their confirmation.

Always true: what is kept here is codes in the clear, so it lives in memory alone, belongs to one session, is
forgotten after a quarter of an hour, and is bounded in number and bytes: the oldest goes first.
"""

from collections import OrderedDict

import msgspec

from kashop.flows.restock import Report
from kashop.lib import ids
from kashop.lib.clock import MINUTE, Clock

KEPT_FOR = 15 * MINUTE
MOST_FILES, MOST_BYTES = 8, 96 * 1024 * 1024


class Kept(msgspec.Struct, frozen=True):
    """One file on its way in."""

    session: bytes
    until: int
    name: str
    data: bytes

    def __repr__(self) -> str:
        return f"<Kept {len(self.data)} bytes>"


class Stash:
    """One for the process, at `app.state.stash`."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._files: OrderedDict[str, Kept] = OrderedDict()
        self._reports: OrderedDict[int, Report] = OrderedDict()

    def keep(self, session: bytes, name: str, data: bytes) -> str:
        """Keep a file for a session; the token it is asked for by."""
        token = ids.token()
        self._files[token] = Kept(session, self._clock.now() + KEPT_FOR, name, data)
        self._forget()
        return token

    def find(self, session: bytes, token: str) -> Kept | None:
        """The session's own file, while it is kept."""
        self._forget()
        kept = self._files.get(token)
        return kept if kept is not None and kept.session == session else None

    def drop(self, token: str) -> None:
        """Forget a file."""
        self._files.pop(token, None)

    def tell(self, batch_id: int, report: Report) -> None:
        """Remember how an import went; it names rows, never codes."""
        self._reports[batch_id] = report
        while len(self._reports) > 50:
            self._reports.popitem(last=False)

    def told(self, batch_id: int) -> Report | None:
        """How an import of this process went."""
        return self._reports.get(batch_id)

    def _forget(self) -> None:
        now = self._clock.now()
        for token in [t for t, kept in self._files.items() if kept.until <= now]:
            del self._files[token]
        while len(self._files) > MOST_FILES or sum(len(k.data) for k in self._files.values()) > MOST_BYTES:
            self._files.popitem(last=False)
