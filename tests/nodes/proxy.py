"""A proxy before two servers: HAProxy, set up as the guide says, where it is installed, else one that only hands bytes on."""

import asyncio
import contextlib
import itertools
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.serving import free_port

CONFIGURATION = Path(__file__).resolve().parents[2] / "docs" / "guide" / "nodes" / "haproxy.cfg"
FILES = 65_536
"""A crowd of ten thousand is twice as many connections here."""


@contextmanager
def proxied(ports: tuple[int, int], folder: Path) -> Iterator[int]:
    """The port at which both are reached as one."""
    with haproxy(ports, folder) if shutil.which("haproxy") else relay(ports) as port:
        yield port


@contextmanager
def haproxy(ports: tuple[int, int], folder: Path) -> Iterator[int]:
    """HAProxy as the guide sets it up, only on other addresses."""
    port = free_port()
    environ = {"BIND": f"127.0.0.1:{port}", "NODE1": f"127.0.0.1:{ports[0]}", "NODE2": f"127.0.0.1:{ports[1]}"}
    log = folder / "haproxy.log"
    command = ["sh", "-c", f'ulimit -n {FILES} 2>/dev/null; exec haproxy -db -f "$0"', str(CONFIGURATION)]
    with log.open("wb") as told:
        process = subprocess.Popen(command, env={"PATH": "/usr/sbin:/usr/bin:/bin", **environ}, stdout=told, stderr=told)
    try:
        _wait(port, process, log)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it sends somebody on: a server that it has not asked yet counts as ready."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
            if sock.recv(64).startswith(b"HTTP/1.1 200"):
                return
        time.sleep(0.05)
    raise RuntimeError(log.read_text(encoding="utf-8", errors="replace"))


@contextmanager
def relay(ports: tuple[int, int]) -> Iterator[int]:
    """Connections go to both in turn, and to the other one where the first does not answer."""
    loop = asyncio.new_event_loop()
    turns = itertools.cycle((ports, ports[::-1]))

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in next(turns):
            with contextlib.suppress(OSError):
                there = await asyncio.open_connection("127.0.0.1", port)
                break
        else:
            writer.close()
            return
        try:
            await asyncio.gather(_pour(reader, there[1]), _pour(there[0], writer))
        finally:
            writer.close()
            there[1].close()

    server = loop.run_until_complete(asyncio.start_server(hand_on, "127.0.0.1", 0, backlog=4096))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
