"""`python -m bench.beside [--rows N]`: what an import costs the checkouts beside it.

A served shop; buyers order at a steady rate, each timed from the moment it was due, and pay. The same command that a merchant
runs imports N rows in every other turn, A B A B, until as many turns were quiet. Printed: p50 and p99 of all quiet and of all
importing turns, their ratio, the median ratio of neighbours, and how many rows came in a second. Beside it, every 5 ms, how large
the write-ahead log is.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench import goods, intake
from bench.rotation import Buyers
from bench.servers import Server
from kashop.settings.config import load
from kashop.stress.crowd import percentile

TURNS = 4
EVERY = 0.005


@dataclass
class Turn:
    """One stretch of time: its latencies in seconds, and the rows that came in."""

    rows: int
    seconds: float
    latencies: list[float] = field(repr=False)

    def told(self) -> dict[str, float]:
        """As JSON."""
        p50, p99 = (round(percentile(self.latencies, part) * 1000, 2) for part in (0.5, 0.99))
        each = {"rows": self.rows, "seconds": round(self.seconds, 2), "orders": len(self.latencies), "p50_ms": p50, "p99_ms": p99}
        return each | {"load": round(os.getloadavg()[0], 1)}


async def measure(folder: Path, server: Server, *, rate: float, rows: int, quiet: float) -> tuple[list[Turn], int]:
    """Quiet, importing, quiet, importing … quiet; and the most bytes that the log had."""
    data, buyers, turns = goods.data_of(folder), Buyers(server.port, rate), list[Turn]()
    trading = asyncio.create_task(buyers.trade())
    watching = asyncio.create_task(_largest(data / "kashop.db-wal"))
    await asyncio.sleep(2)
    for number in range(TURNS):
        turns.append(await _turn(buyers, 0, asyncio.sleep(quiet)))
        work = asyncio.to_thread(intake.imported, folder, data, f"beside{number}", rows, ())
        turns.append(await _turn(buyers, rows, work))
    turns.append(await _turn(buyers, 0, asyncio.sleep(quiet)))
    buyers.stop()
    await trading
    watching.cancel()
    (largest,) = await asyncio.gather(watching)
    return turns, largest


async def _turn(buyers: Buyers, rows: int, work: "asyncio.Future[object] | object") -> Turn:
    buyers.latencies = []
    started = time.perf_counter()
    await work  # type: ignore[misc]
    turn = Turn(rows, time.perf_counter() - started, [ms / 1000 for ms in buyers.latencies])
    print(turn.told(), file=sys.stderr)
    return turn


async def _largest(log: Path) -> int:
    most = 0
    try:
        while True:
            most = max(most, _size(log))
            await asyncio.sleep(EVERY)
    except asyncio.CancelledError:
        return most


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def told(turns: list[Turn], largest: int) -> dict[str, object]:
    """The figures: each importing turn beside the quiet ones before and after it."""
    found: dict[str, object] = {"log_mib": round(largest / 2**20, 1), "turns": [turn.told() for turn in turns]}
    for part in (0.5, 0.99):
        each = [percentile(turn.latencies, part) * 1000 for turn in turns]
        quiet, busy = (
            percentile([s for t in turns if (t.rows > 0) == is_busy for s in t.latencies], part) * 1000 for is_busy in (0, 1)
        )
        pairs = [each[n] / ((each[n - 1] + each[n + 1]) / 2) for n in range(1, len(each), 2)]
        figures = {
            "quiet_ms": quiet,
            "importing_ms": busy,
            "ratio": busy / quiet,
            "median_of_neighbours": statistics.median(pairs),
        }
        found[f"p{part * 100:.0f}"] = {name: round(value, 2) for name, value in figures.items()}
    return found


def main() -> None:
    """Measure."""
    arguments = argparse.ArgumentParser(prog="python -m bench.beside")
    arguments.add_argument("--rows", type=int, default=60_000, help="of each import")
    arguments.add_argument("--rate", type=float, default=50, help="orders a second")
    arguments.add_argument("--quiet", type=float, default=6, help="seconds of each quiet turn")
    arguments.add_argument("--folder", type=Path, help="where the shop is made; its disk is what is measured")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kashop-beside-", dir=given.folder) as folder:
        asyncio.run(goods.make_shop(load(goods.data_of(Path(folder)), {}), codes=20_000))
        with Server.shop(goods.data_of(Path(folder))) as server:
            turns, largest = asyncio.run(measure(Path(folder), server, rate=given.rate, rows=given.rows, quiet=given.quiet))
    print(json.dumps(told(turns, largest), indent=2))


if __name__ == "__main__":
    main()
