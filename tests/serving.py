"""A shop that is really served: `kashop serve` in a process of its own, on a port of its own, with logs kept; and the command
line as a merchant calls it. A `tree` other than ours runs another source tree (see tests/planting.py).
"""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from click.testing import CliRunner, Result

from kashop.db import Place
from kashop.settings.config import Config, load
from tests import beside

START_SECONDS = 120


def command(tree: Path | None, *arguments: str) -> list[str]:
    """`kashop …` by this interpreter."""
    return [sys.executable, "-m", "kashop.cli", *arguments]


def environment(tree: Path | None, **more: str) -> dict[str, str]:
    """A clean environment: nothing of the tester's own KASHOP_* counts."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    path = {"PYTHONPATH": str(tree / "src")} if tree else {}
    return {**kept, **path, "PYTHONUTF8": "1", **more}


def run(*arguments: str | Path, tree: Path | None = None, given: str = "", **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end, whatever that is, in a process of its own."""
    return subprocess.run(
        command(tree, *map(str, arguments)),
        env=environment(tree, **more),
        input=given.encode(),
        capture_output=True,
        timeout=300,
    )


def kashop(*arguments: str | Path, tree: Path | None = None, given: str = "", **more: str) -> str:
    """Run one command that must succeed, here when it is our own program; what it printed."""
    done = run(*arguments, tree=tree, given=given, **more) if tree else here(*arguments, given=given, **more)
    said = f"{done.stdout.decode()}\n{done.stderr.decode()}"
    assert done.returncode == 0, f"kashop {' '.join(map(str, arguments))} ended with {done.returncode}:\n{said}"
    return done.stdout.decode()


def here(*arguments: str | Path, given: str = "", **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end in this process, one at a time: a start costs a second of processor time."""
    with ThreadPoolExecutor(1) as thread:  # a command has a loop of its own, and the caller may stand in another
        told = thread.submit(_run_here, [str(a) for a in arguments], given, more).result()
    return subprocess.CompletedProcess(arguments, told.exit_code, told.stdout_bytes, told.stderr_bytes or b"")


def _run_here(arguments: list[str], given: str, more: dict[str, str]) -> Result:
    from kashop.cli.root import kashop as root

    testers = dict.fromkeys((name for name in os.environ if name.startswith("KASHOP_")), None)
    told = CliRunner(env={**testers, **more}).invoke(root, arguments, input=given)
    if told.exception is not None and not isinstance(told.exception, SystemExit):
        raise told.exception
    return told


class Served:
    """One served shop. `with Served(data) as served:` starts it and ends it."""

    def __init__(self, data: Path, *, tree: Path | None = None, files: int = 0, arguments: tuple[str, ...] = (), **environ: str):
        """With `files` it may open no more than so many; `arguments` are for `kashop serve`."""
        self.data, self.tree, self.environ, self.arguments = data, tree, environ, arguments
        self.bounded = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"] if files else []
        self.port = free_port()
        self.log = data.with_name(f"{data.name}.server.log")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> Place:
        """Where its database is."""
        return load(self.data, self.environ).place

    @property
    def url(self) -> str:
        """Its address, without a slash."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Served":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers."""
        arguments = ("serve", "--data", str(self.data), "--port", str(self.port), *self.arguments)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.bounded, *command(self.tree, *arguments)],
                env=environment(self.tree, **self.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        assert self.process is not None
        limit = time.monotonic() + START_SECONDS
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.told()}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
                sock.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
                if sock.recv(64).startswith(b"HTTP/1.1 200"):
                    return
            time.sleep(0.02)
        raise RuntimeError(f"the server did not answer in {START_SECONDS} s:\n{self.told()}")

    def told(self) -> str:
        """What it printed and logged."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=60)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=60)
                raise

    def check(self) -> None:
        """`kashop check --all`, beside the running server: nothing is broken."""
        kashop("check", "--all", "--data", self.data)

    @property
    def config(self) -> Config:
        """As the server reads it."""
        return load(self.data, self.environ)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What its database holds."""
        return beside.rows(self.config.place, sql)

    def count(self, sql: str) -> int:
        """One number from the database."""
        return int(self.rows(sql)[0][0])


def free_port() -> int:
    """Below what the system gives to clients: a port that is free while a killed server is away stays free."""
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; status 0 when none came."""

    status: int
    body: bytes


async def volley(port: int, requests: Sequence[bytes]) -> list[Reply]:
    """Every request over a cold connection of its own, their last bytes all at one moment."""
    go = asyncio.Event()
    ready = asyncio.Semaphore(0)
    shots = [asyncio.create_task(_shoot(port, request, ready, go)) for request in requests]
    for _ in requests:
        await ready.acquire()
    go.set()
    return await asyncio.gather(*shots)


async def _shoot(port: int, request: bytes, ready: asyncio.Semaphore, go: asyncio.Event) -> Reply:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request[:-1])
        await writer.drain()
        ready.release()
        await go.wait()
        writer.write(request[-1:])
        return await read_reply(reader)
    finally:
        writer.close()


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """Read one answer. Raises when it is cut short."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lengths = [line.partition(":")[2] for line in head.split("\r\n") if line.startswith("content-length:")]
    return Reply(int(head.split(" ", 2)[1]), await reader.readexactly(int(lengths[0])))


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """An HTTP/1.1 request; a header `idempotency_key` is `idempotency-key`."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if method == "POST":
        lines += [f"content-length: {len(body)}"]
        lines += [] if "content_type" in headers else ["content-type: application/json"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
