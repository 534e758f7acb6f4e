"""Which accounts failed to begin payments lately. In memory alone: it only says who is asked first."""

from collections import deque

from kashop.lib.clock import MINUTE, Clock

IN_A_ROW = 3
WITHIN = 5 * MINUTE
REST = 5 * MINUTE


class Failures:
    """Failures in a row by account. One that failed `IN_A_ROW` times `WITHIN` minutes stands behind the others for `REST`."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._failed: dict[int, deque[int]] = {}

    def note(self, gateway_id: int) -> None:
        """It failed just now."""
        self._failed.setdefault(gateway_id, deque(maxlen=IN_A_ROW)).append(self._clock.now())

    def forgive(self, gateway_id: int) -> None:
        """It works."""
        self._failed.pop(gateway_id, None)

    def rests_until(self, gateway_id: int) -> int:
        """Until when it stands behind the others, milliseconds UTC; 0 when it does not."""
        failed = self._failed.get(gateway_id, deque())
        if len(failed) < IN_A_ROW or failed[-1] - failed[0] > WITHIN:
            return 0
        until = failed[-1] + REST
        return until if self._clock.now() < until else 0

    def resting(self) -> frozenset[int]:
        """The accounts that stand behind the others now."""
        return frozenset(gateway_id for gateway_id in self._failed if self.rests_until(gateway_id))
