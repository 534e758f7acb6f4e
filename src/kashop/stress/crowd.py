"""The crowd: raw HTTP/1.1 over sockets of the loopback, each with one request under way.

Always true: a request is sent whole and its answer read whole before the next; an answer that cannot be read is an error and
never counted; nothing but loopback is reached.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

HOST = "127.0.0.1"
UNCHANGED = 304
"""Such an answer has no body, whatever length it tells (RFC 9110, 15.4.5)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer; `seconds` from the request's last byte to the answer's. `retry_after` is 0 when it names none."""

    status: int
    body: bytes
    seconds: float
    retry_after: int = 0


class Line(asyncio.Protocol):
    """One connection. Ask, or hold a request back at its last byte and let it go at the moment of everybody's start."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self._held = b""
        self._sent_at = 0.0
        self._then: Callable[[Reply | Exception], None] | None = None

    @classmethod
    async def open(cls, port: int) -> "Line":
        """A cold connection. Raises OSError."""
        _, line = await asyncio.get_running_loop().create_connection(cls, HOST, port)
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what writes."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by shape, not by class

    @property
    def is_open(self) -> bool:
        """Whether the other end has not hung up, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes) -> "asyncio.Future[Reply]":
        """Send a request; its answer, or the OSError or ValueError that came instead."""
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.send(request, partial(_settle, answer))
        return answer

    def hold_back(self, request: bytes) -> None:
        """Send all but the last byte."""
        assert self._transport is not None
        self._transport.write(request[:-1])
        self._held = request[-1:]

    def let_go(self) -> "asyncio.Future[Reply]":
        """Send the last byte."""
        return self.ask(self._held)

    def send(self, request: bytes, then: Callable[[Reply | Exception], None]) -> None:
        """Send a request; `then` is called with its answer, or with what came instead."""
        assert self._transport is not None
        self._then, self._sent_at = then, time.perf_counter()
        if self._transport.is_closing():
            self._tell(ConnectionResetError("the server hung up"))
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read on; the answer is told once it is whole."""
        self._got = got = self._got + data
        head_end = got.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = got[:head_end].lower()
        status = int(head[9:12])
        length = 0 if status == UNCHANGED else _header(head, b"content-length")
        if length is None and b"\r\ntransfer-encoding: chunked" in head:
            if got.endswith(b"\r\n0\r\n\r\n"):
                self._got = b""
                self._tell(Reply(status, joined(got[head_end + 4 :]), time.perf_counter() - self._sent_at))
            return
        if length is None:
            self._tell(ValueError(f"an answer without a length: {head[:200]!r}"))
            return
        end = head_end + 4 + length
        if len(got) >= end:
            self._got = got[end:]
            seconds = time.perf_counter() - self._sent_at
            self._tell(Reply(status, got[head_end + 4 : end], seconds, _header(head, b"retry-after") or 0))

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for an answer is told."""
        self._tell(exc or ConnectionResetError("the server hung up"))

    def _tell(self, found: Reply | Exception) -> None:
        then, self._then = self._then, None
        if then is not None:
            then(found)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


def _settle(answer: "asyncio.Future[Reply]", found: Reply | Exception) -> None:
    if answer.done():  # its waiter gave up
        return
    if isinstance(found, Reply):
        answer.set_result(found)
    else:
        answer.set_exception(found)


def joined(chunks: bytes) -> bytes:
    """A whole chunked body's content (RFC 9112, 7.1)."""
    body = b""
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if not length:
            break
        body, chunks = body + rest[:length], rest[length + 2 :]
    return body


def _header(head: bytes, name: bytes) -> int | None:
    at = head.find(b"\r\n" + name + b": ")
    if at < 0:
        return None
    value = head[at + len(name) + 4 :].split(b"\r\n", 1)[0].strip()
    return int(value) if value.isdigit() else None


@dataclass
class Outcome:
    """What a drive saw. `bodies` are kept only when they were asked for."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    client_seconds: float = 0.0
    """Processor time of this process meanwhile."""

    @property
    def per_second(self) -> float:
        """Answers of any status per second."""
        return sum(self.statuses.values()) / self.seconds

    def good_per_second(self, *good: int) -> float:
        """Answers of these statuses per second."""
        return sum(self.statuses[status] for status in good) / self.seconds

    def latency_ms(self, share: float) -> float:
        """The latency that this share of the requests did not exceed."""
        return percentile(self.latencies, share) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


async def drive(port: int, requests: Sequence[bytes], *, connections: int, keeps_bodies: bool = False) -> Outcome:
    """Send all requests over so many connections; ends when the last answer is in. Raises what a connection met."""
    outcome, waiting = Outcome(), iter(requests)
    lines = [await Line.open(port) for _ in range(min(connections, len(requests)))]
    done = [asyncio.get_running_loop().create_future() for _ in lines]
    started, own = time.perf_counter(), time.process_time()
    for line, is_done in zip(lines, done, strict=True):
        _Drive(line, waiting, outcome, keeps_bodies, is_done).next()
    await asyncio.gather(*done)
    outcome.seconds, outcome.client_seconds = time.perf_counter() - started, time.process_time() - own
    for line in lines:
        line.close()
    return outcome


class _Drive:
    """One connection of a drive: the next request goes out when an answer is in, without a turn of the event loop between."""

    def __init__(
        self, line: Line, waiting: Iterator[bytes], outcome: Outcome, keeps_bodies: bool, is_done: "asyncio.Future[None]"
    ):
        self._line, self._waiting, self._outcome, self._keeps_bodies, self._is_done = (
            line,
            waiting,
            outcome,
            keeps_bodies,
            is_done,
        )

    def next(self) -> None:
        """Send the next request, or be done."""
        request = next(self._waiting, None)
        if request is not None:
            self._line.send(request, self._answered)
        elif not self._is_done.done():
            self._is_done.set_result(None)

    def _answered(self, found: Reply | Exception) -> None:
        if isinstance(found, Exception):
            self._is_done.set_exception(found)
            return
        self._outcome.latencies.append(found.seconds)
        self._outcome.statuses[found.status] += 1
        if self._keeps_bodies:
            self._outcome.bodies.append(found.body)
        self.next()


def get(path: str, port: int, **headers: str) -> bytes:
    """A GET as a browser would send its essentials."""
    told = f"host: {HOST}:{port}\r\naccept: text/html\r\naccept-language: zh-CN\r\n{_lines(headers)}"
    return f"GET {path} HTTP/1.1\r\n{told}\r\n".encode()


def post(path: str, port: int, body: bytes, kind: str = "application/json", **headers: str) -> bytes:
    """A POST of JSON, or of another kind."""
    told = f"host: {HOST}:{port}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{_lines(headers)}"
    return f"POST {path} HTTP/1.1\r\n{told}\r\n".encode() + body


def _lines(headers: dict[str, str]) -> str:
    return "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
