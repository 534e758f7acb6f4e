"""Passwords: argon2id, off the event loop, so many at a time and no more.

Always true: a password over 256 characters is refused before it costs anything; it is compared in NFC, so
that two keyboards agree (RFC 8265); however many ask at once, only as many are hashed as there are threads.
"""

import asyncio
import os
import sys
import threading
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from kashop.lib.errors import Invalid, TooMany

T = TypeVar("T")

MOST = 256

_MOST_WAITING = 64
"""Passwords that may wait for a thread: they cost no memory yet, but their senders wait."""

_STAFF = {"time_cost": 3, "memory_cost": 64 * 1024, "parallelism": 1}
_LOOKUP = {"time_cost": 2, "memory_cost": 19 * 1024, "parallelism": 1}


class Passwords:
    """One way to hash, with its own small crew of threads."""

    def __init__(self, *, time_cost: int, memory_cost: int, parallelism: int, threads: int = 2):
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism, type=Type.ID)
        self._crew = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_give_way)
        self._waiting = 0
        self._nobody = f"$argon2id$v=19$m={memory_cost},t={time_cost},p={parallelism}${_noise(16)}${_noise(32)}"
        """What no password has, at the price of a real one; made up, so that opening a shop hashes nothing."""

    @classmethod
    def for_staff(cls) -> "Passwords":
        """For people who log in: 64 MiB."""
        return cls(**_STAFF)

    @classmethod
    def for_lookup(cls) -> "Passwords":
        """For a buyer's look-up password: 19 MiB, OWASP's floor, since a look-up by contact tries several."""
        return cls(**_LOOKUP)

    @classmethod
    def for_orders(cls) -> "Passwords":
        """The same for those who order, with a crew of their own: a flood of look-ups is not to keep anybody from buying."""
        return cls(**_LOOKUP, threads=1)

    async def hash(self, password: str, *, field: str = "password") -> str:
        """What may be stored. Raises Invalid for `field`."""
        text = _normal(password, field)
        return await self._run(lambda: self._hasher.hash(text))

    async def verify(self, stored: str | None, password: str, *, field: str = "password") -> bool:
        """Whether the password is the stored one; nothing stored costs the same time and is never right."""
        text = _normal(password, field)
        return await self._run(lambda: self._is_right(stored, text))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise TooMany("Very many passwords are being checked just now. Please try again in a moment.", retry_after=5)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._crew, work)
        finally:
            self._waiting -= 1

    def _is_right(self, stored: str | None, text: str) -> bool:
        try:
            return self._hasher.verify(stored or self._nobody, text) and bool(stored)
        except (VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        """Send the crew home."""
        self._crew.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    """Let the threads that serve pages go first: where a thread has a niceness of its own (Linux), hashing takes what is left."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _noise(length: int) -> str:
    return b64encode(os.urandom(length)).rstrip(b"=").decode()


def _normal(password: str, field: str) -> str:
    if len(password) > MOST:
        raise Invalid.of(field, "Use {most} characters at most.", most=MOST)
    return unicodedata.normalize("NFC", password)
