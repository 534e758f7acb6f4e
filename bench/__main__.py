"""`python -m bench [--quick]`: measure, print the ratios, write them as JSON. What it means stands in docs/reference/bench.md."""

import argparse
import json
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import rounds, writer
from bench.rounds import Pair, Run


def main() -> None:
    """Run the bench."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="kashop-bench-", dir=given.folder) as folder:
        print(f"{given.rounds} rounds of {given.requests} requests over {given.connections} connections each …", file=sys.stderr)
        run = rounds.run(Path(folder), number_of_rounds=given.rounds, count=given.requests, connections=given.connections)
        alone = writer.measure(Path(folder), number_of_rounds=given.rounds, count=given.requests)
    told = {
        "machine": _machine(given),
        "paths": [_told(pair) for pair in run.pairs],
        "writer": _writer(alone),
        "process": _process(run),
    }
    _print(told)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(f"\nWritten to {given.json}.", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m bench", description="The shop's speed beside the bare framework's.")
    arguments.add_argument("--quick", action="store_true", help="two short rounds")
    arguments.add_argument("--rounds", type=int)
    arguments.add_argument("--requests", type=int, help="per round and path")
    arguments.add_argument("--connections", type=int, default=100)
    arguments.add_argument("--json", type=Path, default=Path("build/bench.json"))
    arguments.add_argument("--folder", type=Path, help="where the shop is made; its disk is what is measured")
    given = arguments.parse_args()
    given.rounds = given.rounds or (2 if given.quick else 5)
    given.requests = given.requests or (400 if given.quick else 2000)
    return given


def _machine(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "rounds": given.rounds,
        "requests": given.requests,
        "connections": given.connections,
        "client": "one process, uvloop-free asyncio protocols over keep-alive sockets, not pinned",
    }


def _told(pair: Pair) -> dict[str, Any]:
    shop, bare = [o.per_second for o in pair.shop], [o.per_second for o in pair.bare]
    return {
        "path": pair.path,
        "goal": pair.goal,
        "shop_per_second": _spread(shop),
        "bare_per_second": _spread(bare),
        "ratio": _spread([a / b for a, b in zip(shop, bare, strict=True)]),
        "shop_cpu_us": _spread(pair.shop_cpu_us),
        "bare_cpu_us": _spread(pair.bare_cpu_us),
        "shop_p50_ms": round(statistics.median(o.latency_ms(0.5) for o in pair.shop), 1),
        "shop_p99_ms": round(statistics.median(o.latency_ms(0.99) for o in pair.shop), 1),
    }


def _writer(alone: list[tuple[float, float]]) -> dict[str, Any]:
    return {
        "goal": 0.35,
        "units_per_second": _spread([units for units, _ in alone]),
        "executemany_per_second": _spread([ceiling for _, ceiling in alone]),
        "ratio": _spread([units / ceiling for units, ceiling in alone]),
    }


def _process(run: Run) -> dict[str, float]:
    return {
        "start_seconds": round(run.start_seconds, 2),
        "idle_mib": round(run.idle_mib, 1),
        "after_mib": round(run.after_mib, 1),
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {name: float(f"{fn(values):.3g}") for name, fn in (("median", statistics.median), ("least", min), ("most", max))}


def _print(told: dict[str, Any]) -> None:
    heads = (("", 24), ("shop/s", 10), ("bare/s", 10), ("ratio", 8), ("spread", 16), ("goal", 7), ("cpu us", 9), ("bare", 7))
    print("".join(f"{name:>{width}}" for name, width in (*heads, ("p50 ms", 8), ("p99 ms", 8))))
    for p in told["paths"]:
        ratio = p["ratio"]
        print(
            f"{p['path']:24}{p['shop_per_second']['median']:>10.0f}{p['bare_per_second']['median']:>10.0f}{ratio['median']:>8.2f}"
            f"{ratio['least']:>9.2f}–{ratio['most']:<6.2f}{p['goal']:>7.2f}{p['shop_cpu_us']['median']:>9.0f}"
            f"{p['bare_cpu_us']['median']:>7.0f}{p['shop_p50_ms']:>8}{p['shop_p99_ms']:>8}"
        )
    w = told["writer"]
    print(
        f"{'writer, no HTTP':24}{w['units_per_second']['median']:>10.0f}{w['executemany_per_second']['median']:>10.0f}"
        f"{w['ratio']['median']:>8.2f}{w['ratio']['least']:>9.2f}–{w['ratio']['most']:<6.2f}{w['goal']:>7.2f}"
    )
    process, machine = told["process"], told["machine"]
    print(
        f"\nanswers {process['start_seconds']} s after start · {process['idle_mib']} MiB idle, {process['after_mib']} MiB after"
    )
    print(f"{machine['cores']} cores · load {machine['load_before']} · Python {machine['python']} · SQLite {machine['sqlite']}")


if __name__ == "__main__":
    main()
