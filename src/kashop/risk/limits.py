"""Sliding windows in memory: so many tries by a subject in so many seconds."""

from collections import OrderedDict, deque
from ipaddress import IPv6Address, ip_address

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

    def is_spent(self, scope: str, subject: str, *, most: int, seconds: int) -> bool:
        """Whether one more try would be refused; counts nothing."""
        since = self._clock.now() - seconds * SECOND
        return sum(at > since for at in self._tries.get((scope, subject), ())) >= most

    def forgive(self, scope: str, subject: str) -> None:
        """Forget a subject's tries, after a right one."""
        self._tries.pop((scope, subject), None)


def one_client(ip: str) -> str:
    """The client behind an address: an IPv4 address, or the /64 that an IPv6 provider hands out whole (RFC 6177)."""
    try:
        address = ip_address(ip.partition("%")[0])
    except ValueError:
        return ip
    if not isinstance(address, IPv6Address):
        return ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> 64 << 64))
