"""Sliding windows in memory: so many tries by a subject in so many seconds, for every scope of the table.

Where a shop has several servers, what the others counted counts too (risk/others.py).
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address

from kashop.lib.addresses import parsed
from kashop.lib.clock import SECOND, Clock, Steady
from kashop.lib.errors import TooMany, Unavailable
from kashop.risk.others import Others, Tries
from kashop.risk.scopes import SCOPES, Scope

MOST_SUBJECTS = 100_000

SLOTS = 32
"""Beyond so many tries they are remembered by the slot of the window that they fell into: a wide limit takes little more memory
than a narrow one."""


class Limits:
    """Counts tries by (scope, subject). Forgets the subject that has been quiet longest when it knows too many.

    It goes by a clock that never goes back, so that one that is set back keeps nobody out for longer than the window.
    """

    def __init__(self, clock: Clock, setting: Callable[[str], int] | None = None):
        """`setting` looks a merchant's own number up by its name; without one, the table's holds."""
        self._clock = Steady(clock)
        self._setting = setting
        # a crowd has tens of thousands of addresses: an empty deque takes 760 bytes, a tuple of one try 100
        self._tries: OrderedDict[tuple[str, str], Tries] = OrderedDict()
        self._others: Others | None = None

    def follow(self, setting: Callable[[str], int]) -> None:
        """Take the merchant's own numbers from here on."""
        self._setting = setting

    def share(self, others: Others) -> None:
        """Count with other servers from here on."""
        self._others = others

    @property
    def is_shared(self) -> bool:
        """Whether other servers' tries count too."""
        return self._others is not None

    async def exchange(self) -> None:
        """Tell other servers and hear of them now, not within the next half second."""
        if self._others is not None:
            await self._others.exchange()

    @property
    def problem(self) -> str:
        """Why other servers' tries are not counted just now, though they should be; empty when they are."""
        return self._others.problem if self._others is not None else ""

    def take(self, scope: str, subject: str) -> None:
        """Count one try. Raises TooMany when as many were made as the scope allows, LookupError for a scope without a row.

        What other servers counted within the last half second may not be known yet.
        """
        limit, now = SCOPES[scope], self._clock.now()
        most, window = self._most(limit), limit.seconds * SECOND
        key = (scope, subject)
        mine = tuple(slot for slot in self._tries.get(key, ()) if slot[0] > now - window)
        self._remember(key, mine)
        tries = mine
        if self._others is not None and (theirs := self._others.of(scope, subject, since=now - window, now=now)):
            tries = tuple(sorted((*mine, *theirs)))
        if sum(count for _at, count in tries) >= most:
            raise _too_many(tries[0][0] + window - now)
        self._add(key, mine, most=most, window=window, now=now)

    async def take_exactly(self, *tries: tuple[str, str]) -> None:
        """Count one try of each (scope, subject) in turn, up to the first that is refused, over all servers at once: for what
        guards a secret. Raises TooMany, LookupError."""
        if self._others is not None:
            limits = [(scope, subject, self._most(SCOPES[scope]), SCOPES[scope].seconds * SECOND) for scope, subject in tries]
            try:
                refused = await self._others.take(limits)
            except Unavailable:  # told in the log by whoever noticed: here this server's own count bounds
                pass
            else:
                self._note(limits[: None if refused is None else refused[0]])
                if refused is not None:
                    raise _too_many(refused[1])
                return
        for scope, subject in tries:
            self.take(scope, subject)

    def is_spent(self, scope: str, subject: str) -> bool:
        """Whether one more try would be refused, as far as is known here; counts nothing."""
        limit, now = SCOPES[scope], self._clock.now()
        since = now - limit.seconds * SECOND
        count = sum(count for at, count in self._tries.get((scope, subject), ()) if at > since)
        if self._others is not None:
            count += sum(count for _at, count in self._others.of(scope, subject, since=since, now=now))
        return count >= self._most(limit)

    async def forgive(self, scope: str, subject: str) -> None:
        """Forget a subject's tries, after a right one."""
        self._tries.pop((scope, subject), None)
        if self._others is not None:
            await self._others.forgive(scope, subject)

    async def close(self) -> None:
        """Tell other servers what they do not know yet."""
        if self._others is not None:
            await self._others.close()

    def _note(self, counted: Sequence[tuple[str, str, int, int]]) -> None:
        """Know here too what was counted elsewhere, for when that does not answer."""
        now = self._clock.now()
        for scope, subject, most, window in counted:
            mine = tuple(slot for slot in self._tries.get((scope, subject), ()) if slot[0] > now - window)
            self._remember((scope, subject), mine)
            self._add((scope, subject), mine, most=most, window=window, now=now)

    def _add(self, key: tuple[str, str], mine: Tries, *, most: int, window: int, now: int) -> None:
        if mine and most > SLOTS and mine[-1][0] > now - window // SLOTS:
            since, count = mine[-1]
            tries = (*mine[:-1], (since, count + 1))
        else:
            tries = (*mine, (now, 1))
        self._tries[key] = tries
        if self._others is not None:
            self._others.took(*key, tries, most)
        self._forget_quiet(now)

    def _remember(self, key: tuple[str, str], tries: Tries) -> None:
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


def _too_many(wait_ms: int) -> TooMany:
    wait = max(1, wait_ms // SECOND)
    return TooMany("Too many tries. Please wait {seconds} seconds.", retry_after=wait, seconds=wait)


@lru_cache(maxsize=16_384)
def one_client(ip: str) -> str:
    """The client behind an address: an IPv4 address, or the /64 that an IPv6 provider hands out whole (RFC 6177)."""
    address = parsed(ip.partition("%")[0])
    if not isinstance(address, IPv6Address):
        return ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))
