"""Finished exports until the one who made them has fetched them.

Always true: what is kept here is sealed to a passphrase, lives in memory alone, belongs to one session and is forgotten after ten
minutes; a passphrase that was made here is told once and then forgotten.
"""

from collections import OrderedDict

from kashop.flows.exports import Made
from kashop.lib import ids
from kashop.lib.clock import MINUTE, Clock

KEPT_FOR = 10 * MINUTE
MOST_FILES = 8


class Waiting:
    """One export and whose it is."""

    def __init__(self, session: bytes, until: int, made: Made):
        self.session, self.until, self.made = session, until, made
        self._passphrase = made.passphrase

    def passphrase(self) -> str:
        """What opens the file, the first time it is asked for; '' afterwards."""
        told, self._passphrase = self._passphrase, ""
        return told


class Ready:
    """One for the process, at `app.state.ready`."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._files: OrderedDict[str, Waiting] = OrderedDict()

    def keep(self, session: bytes, made: Made) -> str:
        """Keep an export for a session; the token it is asked for by. The oldest goes when there are too many."""
        self._forget()
        token = ids.token()
        self._files[token] = Waiting(session, self._clock.now() + KEPT_FOR, made)
        while len(self._files) > MOST_FILES:
            self._files.popitem(last=False)
        return token

    def find(self, session: bytes, token: str) -> Waiting | None:
        """The session's own export, while it is kept."""
        self._forget()
        waiting = self._files.get(token)
        return waiting if waiting is not None and waiting.session == session else None

    def _forget(self) -> None:
        now = self._clock.now()
        for token in [t for t, waiting in self._files.items() if waiting.until <= now]:
            del self._files[token]
