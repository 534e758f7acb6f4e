"""Tries counted over all servers in a Valkey or a Redis, by the extra `kashop[valkey]`.

Always true: everything there lapses by itself within two hours, so that it may be emptied at any time and needs no backup; it is
waited for half a second at most; names of keys begin with `kashop:` and the shop's own id in braces, so that a cluster keeps
them together.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from kashop.lib import ids
from kashop.lib.clock import SECOND, Clock
from kashop.lib.errors import Unavailable
from kashop.risk.tally import LONGEST_WINDOW, Tally, Try

WAIT_SECONDS = 0.5

_AT_A_TIME = 500

_TAKE = """
for place, key in ipairs(KEYS) do
  local most, window = tonumber(ARGV[2 * place]), tonumber(ARGV[2 * place + 1])
  local now = redis.call('TIME')
  local ms = now[1] * 1000 + math.floor(now[2] / 1000)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', ms - window)
  if redis.call('ZCARD', key) >= most then
    local oldest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    return {place - 1, tonumber(oldest[2]) + window - ms}
  end
  redis.call('ZADD', key, ms, ARGV[1] .. ':' .. place)
  redis.call('PEXPIRE', key, window)
end
return {-1, 0}
"""
"""Each key is a subject's tries by when they were made, by the store's own clock, which is one for all servers."""


def tally(address: str, *, shop: str, clock: Clock) -> Tally:
    """The store at an address. Raises Unavailable where its client is not installed."""
    try:
        client = import_module("valkey.asyncio")
    except ModuleNotFoundError:
        raise Unavailable(
            "Counting tries in a Valkey needs its client: install kashop with its extra `valkey` "
            "(`pip install 'kashop[valkey]'`)."
        ) from None
    return InValkey(client, address.replace("redis", "valkey", 1) if address.startswith("redis") else address, shop, clock)


class InValkey:
    """A Tally."""

    def __init__(self, client: Any, address: str, shop: str, clock: Clock):
        how = {"socket_timeout": WAIT_SECONDS, "socket_connect_timeout": WAIT_SECONDS, "decode_responses": True}
        self._problems: tuple[type[Exception], ...] = (client.ValkeyError, OSError, TimeoutError)
        self._store: Any = client.Valkey.from_url(address, **how)
        self._take = self._store.register_script(_TAKE)
        self._clock = clock
        self._prefix = f"kashop:{{{shop}}}:"
        self._node = ids.token()[:12]
        self._seen = ""

    async def exchange(self, tries: str) -> list[tuple[str, str]]:
        """As a Tally."""
        key, heard = self._prefix + "told", []
        try:
            if tries:
                await self._tell(key, tries)
            while True:
                rows = await self._store.xrange(key, min=f"({self._seen}" if self._seen else "-", count=_AT_A_TIME)
                heard += [(row["node"], row["tries"]) for _id, row in rows if row.get("node", self._node) != self._node]
                self._seen = rows[-1][0] if rows else self._seen
                if len(rows) < _AT_A_TIME:
                    return heard
        except self._problems as problem:
            raise _away(problem) from None

    async def take(self, tries: Sequence[Try]) -> tuple[int, int] | None:
        """As a Tally."""
        keys = [self._prefix + each.subject for each in tries]
        figures = [figure for each in tries for figure in (each.most, each.window)]
        try:
            place, wait = await self._take(keys=keys, args=[ids.token(), *figures])
        except self._problems as problem:
            raise _away(problem) from None
        return None if place < 0 else (int(place), self._clock.now() + int(wait))

    async def forgive(self, subject: str) -> None:
        """As a Tally."""
        try:
            await self._store.delete(self._prefix + subject)
        except self._problems as problem:
            raise _away(problem) from None

    async def close(self) -> None:
        """As a Tally."""
        await self._store.aclose()

    async def _tell(self, key: str, tries: str) -> None:
        seconds, _micros = await self._store.time()
        pipeline = self._store.pipeline(transaction=False)
        pipeline.xadd(key, {"node": self._node, "tries": tries}, minid=(seconds - LONGEST_WINDOW) * SECOND)
        pipeline.expire(key, 2 * LONGEST_WINDOW)
        await pipeline.execute()


def _away(problem: Exception) -> Unavailable:
    """By its kind alone: what a client says may hold the address, and that a password."""
    return Unavailable("The store of limits does not answer ({kind}).", kind=type(problem).__name__)
