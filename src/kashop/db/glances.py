"""Looks so small that the way to a thread and back costs more than they do: taken on the event loop, while that is quick.

Always true: one at a time, whole, in a snapshot of its own, on a connection that can neither write nor checkpoint nor wait for
anybody; where the disk turns out to be slow, none is taken here for a while.
"""

import resource
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from kashop.db.connections import opened
from kashop.db.units import look

T = TypeVar("T")

SLOW_SECONDS = 0.005
"""A look that read from the disk and took so long is the last one for a while: the loop has better things to do. From memory it
takes a thirtieth of it."""

REST_SECONDS = 1.0


def blocks_read() -> int:
    """Blocks that this thread ever had to wait for: whoever was slow without any waited for the core or for the interpreter, as
    he would have on a thread."""
    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_inblock


class Glances:
    """The event loop's own connection; lives on the loop's thread alone. `seconds` is a clock that never goes back."""

    def __init__(self, path: Path, seconds: Callable[[], float] = time.perf_counter, blocks: Callable[[], int] = blocks_read):
        self._con = opened(path, "PRAGMA wal_autocheckpoint=0", "PRAGMA query_only=1", "PRAGMA busy_timeout=0")
        self._seconds, self._blocks = seconds, blocks
        self._rests_until = 0.0

    @property
    def is_quick(self) -> bool:
        """Whether a look may be taken here now."""
        return self._seconds() >= self._rests_until

    def take(self, now: int, fn: Callable[..., T], args: Any, kwargs: Any) -> T:
        """One look. Raises sqlite3.OperationalError where it would have to wait, besides what `fn` raises."""
        began, before = self._seconds(), self._blocks()
        try:
            return look(self._con, now, fn, args, kwargs)
        finally:
            ended = self._seconds()
            if ended - began > SLOW_SECONDS and self._blocks() > before:
                self._rests_until = ended + REST_SECONDS

    def close(self) -> None:
        """Let go of the file."""
        self._con.close()


def is_to_wait(error: sqlite3.OperationalError) -> bool:
    """Whether a look failed only because it may not wait here."""
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
