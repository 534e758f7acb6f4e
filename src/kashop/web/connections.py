"""Who is connected: how many, how many from one address, and who gives way when there is no room.

Always true: there are never more connections than the process has files for; whoever finds no room is answered, not left waiting;
a connection whose request has not wholly come gives way to a new one, the one that has been still longest first, so that holding
connections open keeps nobody out; one that is being answered never does, unless it takes nothing of its answer. A proxy's
connections are many people's: those of trusted proxies and of this machine are not counted by address.
"""

import resource
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Protocol

from kashop.risk import one_client

MOST = 16_000
"""Connections at once: each holds some 5 KiB."""

UNOPENED = 2048
"""Connections that wait to be opened (web/arrivals.py)."""

OTHER_FILES = 256
"""Files that are kept for the database, for gateways and for what is read; a quarter of all where there are few."""

LINGERING = 64
"""So many of those that found no room stay a moment, to read why."""

LOOKED_AT = 16
"""So many are asked whether they can give way before one who comes is told that there is no room."""

SHARE = 4
"""One address may have one of so many parts of all connections."""


class Waiting(Protocol):
    """A connection that can be made to give way."""

    def is_taking(self) -> bool:
        """Whether it has taken something of an answer that waits for it since this was asked last."""
        ...

    def give_way(self) -> None:
        """End; tell the client why, if it asked for something."""
        ...


def most_files(most: int = 1_048_576) -> int:
    """Allow this process as many files as its hard limit says; how many those are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return min(most, soft) if soft != resource.RLIM_INFINITY else most


def most_connections(files: int) -> int:
    """How many connections so many files are enough for."""
    return min(MOST, files - min(OTHER_FILES, files // 4))


def most_unopened(files: int) -> int:
    """How many more may have been taken from the system and not opened yet: of the files that are kept, half at most."""
    return min(UNOPENED, (files - most_connections(files)) // 2)


class Connections:
    """Every connection of this process. `is_proxy` says whose connections are many people's."""

    def __init__(self, most: int, is_proxy: Callable[[str], bool] = lambda address: False):
        self._most, self._share = most, max(1, most // SHARE)
        self._is_proxy = is_proxy
        self._by: dict[Waiting, str] = {}
        self._of: Counter[str] = Counter()
        self._still: OrderedDict[Waiting, None] = OrderedDict()
        self._lingering = 0

    def __len__(self) -> int:
        return len(self._by)

    def come(self, connection: Waiting, address: str) -> bool:
        """Whether there is room for one more: another one may have given way for it."""
        who = self._counted(address)
        if who and self._of[who] >= self._share:
            return False
        if len(self._by) >= self._most:
            stillest = self._stillest()
            if stillest is None:
                return False
            self.go(stillest)
            stillest.give_way()
        self._by[connection] = who
        if who:
            self._of[who] += 1
        self._still[connection] = None
        return True

    def _stillest(self) -> Waiting | None:
        for _ in range(min(LOOKED_AT, len(self._still))):
            stillest = next(iter(self._still))
            if not stillest.is_taking():
                return stillest
            self._still.move_to_end(stillest)
        return None

    def stir(self, connection: Waiting) -> None:
        """It is still waited for, and moves: others give way before it."""
        if connection in self._by:
            self._still[connection] = None
            self._still.move_to_end(connection)

    def answer(self, connection: Waiting) -> None:
        """Its request is here: from now on it is being answered."""
        self._still.pop(connection, None)

    def go(self, connection: Waiting) -> None:
        """It is no more. Again: nothing."""
        self._still.pop(connection, None)
        who = self._by.pop(connection, "")
        if who:
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]

    def may_linger(self) -> bool:
        """Whether one more that found no room may stay until it has read so; `lingered` ends it."""
        if self._lingering >= LINGERING:
            return False
        self._lingering += 1
        return True

    def lingered(self, end: Callable[[], None]) -> None:
        """It has had its time."""
        self._lingering -= 1
        end()

    def _counted(self, address: str) -> str:
        """Whom a connection counts for; empty when it is nobody's in particular."""
        who = _one(address)
        return "" if not who or self._is_proxy(address) else who


@lru_cache(maxsize=4096)
def _one(address: str) -> str:
    """The client behind a peer's address; empty for this machine and for what is no address."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return "" if ip.is_loopback else one_client(address)
