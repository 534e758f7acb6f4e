"""How an import shares the machine with the shop that sells meanwhile."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 50
"""Codes in one change are so many or a multiple of it."""
MOST_CHUNKS = 20
CHUNK_SECONDS = 0.008
"""How long the writer is to be at one change before its COMMIT: what an order may have to wait is some ten milliseconds."""
REST = 3
"""An import beside a process that writes too rests so many times as long as the writer was at its last change."""
STEP = 1000
"""Rows that are read in one go on a thread."""

_SWITCH = 0.001

_lock = threading.Lock()
_found: list[float] = []
"""What each that is open found; the first found what a server or Python had set."""


class Chunk:
    """How many codes go into the next change: by how long the writer was at the last one, and at most twice as many as in it."""

    def __init__(self) -> None:
        self.size = CHUNK

    def took(self, codes: int, seconds: float) -> None:
        """So many were shelved."""
        if codes:
            fitting = int(CHUNK_SECONDS * codes / max(seconds, 1e-6)) // CHUNK * CHUNK
            self.size = max(CHUNK, min(fitting, 2 * self.size, MOST_CHUNKS * CHUNK))


@contextmanager
def beside_the_shop() -> Iterator[None]:
    """While this is open, threads hand over five times sooner than Python lets them.

    One order changes threads some six times, and would otherwise wait five milliseconds for an import at each.
    """
    with _lock:
        _found.append(sys.getswitchinterval())
        sys.setswitchinterval(_SWITCH)
    try:
        yield
    finally:
        with _lock:
            usual = _found.pop()
            if not _found:
                sys.setswitchinterval(usual)
