"""The line before a busy door: only so many are inside at once, the rest wait in the order in which they came, and whoever would
wait too long is told at once when there will be room.

Always true: nobody lines up who would wait longer than `patience`, by what those before took; a place inside is given back once;
only a few come in between two looks of the event loop at everybody else.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial

from kashop.lib.errors import Busy

FIRST_GUESS = 0.001
"""Seconds for each that goes through, before any was measured."""

MEASURED = 32
"""So many that went through one after the other make a measurement."""

NEWEST = 0.1
"""The weight of the newest measurement: a moment in which the machine did something else sends nobody away."""

AT_A_TIME = 4
"""So many are let in between two looks of the event loop at everybody else."""

LONGEST = 30
"""Seconds after which whoever is told to come back may do so at the latest."""

ComeIn = Callable[["Turn | None"], None]
"""Is called when one's turn has come, with the place inside if there is one."""


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

    def hold(self) -> None:
        """It is this task's turn from now on."""
        _turn.set(self)


_turn: ContextVar[Turn | None] = ContextVar("turn", default=None)


def step_aside() -> None:
    """Whoever holds a turn and is about to wait for the network lets the next one in; who holds none does nothing."""
    turn = _turn.get()
    if turn is not None:
        turn.end()


class Place:
    """A place among those who wait: of nobody once its owner has come in or left."""

    __slots__ = ("_come_in", "_few")

    def __init__(self, few: "Few", come_in: ComeIn):
        self._few = few
        self._come_in: ComeIn | None = come_in

    def leave(self) -> None:
        """Wait no longer. Again, or after coming in: nothing."""
        if self.take() is not None:
            self._few.gone()

    def take(self) -> ComeIn | None:
        """What is to be called for whoever stands here; None when nobody does."""
        come_in, self._come_in = self._come_in, None
        return come_in


class Few:
    """Whoever comes waits for a later turn of the event loop, and `at_a_time` of them come in in each; as many as there are."""

    def __init__(self, at_a_time: int = AT_A_TIME):
        self._at_a_time = at_a_time
        self._places: deque[Place] = deque()
        self._count = 0
        self._is_called = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._count

    def stand(self, come_in: ComeIn) -> Place:
        """Wait for one's turn."""
        place = Place(self, come_in)
        self._places.append(place)
        self._count += 1
        self._call()
        return place

    def gone(self) -> None:
        """One left without coming in."""
        self._count -= 1

    def _call(self) -> None:
        if self._count and not self._is_called and self._has_room():
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._let_in)

    def _has_room(self) -> bool:
        return True

    def _let_in(self) -> None:
        self._is_called = False
        let_in = 0
        while let_in < self._at_a_time and self._places and self._has_room():
            come_in = self._places.popleft().take()
            if come_in is not None:
                let_in += 1
                self._count -= 1
                come_in(self._turn())
        self._call()

    def _turn(self) -> Turn | None:
        return None


def _come_in(inside: "asyncio.Future[Turn]", turn: Turn | None) -> None:
    assert turn is not None
    if inside.cancelled():
        turn.end()
    else:
        inside.set_result(turn)


class Line(Few):
    """One door, `at_once` inside. Lives on the event loop alone; `seconds` is a clock that never goes back."""

    def __init__(self, *, at_once: int, patience: float, seconds: Callable[[], float] = time.monotonic):
        super().__init__()
        self._at_once, self._patience, self._seconds = at_once, patience, seconds
        self._inside = 0
        self._each = FIRST_GUESS
        self._through, self._since = 0, 0.0
        self._promised = 0.0

    @property
    def is_full(self) -> bool:
        """Whether one more would wait too long."""
        return self._count >= self._at_once and self._count * self._each > self._patience

    def check(self) -> None:
        """Whether one more may line up. Raises Busy, which says when there will be room for him: later for each who is told."""
        if not self.is_full:
            return
        now = self._seconds()
        self._promised = min(max(self._promised, now) + self._each, now + LONGEST)
        later = min(LONGEST, math.ceil(self._promised - now) + random.randint(0, 1))  # noqa: S311  # nothing secret
        raise Busy(
            "Very many orders are coming in just now. Please try again in {seconds} seconds.",
            retry_after=later,
            seconds=later,
        )

    def stand(self, come_in: ComeIn) -> Place:
        """Stand in line. Raises Busy."""
        self.check()
        if not self._count:
            self._through, self._since = 0, self._seconds()
        return super().stand(come_in)

    async def enter(self) -> Turn:
        """Wait for a place inside; it is also this task's turn until it ends. Raises Busy."""
        inside: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        place = self.stand(partial(_come_in, inside))
        try:
            turn = await inside
        except asyncio.CancelledError:
            place.leave()
            if inside.done() and not inside.cancelled():
                inside.result().end()
            raise
        turn.hold()
        return turn

    def left(self) -> None:
        """One went out: the next may come in."""
        self._inside -= 1
        self._measure()
        self._call()

    def _has_room(self) -> bool:
        return self._inside < self._at_once

    def _turn(self) -> Turn:
        self._inside += 1
        return Turn(self)

    def _measure(self) -> None:
        if not self._count:
            return
        self._through += 1
        if self._through >= MEASURED:
            now = self._seconds()
            self._each += ((now - self._since) / self._through - self._each) * NEWEST
            self._through, self._since = 0, now
