"""That this server is there, told to whoever looks after several on one database.

Always true: alone on its file a shop tells nobody; a server that ends well is forgotten at once, one that dies is seen as dead
after `GONE` and forgotten after `KEPT`. Nothing rests on it: whose turn a job is, `job_turns` says.
"""

import asyncio
import contextlib

import msgspec

from kashop import __version__
from kashop.db import migrate
from kashop.jobs import writes
from kashop.jobs.rows import Node
from kashop.lib.clock import DAY, SECOND
from kashop.lib.errors import Refusal
from kashop.shop import Shop

EVERY = 10 * SECOND
GONE = 3 * EVERY
"""A server that said nothing for so long is taken for dead."""

KEPT = DAY


class Presence:
    """One server's word. `node` is what it is called among the turns, `does` is web, jobs or both."""

    def __init__(self, shop: Shop, node: str, *, does: str):
        self._shop = shop
        self._beat: asyncio.Task[None] | None = None
        self._node = Node(
            node=node,
            name=node.rsplit("/", 2)[0],
            version=__version__,
            newest=migrate.scripts()[-1].stem,
            does=does,
            url=shop.base_url if "web" in does else "",
            started_at=shop.clock.now(),
        )

    async def start(self) -> None:
        """Tell that it is there, now and again and again."""
        if self._shop.db.has_nodes:
            await self._tell()
            self._beat = asyncio.create_task(self._go_on())

    async def leave(self) -> None:
        """Tell that it is about to end."""
        self._node = msgspec.structs.replace(self._node, is_leaving=True)
        if self._beat is not None:
            await self._tell()

    async def stop(self) -> None:
        """Be forgotten."""
        beat, self._beat = self._beat, None
        if beat is None:
            return
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        dead_before = self._shop.clock.now() - KEPT
        with contextlib.suppress(Refusal):  # the database is away: then this is one of those that are forgotten later
            await self._shop.db.write(writes.forget_node, self._node.node, dead_before=dead_before)

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(EVERY / SECOND)
            await self._tell()

    async def _tell(self) -> None:
        try:
            await self._shop.db.write(writes.note_node, self._node)
        except Refusal as refusal:
            self._shop.log.warning("this server could not tell that it is there", problem=refusal.text())
