"""A Context without a shop, and a vendor's server on loopback that says what it is told to say."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kashop.plugins.context import RunningContext, encoded, named
from kashop.plugins.http import Http

HTTP_SECONDS = 2.0
IMPATIENT_SECONDS = 0.2
"""The stage's patience: the real client waits for 15 s."""

NOW = 1_793_505_600_000  # 2026-11-01T04:00:00Z, as in the protocol sheets


class FixedClock:
    """A clock that stands still until it is set."""

    def __init__(self, now: int = NOW):
        self.at = now

    def now(self) -> int:
        """Milliseconds UTC."""
        return self.at


class MemoryStore:
    """A Store in memory, with the limits of the real one."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    async def get(self, name: str) -> Any:
        """The value, or None."""
        text = self.texts.get(named(name))
        return None if text is None else msgspec.json.decode(text)

    async def set(self, name: str, value: Any) -> None:
        """Keep a value."""
        self.texts[named(name)] = encoded(value)

    async def delete(self, name: str) -> None:
        """Forget a value."""
        self.texts.pop(named(name), None)


class Reply(msgspec.Struct, frozen=True):
    """An answer over HTTP, with the headers that a vendor signs it by."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = {}


@dataclass
class Mouth:
    """A vendor's HTTP server. Set what it says next; it keeps the request lines and bodies that it heard.

    `at` holds answers of paths (as prefixes) that stand whatever else it is told to say, such as the one that hands out tokens.
    """

    url: str = ""
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    mood: str = "answers"
    """answers, hangs (never answers), hangs_up (closes without a word), endless (a body without end)."""
    heads: list[str] = field(default_factory=list)
    """The whole heads of the requests."""
    heard: list[tuple[str, bytes]] = field(default_factory=list)

    at: dict[str, Reply] = field(default_factory=dict)
    server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen on a free port of loopback."""
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Listen no more: whoever calls is refused."""
        if self.server is not None:
            self.server.close()

    def says(self, body: bytes | Reply, *, status: int = 200, **headers: str) -> None:
        """Answer with this from now on."""
        reply = body if isinstance(body, Reply) else Reply(body, status, {k.replace("_", "-"): v for k, v in headers.items()})
        self.mood, self.status, self.body, self.headers = "answers", reply.status, reply.body, reply.headers

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one answer."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            length = next((int(h[15:]) for h in head.split("\r\n") if h.lower().startswith("content-length:")), 0)
            self.heard.append((head.partition("\r\n")[0], await reader.readexactly(length)))
            path = head.split(" ", 2)[1]
            fixed = next((reply for prefix, reply in self.at.items() if path.startswith(prefix)), None)
            if fixed is not None:
                await _answer(writer, fixed)
            elif self.mood == "hangs":
                await reader.read()  # until the client has had enough
            elif self.mood != "hangs_up":
                reply = Reply(self.body, self.status, self.headers)
                await _answer(writer, reply, is_endless=self.mood == "endless")
        except (ConnectionError, asyncio.IncompleteReadError):
            self.heard.append(("", b""))  # the client went away, as it should from an endless body
        finally:
            writer.close()


async def _answer(writer: asyncio.StreamWriter, reply: Reply, *, is_endless: bool = False) -> None:
    headers = reply.headers if is_endless else {**reply.headers, "content-length": str(len(reply.body))}
    lines = [f"HTTP/1.1 {reply.status} X", "connection: close", *(f"{k}: {v}" for k, v in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + reply.body)
    while is_endless:
        writer.write(b"x" * 65536)
        await writer.drain()
    await writer.drain()


@dataclass
class Stage:
    """What a gateway is tried on."""

    ctx: RunningContext
    store: MemoryStore
    clock: FixedClock
    mouth: Mouth

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Give up on a vendor that hangs at once: only where no answer is waited for."""
        patience, self.ctx.http.total_seconds = self.ctx.http.total_seconds, IMPATIENT_SECONDS
        try:
            yield
        finally:
            self.ctx.http.total_seconds = patience


@asynccontextmanager
async def open_stage(plugin: str = "tested") -> AsyncIterator[Stage]:
    """A stage whose mouth listens on loopback."""
    mouth, store, clock = Mouth(), MemoryStore(), FixedClock()
    await mouth.open()
    http = Http(total_seconds=HTTP_SECONDS)
    ctx = RunningContext(plugin, base_url="https://shop.example", clock=clock, store=store, http=http)
    try:
        yield Stage(ctx, store, clock, mouth)
    finally:
        await ctx.close()
        await mouth.close()
