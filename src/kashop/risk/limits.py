"""Sliding windows in memory: so many tries by a subject in so many seconds, for every scope of the table."""

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address

from kashop.lib.addresses import parsed
from kashop.lib.clock import SECOND, Clock, Steady
from kashop.lib.errors import TooMany
from kashop.risk.scopes import SCOPES, Scope

MOST_SUBJECTS = 100_000

SLOTS = 32
"""Beyond so many tries they are remembered by the slot of the window that they fell into: a wide limit takes little more memory
than a narrow one."""

_Tries = tuple[tuple[int, int], ...]
"""(since when, how many), oldest first. A crowd has tens of thousands of addresses: an empty deque takes 760 bytes, these 100."""


class Limits:
    """Counts tries by (scope, subject). Forgets the subject that has been quiet longest when it knows too many.

    It goes by a clock that never goes back, so that one that is set back keeps nobody out for longer than the window.
    """

    def __init__(self, clock: Clock, setting: Callable[[str], int] | None = None):
        """`setting` looks a merchant's own number up by its name; without one, the table's holds."""
        self._clock = Steady(clock)
        self._setting = setting
        self._tries: OrderedDict[tuple[str, str], _Tries] = OrderedDict()

    def follow(self, setting: Callable[[str], int]) -> None:
        """Take the merchant's own numbers from here on."""
        self._setting = setting

    def take(self, scope: str, subject: str) -> None:
        """Count one try. Raises TooMany when as many were made as the scope allows, LookupError for a scope without a row."""
        limit, now = SCOPES[scope], self._clock.now()
        most, window = self._most(limit), limit.seconds * SECOND
        key = (scope, subject)
        tries = tuple(slot for slot in self._tries.get(key, ()) if slot[0] > now - window)
        self._remember(key, tries)
        if sum(count for _at, count in tries) >= most:
            wait = max(1, (tries[0][0] + window - now) // SECOND)
            raise TooMany("Too many tries. Please wait {seconds} seconds.", retry_after=wait, seconds=wait)
        if tries and most > SLOTS and tries[-1][0] > now - window // SLOTS:
            since, count = tries[-1]
            self._tries[key] = (*tries[:-1], (since, count + 1))
        else:
            self._tries[key] = (*tries, (now, 1))
        self._forget_quiet(now)

    def is_spent(self, scope: str, subject: str) -> bool:
        """Whether one more try would be refused; counts nothing."""
        limit = SCOPES[scope]
        since = self._clock.now() - limit.seconds * SECOND
        return sum(count for at, count in self._tries.get((scope, subject), ()) if at > since) >= self._most(limit)

    def forgive(self, scope: str, subject: str) -> None:
        """Forget a subject's tries, after a right one."""
        self._tries.pop((scope, subject), None)

    def _remember(self, key: tuple[str, str], tries: _Tries) -> None:
        self._tries[key] = tries
        self._tries.move_to_end(key)

    def _forget_quiet(self, now: int) -> None:
        """Of those that have been quiet longest, two of whom nothing counts any more: more than come with a try."""
        for _ in range(2):
            scope, _ = oldest = next(iter(self._tries))
            tries, window = self._tries[oldest], SCOPES[scope].seconds * SECOND
            if len(self._tries) <= MOST_SUBJECTS and tries and tries[-1][0] > now - window:
                return
            del self._tries[oldest]

    def _most(self, limit: Scope) -> int:
        return self._setting(limit.setting) if limit.setting and self._setting is not None else limit.most


@lru_cache(maxsize=16_384)
def one_client(ip: str) -> str:
    """The client behind an address: an IPv4 address, or the /64 that an IPv6 provider hands out whole (RFC 6177)."""
    address = parsed(ip.partition("%")[0])
    if not isinstance(address, IPv6Address):
        return ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))
