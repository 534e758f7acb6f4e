"""A server on its way out: `/readyz` says no first, so that a proxy sends nobody here any more, and only then does it stop.

Always true: it waits for proxies alone; a server that nobody asks whether it is ready ends at once.
"""

import asyncio
import time

ASKED_LATELY = 60.0
"""A proxy that asked so many seconds ago is there still."""


class Leaving:
    """Whether this server is about to end, and whether a proxy asks it."""

    def __init__(self) -> None:
        self.is_begun = False
        self._asked_at = float("-inf")

    def asked(self) -> bool:
        """Note that somebody asks whether the server is ready; whether it is leaving."""
        self._asked_at = time.monotonic()
        return self.is_begun

    @property
    def is_watched(self) -> bool:
        """Whether a proxy asks now and again."""
        return time.monotonic() < self._asked_at + ASKED_LATELY

    async def begin(self, seconds: float, hurry: asyncio.Event) -> None:
        """Say no from now on, and come back when proxies have had so many seconds to hear it; sooner once there is a hurry."""
        self.is_begun = True
        if self.is_watched:
            try:
                await asyncio.wait_for(hurry.wait(), seconds)
            except TimeoutError:
                return
