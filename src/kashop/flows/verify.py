"""Read the audit of a file from beginning to end: the server's own, or a copy's.

Always true: nothing is changed, no key of the shop is needed, and a file that cannot be read is a finding and no error.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from kashop.audit.chain import reads as chain
from kashop.audit.notes import Key, Note
from kashop.audit.types import Flaw, Head, Verdict
from kashop.audit.writes import record
from kashop.db import Place, Tx, examine
from kashop.db.examine import Unreadable
from kashop.lib.actor import Actor
from kashop.shop import Shop


def read_chain(place: Place, *, keys: Sequence[Key] = (), outside: Sequence[Note] = ()) -> Verdict:
    """Read it all and say what is found. Raises FileNotFoundError."""
    try:
        return _read(place, keys, outside, is_lenient=False)
    except _Stopped:
        pass
    try:
        return _read(place, keys, outside, is_lenient=True)
    except _Stopped as stopped:
        return Verdict(head=Head(0, b""), flaw=Flaw(stopped.seq, f"from about here the file cannot be read: {stopped}"))


async def verify_now(shop: Shop, actor: Actor) -> Verdict:
    """Read this shop's own chain beside its work, on a thread and a connection of its own, and record what was found."""
    verdict = await asyncio.to_thread(read_chain, shop.config.place)
    await shop.db.write(_record, verdict, actor)
    return verdict


def _record(tx: Tx, verdict: Verdict, actor: Actor) -> None:
    problem: dict[str, Any] = {"event": verdict.flaw.seq, "problem": verdict.flaw.problem} if verdict.flaw else {}
    record(tx, "audit.verified", actor, ("audit", 0), events=verdict.head.seq, **problem)


class _Stopped(Exception):
    """Reading ended early."""

    def __init__(self, seq: int, problem: str):
        super().__init__(problem)
        self.seq = seq


def _read(place: Place, keys: Sequence[Key], outside: Sequence[Note], *, is_lenient: bool) -> Verdict:
    read = [0]
    try:
        has_checkpoints = examine.has_table(place, "audit_checkpoints")
        with examine.reading(place, is_lenient=is_lenient) as db:
            return chain.verify(db, keys=keys, outside=outside, has_checkpoints=has_checkpoints, told=read.append)
    except Unreadable as error:
        raise _Stopped(read[-1] + 1, str(error)) from error
