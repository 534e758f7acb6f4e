"""Tells pages that wait for an order as soon as something happened to it.

Always true: however many pages wait, one look at the river of events follows a commit, and none while nobody waits; there are
never more waiting pages than the machine has room for, and whoever finds none asks from time to time instead.
"""

import asyncio
import resource
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from kashop.audit import reads as audit
from kashop.lib.errors import Unavailable
from kashop.shop import Shop
from kashop.web.sessions import AnyConnection

MOST, MOST_OF_ORDER, MOST_OF_CLIENT = 2000, 8, 200
PAUSE_SECONDS = 0.05
"""Between two looks: a burst of commits is one look, not a hundred."""

OTHERS_SECONDS = 1.0
"""Between two looks at what other servers on the database did, while a page waits here."""

_PAGE = 1000


class Listener:
    """One page that waits."""

    def __init__(self, order_id: int, client: str):
        self.order_id = order_id
        self.client = client
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Something happened."""
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Whether something happened within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class Live:
    """The pages of this process that wait. One for the process, at `app.state.live`."""

    def __init__(self, shop: Shop):
        self._shop = shop
        self._waiting: dict[int, set[Listener]] = {}
        self._clients: Counter[str] = Counter()
        self._seen: int | None = None
        self._is_rung = False
        self._looking: asyncio.Task[None] | None = None
        self._watching: asyncio.TimerHandle | None = None
        self.is_closed = False
        self.looks = 0
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most = MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // 4)
        shop.db.after_commit(self.look)

    @property
    def count(self) -> int:
        """How many pages wait."""
        return sum(self._clients.values())

    def has_room(self, order_id: int, client: str) -> bool:
        """Whether one more page may wait."""
        fits = self.count < self.most and len(self._waiting.get(order_id, ())) < MOST_OF_ORDER
        return fits and self._clients[client] < MOST_OF_CLIENT and not self.is_closed

    async def catch_up(self) -> None:
        """Know where the river stands, before the first page waits: what comes after that is told to it."""
        if self._seen is None:
            seen = (await self._shop.db.read(audit.head)).seq
            self._seen = seen if self._seen is None else self._seen

    @contextmanager
    def listening(self, order_id: int, client: str) -> Iterator[Listener]:
        """Wait for an order until the block ends."""
        listener = Listener(order_id, client)
        self._waiting.setdefault(order_id, set()).add(listener)
        self._clients[client] += 1
        if self._shop.db.has_nodes and self._watching is None:
            self._look_soon()
        try:
            yield listener
        finally:
            self._waiting[order_id].discard(listener)
            if not self._waiting[order_id]:
                del self._waiting[order_id]
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

    def look(self) -> None:
        """Something was committed, here or, as far as anyone knows, elsewhere."""
        self._is_rung = True
        if self._waiting and (self._looking is None or self._looking.done()):
            self._looking = asyncio.get_running_loop().create_task(self._look())
        elif not self._waiting:
            self._seen = None

    def _look_soon(self) -> None:
        self._watching = asyncio.get_running_loop().call_later(OTHERS_SECONDS, self._look_at_others)

    def _look_at_others(self) -> None:
        self._watching = None
        if self._waiting and not self.is_closed:
            self.look()
            self._look_soon()

    async def _look(self) -> None:
        while self._is_rung and self._waiting and not self.is_closed:
            self._is_rung = False
            try:
                await self._tell()
            except Unavailable:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _tell(self) -> None:
        await self.catch_up()
        while self._seen is not None:
            self.looks += 1
            rows = await self._shop.db.read(audit.touched, self._seen, limit=_PAGE)
            for row in rows:
                for listener in self._waiting.get(row.object_id, ()) if row.object_kind == "order" else ():
                    listener.ring()
            self._seen = rows[-1].seq if rows else self._seen
            if len(rows) < _PAGE:
                return

    def close(self) -> None:
        """Let every page go: the server stops."""
        self.is_closed = True
        if self._watching is not None:
            self._watching.cancel()
        for listeners in self._waiting.values():
            for listener in listeners:
                listener.ring()


def live_of(connection: AnyConnection) -> Live:
    """What tells the waiting pages of this process."""
    return cast(Live, connection.app.state.live)
