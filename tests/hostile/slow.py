"""Slow clients, a process of their own (`python -m tests.hostile.slow PORT HOW_MANY EVERY PATH`): heads and bodies that drip,
answers that nobody takes, connections that say nothing; from eight addresses, each come back when it is cut off, until its input
ends. And the honest who come meanwhile.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from kashop.stress import epay
from kashop.stress.crowd import Line
from kashop.web.connections import most_files
from tests.serving import request

ADDRESSES = [f"127.0.0.{n}" for n in range(2, 10)]
AGAIN = 0.5
HOST = b"Host: 127.0.0.1\r\n"
LONG = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9000\r\n\r\nproduct="
JSON = b"Content-Type: application/json\r\nContent-Length: 900\r\n\r\n{"
UNTAKEN = 12
"""Requests of one that takes no answer."""
SEGMENT = 1400
"""As over a network: on the loopback's own of 64 KiB the system would take megabytes for each that takes nothing."""


class Slow(asyncio.Protocol):
    """One connection. What it sends at first, and whether it drips on and reads what is answered."""

    def __init__(self, crowd: "Crowd", begins: bytes, *, drips: bool, takes: bool):
        self.crowd, self.begins, self.drips, self.takes = crowd, begins, drips, takes
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.crowd.now += 1
        self.crowd.most = max(self.crowd.most, self.crowd.now)
        if not self.takes:
            transport.pause_reading()
        transport.write(self.begins)

    def drip(self) -> None:
        if self.drips and self.transport is not None and not self.transport.is_closing():
            self.transport.write(b"y")

    def data_received(self, data: bytes) -> None:
        self.crowd.answers[data[9:12].decode("ascii", "replace")] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.now -= 1
        self.crowd.cut_off += 1
        asyncio.get_running_loop().call_later(AGAIN, self.crowd.come, self)


class Crowd:
    """So many of them, of each kind as many."""

    def __init__(self, port: int, path: str, addresses: list[str]):
        self.port, self.addresses = port, addresses
        self.now = self.most = self.opened = self.cut_off = 0
        self.is_over = False
        self.answers: Counter[str] = Counter()
        self.kinds: list[tuple[bytes, bool, bool]] = [
            (b"GET / HTTP/1.1\r\n" + HOST + b"X-Slow: ", True, True),
            (b"POST /checkout HTTP/1.1\r\n" + HOST + LONG, True, True),
            (b"POST /api/v1/orders HTTP/1.1\r\n" + HOST + JSON, True, True),
            ((b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n") * UNTAKEN, False, False),
            (b"", False, True),
        ]
        self.all: list[Slow] = []
        self.under_way: set[asyncio.Task[None]] = set()

    def come(self, gone: Slow | None = None) -> None:
        """One more, in the place of one that was cut off."""
        if self.is_over:
            return
        begins, drips, takes = (
            (gone.begins, gone.drips, gone.takes) if gone is not None else self.kinds[len(self.all) % len(self.kinds)]
        )
        one = Slow(self, begins, drips=drips, takes=takes)
        if gone is None:
            self.all.append(one)
        else:
            self.all[self.all.index(gone)] = one
        task = asyncio.get_running_loop().create_task(self._connect(one))
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def _connect(self, one: Slow) -> None:
        self.opened += 1
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            sock.bind((self.addresses[self.opened % len(self.addresses)], 0))
            await loop.sock_connect(sock, ("127.0.0.1", self.port))
            await loop.create_connection(lambda: one, sock=sock)
        except OSError:
            sock.close()
            loop.call_later(AGAIN, self.come, one)


async def _besiege(port: int, many: int, every: float, path: str) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    crowd = Crowd(port, path, ADDRESSES)
    listening = loop.run_in_executor(None, sys.stdin.read)
    listening.add_done_callback(lambda _: over.set())
    for n in range(many):
        crowd.come()
        if n % 50 == 49:
            await asyncio.sleep(0.02)
    await asyncio.sleep(1)
    print("there", flush=True)
    while not over.is_set():
        for one in list(crowd.all):
            one.drip()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), every)
    crowd.is_over = True
    print(json.dumps([crowd.most, crowd.opened, crowd.cut_off, crowd.answers]), flush=True)


class Besieged:
    """`with Besieged(port, …):` the slow are there; afterwards `most` of them at once, how many were `cut_off`, and `answers`."""

    def __init__(self, port: int, many: int, *, every: float, path: str):
        self._command = [sys.executable, "-m", "tests.hostile.slow", str(port), str(many), str(every), path]
        self.most = self.opened = self.cut_off = 0
        self.answers: dict[str, int] = {}

    def __enter__(self) -> "Besieged":
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(self._command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "there\n"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        out, _ = self._process.communicate("", timeout=60)
        if error is None:
            self.most, self.opened, self.cut_off, self.answers = json.loads(out)


@dataclass
class Honest:
    """Buyers who come one by one, look, order and pay: the seconds of each look from when it was due, and what went wrong."""

    port: int
    salt: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)

    async def come(self, seconds: float, *, every: float) -> None:
        """One each `every` seconds, for so long."""
        began, visits = time.perf_counter(), []
        for n in range(round(seconds / every)):
            await asyncio.sleep(max(0.0, began + n * every - time.perf_counter()))
            visits.append(asyncio.create_task(self._visit(n)))
        await asyncio.gather(*visits)

    def p99(self, kind: str) -> float:
        """In milliseconds."""
        found = sorted(self.seconds[kind])
        return 1000 * found[min(len(found) - 1, int(len(found) * 0.99))]

    async def _visit(self, n: int) -> None:
        wanted = {
            "lines": [{"sku": "steam-50", "quantity": 1}],
            "contact": {"type": "email", "value": f"b{self.salt}{n}@example.com"},
            "gateway": "epay-main",
            "method": "alipay",
        }
        from_where = {"x_forwarded_for": f"198.18.{n // 250}.{n % 250 + 1}"}
        key = {"idempotency_key": f"honest-{self.salt}-{n:020}"}
        if await self._look("page", request("GET", "/p/steam-50", **from_where), 200) is None:
            return
        placed = await self._look(
            "order", request("POST", "/api/v1/orders", json.dumps(wanted).encode(), **key, **from_where), 201
        )
        if placed is not None:
            attempt = json.loads(placed)["payment"]["attempt"]
            told = epay.notification(attempt, f"T{self.salt}{n}", "12.50", "alipay")
            await self._look("callback", request("GET", f"/pay/epay-main/callback?{told}"), 200)

    async def _look(self, kind: str, asked: bytes, status: int) -> bytes | None:
        began = time.perf_counter()
        try:
            line = await Line.open(self.port)
            reply = await asyncio.wait_for(line.ask(asked), 60)
            line.close()
        except (OSError, ValueError, TimeoutError) as error:
            self.wrong[f"{kind} {type(error).__name__}"] += 1
            return None
        self.seconds.setdefault(kind, []).append(time.perf_counter() - began)
        if reply.status != status:
            self.wrong[f"{kind} {reply.status}"] += 1
            return None
        return reply.body


if __name__ == "__main__":
    most_files()
    asyncio.run(_besiege(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
