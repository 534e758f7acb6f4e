"""The load: raw HTTP/1.1 on keep-alive sockets, each with one request under way.

Always true: a request is sent whole and its answer read whole before the next; an answer that cannot be read is an error and
never counted; nothing but loopback is reached.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

HOST = "127.0.0.1"


@dataclass
class Outcome:
    """What a drive saw. `bodies` are kept only when they were asked for."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers of any status per second."""
        return sum(self.statuses.values()) / self.seconds

    def latency_ms(self, share: float) -> float:
        """The latency that this share of the requests did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


async def drive(port: int, requests: Sequence[bytes], *, connections: int, keeps_bodies: bool = False) -> Outcome:
    """Send all requests over so many connections; ends when the last answer is in. Raises what a connection met."""
    loop, outcome, waiting = asyncio.get_running_loop(), Outcome(), iter(requests)
    clients = [_Client(waiting, outcome, keeps_bodies, loop.create_future()) for _ in range(min(connections, len(requests)))]
    for client in clients:
        await loop.create_connection(lambda client=client: client, HOST, port)  # type: ignore[misc]
    started = time.perf_counter()
    for client in clients:
        client.send_next()
    await asyncio.gather(*(client.done for client in clients))
    outcome.seconds = time.perf_counter() - started
    for client in clients:
        client.close()
    return outcome


class _Client(asyncio.Protocol):
    def __init__(self, waiting: Iterator[bytes], outcome: Outcome, keeps_bodies: bool, done: "asyncio.Future[None]"):
        self._waiting, self._outcome, self._keeps_bodies, self.done = waiting, outcome, keeps_bodies, done
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by shape, not by class

    def send_next(self) -> None:
        request = next(self._waiting, None)
        if request is None:
            self.done.set_result(None)
            return
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head_end = self._got.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._got[:head_end].lower()
        at = head.find(b"content-length: ")
        if at < 0:
            self._fail(ValueError(f"an answer without a length: {head[:200]!r}"))
            return
        end = head_end + 4 + int(head[at + 16 :].split(b"\r\n", 1)[0])
        if len(self._got) < end:
            return
        outcome = self._outcome
        outcome.latencies.append(time.perf_counter() - self._sent_at)
        outcome.statuses[int(head[9:12])] += 1
        if self._keeps_bodies:
            outcome.bodies.append(self._got[head_end + 4 : end])
        self._got = self._got[end:]
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._fail(exc or ConnectionError("the server hung up"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


def get(path: str, port: int, **headers: str) -> bytes:
    """A GET as a browser would send its essentials."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nhost: {HOST}:{port}\r\naccept: text/html\r\naccept-language: zh-CN\r\n{more}\r\n".encode()


def post(path: str, port: int, body: bytes, **headers: str) -> bytes:
    """A POST of JSON."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    told = f"host: {HOST}:{port}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{more}"
    head = f"POST {path} HTTP/1.1\r\n{told}\r\n"
    return head.encode() + body
