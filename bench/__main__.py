"""`python -m bench [--quick] [--only P1,P4]`: measure, print the goals, keep all rounds. What it means stands in
docs/reference/bench.md. A missed goal ends with 0, a wrong count or an answer that should not be with 1."""

import argparse
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import burst, growth, history, intake, paths, process, tables, writer
from bench.figures import Figure, Wrong
from bench.plan import GOALS, QUICK, WHOLE, Pins, Plan
from bench.servers import allow_sockets
from kashop.lib import logs

Stage = tuple[set[str], Callable[[Path], list[Figure]]]


def main() -> int:
    """Run the bench."""
    given = _arguments()
    plan, pins = _plan(given), Pins.apart() if given.pin else Pins()
    logs.configure("text", "warning")
    allow_sockets()
    pins.take()
    load_before, started = os.getloadavg()[0], time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="kashop-bench-", dir=given.folder) as folder:
        try:
            figures = measure(Path(folder), plan, pins, given.only)
        except Wrong as wrong:
            print(f"WRONG: {wrong}", file=sys.stderr)
            return 1
        seconds = time.perf_counter() - started
        about = history.conditions(plan, pins, load_before=load_before, seconds=seconds, folder=Path(folder))
    kept = history.keep(given.json, figures, about)
    run = history.read(kept)
    print(tables.markdown(run) if given.markdown else tables.text(run))
    print(f"\nKept in {kept}; {seconds:.0f} s.", file=sys.stderr)
    return 0


def measure(folder: Path, plan: Plan, pins: Pins, goals: set[str]) -> list[Figure]:
    """Every stage that one of these goals needs, each in a folder of its own; in the order of the goals."""
    stages: list[Stage] = [
        ({"P1", "P2", "P4", "P5"}, lambda own: paths.run(own, plan, pins, goals)),
        ({"P3", "P6", "P10"}, lambda own: burst.run(own, plan, pins, goals)),
        ({"P7"} if plan.large_orders else set(), lambda own: growth.run(own, plan)),
        ({"P8"}, lambda own: intake.run(own, plan, pins)),
        ({"P9"}, lambda own: writer.run(own, plan)),
        ({"P10"} if plan.starts else set(), lambda own: process.run(own, plan, pins)),
    ]
    figures: list[Figure] = []
    for number, (wanted, run) in enumerate(stages):
        if not wanted & goals:
            continue
        own, started = folder / f"stage{number}", time.perf_counter()
        own.mkdir()
        print(f"{' '.join(sorted(wanted & goals))} …", end="", file=sys.stderr, flush=True)
        figures += run(own)
        print(f" {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return sorted(figures, key=lambda figure: GOALS.index(figure.goal_id))


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m bench", description="The shop's speed beside the bare framework's.")
    arguments.add_argument("--quick", action="store_true", help="half a minute")
    arguments.add_argument("--only", type=_goals, default=set(GOALS), help="such as P1,P4")
    arguments.add_argument("--rounds", type=int)
    arguments.add_argument("--seconds", type=float, help="of one drive")
    arguments.add_argument("--set", type=_size, action="append", default=[], help="another size of bench/plan.py: crowd_rounds=1")
    arguments.add_argument("--pin", action="store_true", help="keep client and server on cores of their own")
    arguments.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    arguments.add_argument("--json", type=Path, help=f"where to keep the run; a new file in {history.PLACE} unless told")
    arguments.add_argument("--folder", type=Path, help="where the shops are made; its disk is what is measured")
    return arguments.parse_args()


def _plan(given: argparse.Namespace) -> Plan:
    told = {name: getattr(given, name) for name in ("rounds", "seconds") if getattr(given, name) is not None}
    return dataclasses.replace(QUICK if given.quick else WHOLE, **told, **dict(given.set))


def _size(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if not isinstance(getattr(WHOLE, name, None), (int, float)):
        raise argparse.ArgumentTypeError(f"bench/plan.py has no size {name!r}")
    return name, type(getattr(WHOLE, name))(value)


def _goals(text: str) -> set[str]:
    chosen = {part.strip().upper() for part in text.split(",")}
    if chosen - set(GOALS):
        raise argparse.ArgumentTypeError(f"goals are {', '.join(GOALS)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
