"""The copy's server: `kashop serve` in a process of its own, watched from outside by what the kernel tells of it.

Always true: it is ended, by force if it must be, before `__aexit__` returns.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import msgspec

from kashop.db import Place
from kashop.db.locks import ServerLock
from kashop.lib.errors import Unavailable
from kashop.settings.config import Config
from kashop.stress.crowd import Line, get

START_SECONDS = 60.0
STOP_SECONDS = 30.0
SAMPLE_SECONDS = 0.1


class Writes(msgspec.Struct, frozen=True):
    """How often the copy's writer committed (each is one sync to the disk), and how many changes those held."""

    commits: int = 0
    changes: int = 0


class Served:
    """`async with Served(config) as server:` starts it and ends it. `memory` are samples in MiB, with their times."""

    def __init__(self, config: Config):
        self.config, self._log = config, config.data.with_name("server.log")
        self.port = 0
        self.memory: list[tuple[float, float]] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def place(self) -> Place:
        """Its database."""
        return self.config.place

    async def __aenter__(self) -> "Served":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - ourselves, and it outlives this call
                command("serve", "--data", str(self.config.data), "--port", "0"),
                env=environment(self.config),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we end it
            )
        try:
            await self._wait_until_it_answers()
        except BaseException:
            await self._end(is_gentle=False)
            raise
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._end(is_gentle=error is None)

    async def stop(self) -> Writes:
        """End it, and say what its writer did."""
        await self._end()
        return writes(self._log.read_text(encoding="utf-8", errors="replace"))

    def cpu_seconds(self) -> float:
        """Processor time used so far, of all its threads; 0 once it is gone."""
        assert self._process is not None
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """Resident memory now; 0 once it is gone."""
        assert self._process is not None
        try:
            lines = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines()
        except OSError:
            return 0.0
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    async def _wait_until_it_answers(self) -> None:
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up and self.is_alive:
            holder = ServerLock(self.config.data).holder()
            if holder and holder[1]:
                self.port = int(holder[1].rpartition(":")[2])
                with contextlib.suppress(OSError):
                    line = await Line.open(self.port)
                    reply = await line.ask(get("/healthz", self.port))
                    line.close()
                    if reply.status == 200:
                        return
            await asyncio.sleep(0.02)
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise Unavailable("The copy's server did not start: {problem}", problem=said[-1] if said else "it said nothing.")

    async def _watch(self) -> None:
        while True:
            self.memory.append((time.perf_counter(), self.memory_mib()))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _end(self, *, is_gentle: bool = True) -> None:
        if self._watching is not None:
            self._watching.cancel()
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM if is_gentle else signal.SIGKILL)
        give_up = time.monotonic() + STOP_SECONDS
        try:
            while self._process.poll() is None and time.monotonic() < give_up:  # noqa: ASYNC110 - a process is no event
                await asyncio.sleep(0.05)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()


def command(*arguments: str) -> list[str]:
    """`kashop …` as this process runs."""
    return [sys.executable, "-m", "kashop.cli", *arguments]


def environment(config: Config, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """This process's environment without what concerns the merchant's own shop; the copy's address, which may hold a password, is
    in no file."""
    kept = {name: value for name, value in environ.items() if not name.startswith("KASHOP_")}
    address = {"KASHOP_DATABASE": str(config.database)} if config.database else {}
    return {**kept, **address, "PYTHONUTF8": "1"}


def writes(log: str) -> Writes:
    """What the writer said when its database was closed."""
    for line in reversed(log.splitlines()):
        if '"database closed"' in line:
            return msgspec.json.decode(line, type=Writes)
    return Writes()
