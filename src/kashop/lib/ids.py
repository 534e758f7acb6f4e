"""Names for things: random numbers for people, snowflakes for rows that need their key before they are written."""

import hashlib
import os
import secrets
import threading
import time
from datetime import UTC, datetime
from functools import lru_cache

from kashop.lib.clock import DAY

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford base 32: no I, L, O, U, so that a number survives a telephone."""

_LETTERS = ALPHABET * 8
"""The letter of each byte."""

_FETCHED = 4096

_EPOCH_MS = 1_577_836_800_000  # 2020-01-01
_SEQUENCE_BITS = 12
_NODE_BITS = 10
MOST_NODES = 1 << _NODE_BITS


class Snowflakes:
    """Unique 63-bit keys in rising order: 41 bits of milliseconds, 10 of node, 12 of sequence. Safe across threads.

    The node is random for each process until it is given one; it has to differ among processes that write in the same
    millisecond.
    """

    def __init__(self, node: int | None = None):
        self._node = secrets.randbelow(1 << _NODE_BITS) if node is None else node
        self._last = 0
        self._lock = threading.Lock()

    def be(self, node: int) -> None:
        """Make keys under this number from here on."""
        self._node = node

    def take(self, count: int = 1) -> list[int]:
        """The next `count` keys."""
        with self._lock:
            tick = (time.time_ns() // 1_000_000 - _EPOCH_MS) << _SEQUENCE_BITS
            first = max(tick, self._last + 1)
            self._last = first + count - 1
            return [self._key(n) for n in range(first, first + count)]

    def _key(self, n: int) -> int:
        ms, sequence = n >> _SEQUENCE_BITS, n & ((1 << _SEQUENCE_BITS) - 1)
        return (((ms << _NODE_BITS) | self._node) << _SEQUENCE_BITS) | sequence


snowflakes = Snowflakes()


class _Randomness:
    """The system's random bytes, fetched many at once and handed out once each: a call to the system for every few of them lets
    another thread have the interpreter, and to have it back takes longer than the bytes. A forked child fetches its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes, self._at = b"", 0
        os.register_at_fork(after_in_child=self._forget)

    def take(self, count: int) -> bytes:
        """So many bytes that nobody else is given."""
        with self._lock:
            first, end = self._at, self._at + count
            if end > len(self._bytes):
                self._bytes, first, end = os.urandom(max(_FETCHED, count)), 0, count
            self._at = end
            return self._bytes[first:end]

    def _forget(self) -> None:
        self._lock, self._bytes, self._at = threading.Lock(), b"", 0


random_bytes = _Randomness().take
"""`random_bytes(n)`: n bytes of the system's randomness, for numbers and salts."""


def random_text(length: int) -> str:
    """`length` random characters of ALPHABET, five bits each."""
    return "".join(map(_LETTERS.__getitem__, random_bytes(length)))


def number(prefix: str, now: int, *, length: int = 14) -> str:
    """A number such as `K261101` + 14 random characters (70 bits): dated for people, safe in any gateway's field."""
    return prefix + _day(now // DAY) + random_text(length)


@lru_cache(maxsize=8)
def _day(days: int) -> str:
    return datetime.fromtimestamp(days * DAY / 1000, UTC).strftime("%y%m%d")


def token() -> str:
    """A fresh secret of 192 random bits for links and cookies."""
    return secrets.token_urlsafe(24)


def digest(secret: str) -> bytes:
    """What is stored of a high-entropy secret: SHA-256. Not for passwords."""
    return hashlib.sha256(secret.encode()).digest()
