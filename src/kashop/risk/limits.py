"""Sliding windows in memory: so many tries by a subject in so many seconds."""

from collections import OrderedDict, deque

from kashop.lib.clock import SECOND, Clock
from kashop.lib.errors import TooMany

MOST_SUBJECTS = 100_000


class Limits:
    """Counts tries by (scope, subject). Forgets the subject that has been quiet longest when it knows too many."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._tries: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()

    def take(self, scope: str, subject: str, *, most: int, seconds: int) -> None:
        """Count one try. Raises TooMany when `most` were made in the last `seconds`."""
        now = self._clock.now()
        tries = self._tries.setdefault((scope, subject), deque())
        self._tries.move_to_end((scope, subject))
        while tries and tries[0] <= now - seconds * SECOND:
            tries.popleft()
        if len(tries) >= most:
            wait = max(1, (tries[0] + seconds * SECOND - now) // SECOND)
            raise TooMany("Too many tries. Please wait {seconds} seconds.", retry_after=wait, seconds=wait)
        tries.append(now)
        if len(self._tries) > MOST_SUBJECTS:
            self._tries.popitem(last=False)

    def forgive(self, scope: str, subject: str) -> None:
        """Forget a subject's tries, after a right one."""
        self._tries.pop((scope, subject), None)
