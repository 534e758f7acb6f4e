"""Whose turn a job is, where several servers work on one database.

Always true: a job is at work on one node at a time, as long as that one renews its turn; when it dies, or hangs for longer than
`LEASE`, any other goes on. What a job does to a row is compare-and-set all the same: a node that wakes late does nothing twice.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kashop.jobs import writes
from kashop.lib import ids
from kashop.lib.clock import SECOND
from kashop.lib.errors import Refusal
from kashop.shop import Shop

LEASE = 30 * SECOND


def node_name(name: str = "") -> str:
    """What this process is called in `job_turns` and `nodes`: nobody else's, ever. `name` is what people call it."""
    return f"{name or socket.gethostname()}/{os.getpid()}/{ids.token()[:8]}"


@asynccontextmanager
async def turn(shop: Shop, job: str, node: str) -> AsyncIterator[bool]:
    """Whether this node has the job's turn, which is its own while the block runs. Alone on its database it always has."""
    if not shop.db.has_nodes:
        yield True
        return
    if not await _take(shop, job, node):
        yield False
        return
    keeping = asyncio.create_task(_keep(shop, job, node))
    try:
        yield True
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await shop.db.write(writes.give_back_turn, job, node=node)


async def _take(shop: Shop, job: str, node: str) -> bool:
    return await shop.db.write(writes.take_turn, job, node=node, until=shop.clock.now() + LEASE)


async def _keep(shop: Shop, job: str, node: str) -> None:
    while True:
        await asyncio.sleep(LEASE / SECOND / 3)
        try:
            if not await _take(shop, job, node):
                shop.log.warning("a job's turn was taken by another node while it was at work", job=job)
                return
        except Refusal as refusal:
            shop.log.warning("a job's turn could not be renewed", job=job, problem=refusal.text())
