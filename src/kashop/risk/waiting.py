"""The line for those whose browser runs no JavaScript: instead of computing they wait.

Always true: turns come no faster, for all who stand in it together, than one core could compute: so the line is never a cheaper
way than the work, however many addresses a script has. One place for each client; a place that is left is lost.
"""

import math

import msgspec

from kashop.lib.clock import MINUTE, SECOND, Clock, Steady

LEAST = 5.0
LONGEST = 10 * MINUTE
"""How far ahead turns are given out: beyond it the line is full."""
WORTH = 2.0
"""A place still serves when the work that it stands for has grown so many times meanwhile."""
OPEN_FOR = 3 * MINUTE
"""How long a turn may be taken."""


class Turn(msgspec.Struct, frozen=True):
    """A place in the line: from `opens_at` on, for a while, milliseconds UTC."""

    seconds: float
    opens_at: int
    until: int


class Line:
    """One for the process. It goes by a clock that never goes back, and tells times of the shop's."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._steady = Steady(clock)
        self._last = 0
        self._places: dict[str, Turn] = {}

    def turn(self, client: str, seconds: float) -> Turn | None:
        """The client's place for so much work; a new one behind the last when it has none, or one for much less.

        None: the line is full.
        """
        now = self._clock.now()
        self._places = {c: t for c, t in self._places.items() if t.until > now}
        known = self._places.get(client)
        if known is not None and known.seconds * WORTH >= seconds:
            return known
        step = step_of(seconds)
        steady = self._steady.now()
        at = max(steady, self._last) + step
        if at - steady > max(LONGEST, step):
            return None
        self._last = at
        opens_at = now + at - steady
        turn = Turn(seconds, opens_at, opens_at + OPEN_FOR)
        self._places[client] = turn
        return turn

    def leave(self, client: str) -> None:
        """The client took his turn."""
        self._places.pop(client, None)


def behind(last: int, now: int, seconds: float) -> Turn | None:
    """The place behind whoever opens last; None when the line is full."""
    step = step_of(seconds)
    at = max(now, last) + step
    return None if at - now > max(LONGEST, step) else Turn(seconds, at, at + OPEN_FOR)


def step_of(seconds: float) -> int:
    """How much later whoever comes next has his turn, in milliseconds."""
    return math.ceil(max(LEAST, seconds) * SECOND)
