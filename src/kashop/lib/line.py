"""The line before a busy door: only so many are inside at once, the rest wait in the order in which they came, and whoever would
wait too long is told at once to come back.

Always true: nobody lines up who would wait longer than `patience`, by what those before took; a place inside is given back once.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar

from kashop.lib.errors import Busy

FIRST_GUESS = 0.001
"""Seconds for each that goes through, before any was measured."""

MEASURED = 32
"""So many that went through one after the other make a measurement."""

AT_A_TIME = 8
"""So many are let in between two looks of the event loop at everybody else."""


class Turn:
    """A place inside."""

    __slots__ = ("_line",)

    def __init__(self, line: "Line"):
        self._line: Line | None = line

    def end(self) -> None:
        """Give it back. Again: nothing."""
        line, self._line = self._line, None
        if line is not None:
            line.left()


_turn: ContextVar[Turn | None] = ContextVar("turn", default=None)


def step_aside() -> None:
    """Whoever holds a turn and is about to wait for the network lets the next one in; who holds none does nothing."""
    turn = _turn.get()
    if turn is not None:
        turn.end()


class Line:
    """One door. Lives on the event loop alone; `seconds` is a clock that never goes back."""

    def __init__(self, *, at_once: int, patience: float, seconds: Callable[[], float] = time.monotonic):
        self._at_once, self._patience, self._seconds = at_once, patience, seconds
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._each = FIRST_GUESS
        self._through, self._since = 0, 0.0
        self._is_letting_in = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def check(self) -> None:
        """Whether one more may line up. Raises Busy, which says when to come back: not the same moment for all."""
        wait = len(self._waiting) * self._each
        if wait > self._patience and len(self._waiting) >= self._at_once:
            later = min(30, 2 + math.ceil(wait / 2) + random.randint(0, 4))  # noqa: S311  # nothing secret: it spreads who comes back
            raise Busy(
                "Very many orders are coming in just now. Please try again in {seconds} seconds.",
                retry_after=later,
                seconds=later,
            )

    async def enter(self) -> Turn:
        """Wait for a place inside; it is also this task's turn until it ends. Raises Busy."""
        if self._waiting or self._inside >= self._at_once:
            self.check()
            await self._wait()
        else:
            self._inside += 1
        turn = Turn(self)
        _turn.set(turn)
        return turn

    async def _wait(self) -> None:
        if not self._waiting:
            self._through, self._since = 0, self._seconds()
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.left()
            raise

    def left(self) -> None:
        """One went out: the next may come in."""
        self._inside -= 1
        self._measure()
        if self._waiting and not self._is_letting_in:
            self._is_letting_in = True
            asyncio.get_running_loop().call_soon(self._let_in)

    def _let_in(self) -> None:
        for _ in range(AT_A_TIME):
            while self._waiting and self._waiting[0].done():
                self._waiting.popleft()
            if not self._waiting or self._inside >= self._at_once:
                self._is_letting_in = False
                return
            self._inside += 1
            self._waiting.popleft().set_result(None)
        asyncio.get_running_loop().call_soon(self._let_in)

    def _measure(self) -> None:
        if not self._waiting:
            return
        self._through += 1
        if self._through >= MEASURED:
            now = self._seconds()
            self._each += ((now - self._since) / self._through - self._each) * 0.3
            self._through, self._since = 0, now
