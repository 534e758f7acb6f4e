"""Time: milliseconds since 1970 UTC, from one clock that tests can set."""

import time
from datetime import UTC, datetime
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


def rfc3339(ms: int) -> str:
    """`2026-11-01T04:00:00Z`, as the API writes times."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
