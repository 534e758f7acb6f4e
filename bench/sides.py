"""What `bench.nodes` drives: a shop on SQLite, on PostgreSQL with one node and with two; in groups and one by one.

Every node is a process of its own (bench/node.py); PostgreSQL is the wheel's, with fsync and synchronous_commit on.
"""

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import uvloop
from psycopg.conninfo import conninfo_to_dict

from bench import goods
from bench.figures import Wrong
from bench.node import Told
from bench.servers import BEHIND_A_PROXY, Server
from kashop.db import Place
from kashop.settings.config import load
from kashop.stress.crowd import Outcome, drive, percentile
from tests.postgres import Shops, server

DURABLE = ("listen_addresses=", "max_connections=100", "fsync=on", "synchronous_commit=on")
GROUP, ALONE = 512, 1


@dataclass
class Node:
    """One served node, and the way to ask it."""

    server: Server
    pipe: Any

    def tell(self, *asked: Any) -> Told:
        """What it has done so far; `("group", most)` sets how many units share its commits."""
        self.pipe.send(asked or ("tell",))
        return Told(**self.pipe.recv())


@dataclass
class Seen:
    """One drive. The last three are of one unit, by the writers' wall clocks, of all nodes together."""

    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    units_a_commit: float
    node_us: float
    """Processor time for one request, of all nodes; of the database's processes; of the client."""
    database_us: float
    client_us: float
    turn_us: float
    work_us: float
    commit_us: float


@dataclass
class Side:
    """One way to run the shop. `seen` holds its drives by path."""

    name: str
    nodes: list[Node]
    place: Place
    group: int
    postmaster: int = 0
    seen: dict[str, list[Seen]] = field(default_factory=dict)
    rate: dict[str, float] = field(default_factory=dict)

    def drive(self, path: str, requests: Sequence[Sequence[bytes]], connections: int, good: int) -> list[bytes]:
        """The requests of each node to it, all nodes at once; the answers. Raises Wrong for an odd one."""
        for node in self.nodes:
            node.tell("group", self.group)
        told, cpu, began = [node.tell() for node in self.nodes], self._processor_seconds(), time.perf_counter()
        outcomes = driven(self.nodes, requests, connections // len(self.nodes))
        seconds = time.perf_counter() - began
        each = [(now - then) / sum(map(len, requests)) * 1e6 for now, then in zip(self._processor_seconds(), cpu, strict=True)]
        odd = {s: n for o in outcomes for s, n in o.statuses.items() if s not in (good, 503)}
        if odd:
            raise Wrong(f"{self.name} answered {odd} to {path}")
        late = [s for o in outcomes for s in o.latencies]
        late_ms = [percentile(late, share) * 1000 for share in (0.5, 0.95, 0.99)]
        self.rate[path] = sum(o.statuses[good] for o in outcomes) / seconds
        grouped, *parts = _units(told, [node.tell() for node in self.nodes])
        self.seen.setdefault(path, []).append(Seen(self.rate[path], *late_ms, grouped, *each, *parts))
        return [body for o in outcomes for body in o.bodies]

    def _processor_seconds(self) -> tuple[float, float, float]:
        """Of the nodes, the database and the client. SQLite's is in its node's."""
        database = _family_seconds(self.postmaster) if self.postmaster else 0.0
        return sum(node.server.cpu_seconds() for node in self.nodes), database, time.process_time()


def _units(before: Sequence[Told], after: Sequence[Told]) -> tuple[float, float, float, float]:
    """Units of one commit; of one unit the microseconds of waiting for a turn, of the rest before COMMIT, of COMMIT."""
    units, groups, turn, work, commit = (
        sum(getattr(now, name) - getattr(then, name) for then, now in zip(before, after, strict=True))
        for name in ("units", "groups", "turn", "work", "commit")
    )
    return units / groups, turn / units * 1e6, work / units * 1e6, commit / units * 1e6


def _family_seconds(pid: int) -> float:
    """Processor time of a process, its children, and those of them that have ended."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(stat.parent.name) == pid:
                ticks += sum(map(int, fields[11:15]))
            elif int(fields[1]) == pid:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def driven(nodes: Sequence[Node], requests: Sequence[Sequence[bytes]], connections: int) -> list[Outcome]:
    """Each node's requests over so many connections to it, all nodes at once."""

    async def all_at_once() -> list[Outcome]:
        parts = zip(nodes, requests, strict=True)
        drives = [drive(n.server.port, part, connections=connections, keeps_bodies=True) for n, part in parts]
        return list(await asyncio.gather(*drives))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(all_at_once())


@contextlib.contextmanager
def served(folder: Path, *, codes: int, crowds: Sequence[int]) -> Iterator[list[Side]]:
    """One shop on SQLite and one on PostgreSQL, founded and served; the ways to run them."""
    file, one, other = (folder / name for name in ("file", "one", "other"))
    with ExitStack() as stack:
        conninfo = stack.enter_context(server(DURABLE, folder.parent))  # its user is nobody, who may not look into ours
        shops = Shops(conninfo)
        one.mkdir()
        shops.let(one, shops.make())
        for data in (file, one):
            asyncio.run(goods.make_shop(load(data, {}), codes=codes, crowds=crowds))
        shutil.copytree(one, other)
        shutil.copy2(folder / "one.key", folder / "other.key")
        alone, first, second = (stack.enter_context(_node(data)) for data in (file, one, other))
        pid = int((Path(str(conninfo_to_dict(conninfo)["host"])) / "data/postmaster.pid").read_text().split()[0])
        yield [
            Side(f"{name}{how}", nodes, load(data, {}).place, group, postmaster)
            for name, nodes, data, postmaster in (
                ("SQLite", [alone], file, 0),
                ("PostgreSQL, 1 node", [first], one, pid),
                ("PostgreSQL, 2 nodes", [first, second], one, pid),
            )
            for how, group in (("", GROUP), (", one by one", ALONE))
        ]


@contextlib.contextmanager
def _node(data: Path) -> Iterator[Node]:
    socket, log = str(data.with_suffix(".watch")), data.with_suffix(".log")
    watched = Server(data.name, "bench.node", "--data", str(data), "--watch", socket, log=log, **BEHIND_A_PROXY)
    with watched, Client(socket, "AF_UNIX") as pipe:
        yield Node(watched, pipe)
