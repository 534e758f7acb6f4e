"""A hasher that is watched."""

import threading
import time
from typing import Any


class Counting:
    """A hasher that counts how many it hashes, and how many of those at once, and in which threads. `lasts` seconds go by in
    each, without work: time in which another could begin."""

    def __init__(self, real: Any):
        self._real, self._lock = real, threading.Lock()
        self.total = self.now = self.most = 0
        self.lasts = 0.0
        self.threads: set[str] = set()

    def hash(self, text: str) -> str:
        """Not counted: somebody's own new password."""
        return str(self._real.hash(text))

    def verify(self, stored: str, text: str) -> bool:
        with self._lock:
            self.total, self.now = self.total + 1, self.now + 1
            self.most = max(self.most, self.now)
            self.threads.add(threading.current_thread().name)
        try:
            time.sleep(self.lasts)
            return bool(self._real.verify(stored, text))
        finally:
            with self._lock:
                self.now -= 1
