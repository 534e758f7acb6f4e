"""Forms that wait until who sent them has confirmed that it is them.

Always true: a form is kept in memory alone, whole with its files, for one session and one address, for ten minutes, and given
back once; their number and bytes are bounded: the oldest goes first.
"""

from collections import OrderedDict

import msgspec

from kashop.lib import ids
from kashop.lib.clock import MINUTE, Clock
from kashop.web.forms import Form

KEPT_FOR = 10 * MINUTE
MOST_FORMS, MOST_BYTES = 32, 64 * 1024 * 1024


class _Kept(msgspec.Struct, frozen=True):
    owner: tuple[bytes, str]
    until: int
    form: Form
    size: int

    def __repr__(self) -> str:
        return f"<Kept form of {self.size} bytes>"


class KeptForms:
    """One for the process, at `app.state.kept_forms`."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def keep(self, session: bytes, path: str, form: Form) -> str:
        """Keep a form; the token that it is asked for by."""
        token = ids.token()
        self._kept[token] = _Kept((session, path), self._clock.now() + KEPT_FOR, form, form.size())
        self._forget()
        return token

    def take(self, session: bytes, path: str, token: str) -> Form | None:
        """The session's own form for that address, once."""
        self._forget()
        kept = self._kept.get(token)
        if kept is None or kept.owner != (session, path):
            return None
        del self._kept[token]
        return kept.form

    def _forget(self) -> None:
        now = self._clock.now()
        for token in [t for t, kept in self._kept.items() if kept.until <= now]:
            del self._kept[token]
        while len(self._kept) > MOST_FORMS or sum(k.size for k in self._kept.values()) > MOST_BYTES:
            self._kept.popitem(last=False)
