"""What counts for all servers of one shop: the database, or a Valkey.

Always true: who tried is known here by a keyed digest alone; what one server tells holds counts and no differences, so that
telling it twice counts nothing twice.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

LONGEST_WINDOW = 3600
"""Seconds; no scope of the table has a longer one."""


class Try(msgspec.Struct, frozen=True):
    """One more try by a subject, of so many within so many milliseconds."""

    subject: str
    most: int
    window: int


class Tally(Protocol):
    """A store that every server reaches. Everything it does raises Unavailable when it does not answer."""

    async def exchange(self, tries: str) -> list[tuple[str, str]]:
        """Tell the others what was counted here, unless that is empty; what each of them told since the last time."""
        ...

    async def take(self, tries: Sequence[Try]) -> tuple[int, int] | None:
        """Count one try of each in turn, for all servers at once, up to the first over its limit: which, and until when."""
        ...

    async def forgive(self, subject: str) -> None:
        """Forget what was counted of a subject by `take`."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...
