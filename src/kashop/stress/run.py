"""One run from the beginning to the end: copy, serve, rush, prove, take everything away.

Always true: whatever happens, and on Ctrl-C too, the server is ended and the folder is gone before `run` returns or raises;
what a run that was killed outright left behind is taken away by the next one in the same place.
"""

import asyncio
import contextlib
import fcntl
import os
import platform
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import msgspec

from kashop.db import engine
from kashop.settings.config import Config
from kashop.stress import copying, proof
from kashop.stress.copying import Sale
from kashop.stress.plan import Plan
from kashop.stress.proof import Books, Claim
from kashop.stress.rush import Rush, Tally
from kashop.stress.served import Served, Writes

PREFIX = ".kashop-stress-"
IDLE_SECONDS, CALM_SECONDS = 1.0, 2.0

Tell = Callable[[str, int, int], None]
"""Hears (stage, done, of how many): make, start, gather, rush, prove."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it ran."""

    cores: int
    processor: str
    memory_mib: int
    python: str
    database: str
    """Which engine, of which version."""
    kashop: str
    load_before: float


class Memory(msgspec.Struct, frozen=True):
    """The server's resident memory in MiB."""

    before: float
    peak: float
    after: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run showed."""

    plan: Plan
    sale: Sale
    tally: Tally
    books: Books
    claims: tuple[Claim, ...]
    machine: Machine
    memory: Memory
    writes: Writes
    cpu_seconds: float
    """Processor time of the server during the rush and its payments."""
    began_at: float
    notes: tuple[str, ...] = ()

    @property
    def is_proved(self) -> bool:
        """Whether every claim holds."""
        return all(claim.holds for claim in self.claims)


async def run(config: Config, wanted: Plan, folder: Path, tell: Tell, notes: tuple[str, ...] = ()) -> Result:
    """Run it in a new folder under `folder`. Raises Refusals."""
    machine, began_at = about_machine(config), time.time()
    original = await asyncio.to_thread(copying.original, config)
    copying.chosen(original, wanted.product)
    with temporary(folder) as place, copying.apart(config, place / "shop") as own:
        sale = await copying.make(
            config,
            own,
            original,
            wanted.product,
            codes=wanted.codes,
            tell=lambda n: tell("make", n, wanted.codes),
            with_plugins=wanted.with_plugins,
        )
        tell("start", 0, 0)
        async with Served(own) as server:
            await asyncio.sleep(IDLE_SECONDS)
            before, cpu = server.memory_mib(), server.cpu_seconds()
            rush = Rush(server.port, wanted, sale, tell)
            tally = await rush.run()
            cpu = server.cpu_seconds() - cpu
            await asyncio.sleep(CALM_SECONDS)
            memory = Memory(before, max((mib for _, mib in server.memory), default=before), server.memory_mib())
            tell("prove", 0, 0)
            found, claims = await _proved(server, sale, tally)
            writes = await server.stop()
    return Result(
        plan=wanted,
        sale=sale,
        tally=tally,
        books=found,
        claims=tuple(claims),
        machine=machine,
        memory=memory,
        writes=writes,
        cpu_seconds=cpu,
        began_at=began_at,
        notes=notes,
    )


async def _proved(server: Served, sale: Sale, tally: Tally) -> tuple[Books, list[Claim]]:
    shown: list[str] = []
    with contextlib.suppress(OSError, ValueError):  # a server that shows nothing fails the claim about it
        shown = await proof.reveal_some(server, tally)
    found = await asyncio.to_thread(proof.books, server, sale, shown)
    return found, [*proof.claims(tally, sale, found), await proof.checked(server)]


@contextlib.contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """A folder of this run's own (0700), gone afterwards; remains of runs that were killed go first."""
    for old in folder.glob(f"{PREFIX}*"):
        _remove_if_left(old)
    place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(fd)
        if place.exists():
            shutil.rmtree(place)  # once more, to say what stands in the way


def _remove_if_left(old: Path) -> None:
    try:
        fd = os.open(old, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # gone meanwhile, or somebody else's
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(old, ignore_errors=True)
    except BlockingIOError:
        return  # at work
    finally:
        os.close(fd)


def about_machine(config: Config) -> Machine:
    """What the kernel says of this machine, and what the shop's rows are kept by."""
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if ":" in line)
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        processor=models[0] if models else platform.machine(),
        memory_mib=int(told["MemTotal"].split()[0]) // 1024,
        python=platform.python_version(),
        database=_database(config),
        kashop=version("kashop"),
        load_before=round(os.getloadavg()[0], 2),
    )


def _database(config: Config) -> str:
    if not config.database:
        return f"SQLite {sqlite3.sqlite_version}"
    return f"PostgreSQL {engine.postgres('postgres_schema').server(config.database).version}"
