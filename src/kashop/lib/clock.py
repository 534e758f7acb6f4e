"""Time: milliseconds since 1970 UTC, from one clock that tests can set."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> int:
        """Milliseconds UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Milliseconds UTC."""
        return time.time_ns() // 1_000_000


class Steady:
    """A clock over another that never goes back: where that one is set back, this one goes on from where it was.

    For windows and waits, which a machine's clock that is put right must not stretch: each lasts as long as it says, counted from
    the first look after the clock was set.
    """

    def __init__(self, clock: Clock):
        self._clock = clock
        self._last = clock.now()
        self._gained = 0

    def now(self) -> int:
        """Milliseconds that never become fewer."""
        told = self._clock.now()
        self._gained += max(0, self._last - told)
        self._last = told
        return told + self._gained


def rfc3339(ms: int) -> str:
    """`2026-11-01T04:00:00Z`, as the API writes times."""
    return _second(ms // 1000)


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
