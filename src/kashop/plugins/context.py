"""The Context of a running shop: the plugin's memory in the shop's database, its client, its background
work.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from kashop.db import Db
from kashop.lib import logs
from kashop.lib.clock import Clock
from kashop.plugins.http import Http
from kashop.plugins.types import Log, Store
from kashop.settings import reads, writes

MOST_BYTES = 64 * 1024
_NAME = re.compile(r"[\w.:/-]{1,128}", re.ASCII)


class DbStore:
    """A plugin's memory in `plugin_data`, kept apart from that of every other plugin."""

    def __init__(self, db: Db, plugin: str):
        self._db = db
        self._plugin = plugin

    async def get(self, name: str) -> Any:
        """The value, or None."""
        text = await self._db.read(reads.plugin_value, self._plugin, named(name))
        return None if text is None else msgspec.json.decode(text)

    async def set(self, name: str, value: Any) -> None:
        """Keep a value; durable when this returns."""
        await self._db.write(writes.set_plugin_value, self._plugin, named(name), encoded(value))

    async def delete(self, name: str) -> None:
        """Forget a value."""
        await self._db.write(writes.set_plugin_value, self._plugin, named(name), None)


def named(name: str) -> str:
    """A name fit for a store. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError("a store's name is 1 to 128 letters, digits and . : / _ -")
    return name


def encoded(value: Any) -> str:
    """A value as the JSON that a store keeps. Raises ValueError when it is too large."""
    text = msgspec.json.encode(value).decode()
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(f"a store keeps {MOST_BYTES} bytes at most by one name")
    return text


class RunningContext:
    """A Context over given parts. `close` cancels what was spawned."""

    def __init__(self, plugin: str, *, base_url: str, clock: Clock, store: Store, http: Http | None = None):
        self.plugin = plugin
        self.base_url = base_url.rstrip("/")
        self.clock = clock
        self.store = store
        self.http = http or Http()
        self.log: Log = logs.get_logger("kashop.plugin", plugin=plugin)
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work in the background."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("background work failed", error=type(error).__name__, where=where(error))

    async def close(self) -> None:
        """Cancel background work, wait for its end, and close the client."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # _ended has logged what failed
        await self.http.close()


def where(error: BaseException) -> str:
    """`file.py:12` of an error's innermost frame: its message is left out, since it may quote a secret."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}" if frame else ""


def context_maker(*, db: Db, clock: Clock, base_url: str) -> Callable[[str], RunningContext]:
    """What makes each plugin's Context in an open shop."""
    return lambda plugin: RunningContext(plugin, base_url=base_url, clock=clock, store=DbStore(db, plugin))
