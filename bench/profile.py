"""`python -m bench.profile orders|callbacks|page|home|status|link …`: where one path's time goes, in the shop's own process.

Three drives of the same requests, each watched for one thing alone (bench/watched.py): processor time per request by thread
without anything else on; statements per request; functions under cProfile, which stretches the small ones and by the wall also
tells where a thread waited for the interpreter's lock (`--thread-clock` leaves waiting out and stretches more): read their order,
not their sum. `--flame FILE` adds py-spy's picture of a fourth drive where py-spy is at hand.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Client
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

from bench import goods
from bench.servers import BEHIND_A_PROXY, Server
from kashop.lib import logs
from kashop.settings.config import load
from kashop.stress.crowd import Outcome, drive

WARM = 300
Told = dict[str, Any]


class Paths:
    """The requests of each path; those that need an order place it first, unwatched."""

    def __init__(self, port: int, connections: int):
        self._port, self._connections, self._turn = port, connections, 0

    def orders(self, count: int) -> list[bytes]:
        """New orders."""
        self._turn += 1
        return goods.orders(self._port, count, salt=f"p{self._turn}")

    def callbacks(self, count: int) -> list[bytes]:
        """Payments of new orders."""
        return goods.callbacks(self._port, self._placed(count), salt=f"T{self._turn}x")

    def page(self, count: int) -> list[bytes]:
        """The product's page."""
        return goods.pages(self._port, count)

    def home(self, count: int) -> list[bytes]:
        """The list of all products."""
        return goods.pages(self._port, count, goods.HOME)

    def status(self, count: int) -> list[bytes]:
        """Orders, half of them delivered, asked by their tokens."""
        requests = goods.statuses(self._port, self._half_paid(count))
        return (requests * (count // len(requests) + 1))[:count]

    def link(self, count: int) -> list[bytes]:
        """The same orders' pages, by their links."""
        requests = goods.order_pages(self._port, self._half_paid(count))
        return (requests * (count // len(requests) + 1))[:count]

    def _half_paid(self, count: int) -> list[bytes]:
        placed = self._placed(min(count, 200))
        paid = goods.callbacks(self._port, placed[::2], salt=f"S{self._turn}x")
        asyncio.run(drive(self._port, paid, connections=16))
        return placed

    def _placed(self, count: int) -> list[bytes]:
        return asyncio.run(drive(self._port, self.orders(count), connections=50, keeps_bodies=True)).bodies


def watched(
    what: str, pipe: Pipe, port: int, requests: Sequence[bytes], *, connections: int, beside: Callable[[], None] = lambda: None
) -> tuple[Outcome, Told]:
    """One drive, watched for one thing."""
    pipe.send(what)
    pipe.recv()
    beside()
    outcome = asyncio.run(drive(port, requests, connections=connections))
    pipe.send("end")
    told = pipe.recv()
    assert set(outcome.statuses) <= {200, 201}, f"the shop answered {dict(outcome.statuses)}"
    return outcome, told


def profile(
    path: str, folder: Path, *, count: int, connections: int, functions_by: str = "functions", flame: Path | None = None
) -> Told:
    """Everything about one path."""
    data, where = goods.data_of(folder), folder / "watch"
    asyncio.run(goods.make_shop(load(data, {}), codes=WARM + count * 5 + 100))
    arguments = ("bench.watched", "--data", str(data), "--watch", str(where))
    with (
        Server("the watched shop", *arguments, log=folder / "shop.log", **BEHIND_A_PROXY) as server,
        Client(str(where), "AF_UNIX") as pipe,
    ):
        make = getattr(Paths(server.port, connections), path)
        asyncio.run(drive(server.port, make(WARM), connections=connections))
        outcome, times = watched("time", pipe, server.port, make(count), connections=connections)
        _, statements = watched("statements", pipe, server.port, make(count), connections=connections)
        _, functions = watched(functions_by, pipe, server.port, make(count), connections=connections)
        if flame is not None:
            _flame(flame, server.pid, pipe, server.port, make(count), connections=connections)
    return {
        "path": path,
        "requests": count,
        "connections": connections,
        "per_second": round(outcome.per_second),
        "p50_ms": round(outcome.latency_ms(0.5), 1),
        "p99_ms": round(outcome.latency_ms(0.99), 1),
        **times,
        **statements,
        **functions,
    }


def _flame(file: Path, pid: int, pipe: Pipe, port: int, requests: Sequence[bytes], *, connections: int) -> None:
    spy = shutil.which("py-spy")
    if spy is None:
        print("py-spy is not on the path: no picture.", file=sys.stderr)
        return
    command = [spy, "record", "--pid", str(pid), "--output", str(file), "--rate", "250", "--duration", "3600", "--threads"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as spying:
        watched("time", pipe, port, requests, connections=connections, beside=lambda: time.sleep(1))
        spying.send_signal(2)
    print(f"The picture is {file}.", file=sys.stderr)


def show(told: Told, *, most: int) -> None:
    """Print it."""
    count = told["requests"]
    parts = {kind: seconds / count * 1e6 for kind, seconds in told["seconds"].items()}
    print(f"{told['path']}: {count} requests over {told['connections']} connections, {told['per_second']}/s", end="")
    print(f", p50 {told['p50_ms']} ms, p99 {told['p99_ms']} ms")
    shares = " · ".join(f"{kind} {us:.0f}" for kind, us in parts.items())
    print(f"processor time per request {sum(parts.values()):.0f} us: {shares}")
    if told["groups"]:
        units, groups = told["units"], told["groups"]
        print(f"units per request {units / count:.2f}, units per commit {units / groups:.1f}")
    _show_statements(told["statements"], count, most)
    for kind, rows in sorted(told["functions"].items()):
        print(f"\n{kind}: own us, whole us, calls, each per request")
        for name, calls, own, whole in rows[:most]:
            print(f"{own / count * 1e6:9.1f}{whole / count * 1e6:10.1f}{calls / count:9.2f}  {name}")


def _show_statements(rows: list[tuple[str, str, int]], count: int, most: int) -> None:
    sums: dict[str, int] = {}
    for kind, _, times in rows:
        sums[kind] = sums.get(kind, 0) + times
    whole = ", ".join(f"{kind} {times / count:.1f}" for kind, times in sorted(sums.items()))
    print(f"\nstatements per request: {whole}  (`--` is what a trigger ran)")
    for kind, sql, times in rows[: most * 2]:
        print(f"{times / count:9.2f}  {kind:8}{sql[:150]}")


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(prog="python -m bench.profile", description="Where one path's time goes.")
    arguments.add_argument("path", choices=("orders", "callbacks", "page", "home", "status", "link"))
    arguments.add_argument("--requests", type=int, default=1000)
    arguments.add_argument("--connections", type=int, default=100)
    arguments.add_argument("--most", type=int, default=25, help="lines of each list")
    arguments.add_argument("--json", type=Path, help="keep everything here")
    arguments.add_argument("--thread-clock", action="store_true", help="functions by their thread's own clock, without waiting")
    arguments.add_argument("--flame", type=Path, help="an SVG by py-spy")
    arguments.add_argument("--folder", type=Path, help="where the shop is made")
    given = arguments.parse_args()
    logs.configure("text", "warning")
    with tempfile.TemporaryDirectory(prefix="kashop-profile-", dir=given.folder) as folder:
        told = profile(
            given.path,
            Path(folder),
            count=given.requests,
            connections=given.connections,
            functions_by="thread functions" if given.thread_clock else "functions",
            flame=given.flame,
        )
    show(told, most=given.most)
    if given.json:
        given.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
