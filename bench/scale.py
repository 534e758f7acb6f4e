"""`python -m bench.scale [--large N]`: what the size of a shop's history costs (P7): the same acts in a shop of 10,000 orders and
in one of many more, in turn, in one run.

Each figure is the median of medians: in every round a look is called some dozen times in each shop, each time about another
thing, as a page would (`shop.db.read`); `inside` is what of that is the look itself. The way to a reader's thread and back is
counted as the median of both shops': in one run it was fifty microseconds longer to one of them, for every act alike, which has
nothing to do with their size. A change is timed whole, to its durable commit; `inside` is its processor time.

The shops are made by `bench.big`, or lie where `--shops` says from an earlier run; their files are read once before, so that a
disk which has not been asked for years is not what is measured. A change leaves its orders there: some hundred.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import acts, big, goods, writer
from kashop.db import Reader
from kashop.settings.config import load
from kashop.shop import Shop

SMALL = 10_000
GOAL = 1.3
ROUNDS = 9
LOOKS_A_ROUND = 25


@dataclass
class Act:
    """One act's times in microseconds, round by round."""

    name: str
    small: list[float] = field(default_factory=list)
    large: list[float] = field(default_factory=list)
    inside: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    @property
    def ratio(self) -> float:
        """The large shop's median to the small one's."""
        return statistics.median(self.large) / statistics.median(self.small)


async def measure(small: Path, large: Path, *, rounds: int = ROUNDS, only: str = "") -> list[Act]:
    """Every act (whose name has `only` in it) in both shops, A B A B; the data directories are changed."""
    configs = [load(folder, {}) for folder in (small, large)]
    for config in configs:
        _read_once(config.file)
    shops = [await Shop.open(config) for config in configs]
    try:
        return [*await _looks(shops, rounds, only), *await _changes(shops, rounds, only)]
    finally:
        for shop in shops:
            await shop.close()


def _read_once(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


async def _looks(shops: Sequence[Shop], rounds: int, only: str) -> list[Act]:
    samples = [acts.Sample.of(shop, seed=7) for shop in shops]
    found = []
    for name, look in acts.LOOKS.items():
        if only not in name:
            continue
        act, ways = Act(name), list[float]()
        for number in range(rounds + 1):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                whole, inside = await _looked(shops[which], look, samples[which])
                if number:  # the first round warms
                    act.inside[which].append(inside)
                    ways.append(whole - inside)
        way = statistics.median(ways)
        act.small, act.large = ([inside + way for inside in side] for side in act.inside)
        found.append(act)
    return found


async def _looked(shop: Shop, look: acts.Look, sample: acts.Sample) -> tuple[float, float]:
    """The median microseconds of a look, and of what the reader's thread did of it."""
    whole, inside = [], []
    until = time.perf_counter() + 1
    while len(whole) < LOOKS_A_ROUND and time.perf_counter() < until:
        started = time.perf_counter()
        inside.append(await shop.db.read(_timed, look, sample))
        whole.append(time.perf_counter() - started)
    return statistics.median(whole) * 1e6, statistics.median(inside) * 1e6


def _timed(db: Reader, look: acts.Look, sample: acts.Sample) -> float:
    started = time.perf_counter()
    look(db, sample)
    return time.perf_counter() - started


async def _changes(shops: Sequence[Shop], rounds: int, only: str) -> list[Act]:
    found = []
    for name, change in acts.CHANGES.items():
        if only not in name:
            continue
        act = Act(name)
        for number in range(rounds + 1):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                drafts = await writer.drafts(shops[which], acts.GROUP)
                await change.prepare(shops[which], drafts)
                started, worked = time.perf_counter(), time.process_time()
                await change.run(shops[which], drafts)
                took, work = time.perf_counter() - started, time.process_time() - worked
                if number:
                    (act.small, act.large)[which].append(took / change.each * 1e6)
                    act.inside[which].append(work / change.each * 1e6)
        found.append(act)
    return found


def told(found: list[Act]) -> list[dict[str, object]]:
    """As JSON."""
    return [
        {
            "act": act.name,
            "goal": GOAL,
            "small_us": round(statistics.median(act.small), 1),
            "large_us": round(statistics.median(act.large), 1),
            "ratio": round(act.ratio, 2),
            "inside_us": [round(statistics.median(side), 1) if side else None for side in act.inside],
            "spread": [round(f(b / a for a, b in zip(act.small, act.large, strict=True)), 2) for f in (min, max)],
        }
        for act in found
    ]


def show(found: list[Act], say: Callable[[str], None] = print) -> None:
    """As a table."""
    say(f"{'':40}{'small us':>10}{'large us':>10}{'ratio':>7}{'inside us':>18}")
    for act in found:
        a, b = statistics.median(act.small), statistics.median(act.large)
        inside = " → ".join(f"{statistics.median(side):.1f}" for side in act.inside if side)
        say(f"{act.name:40}{a:>10.1f}{b:>10.1f}{act.ratio:>7.2f}{inside:>18}{'' if act.ratio <= GOAL else '  OVER'}")


def shops_in(folder: Path, *, large: int) -> tuple[Path, Path]:
    """The two shops' data directories below `folder`; what is not there yet is built."""
    found = []
    for size in (SMALL, large):
        own = folder / str(size)
        if not own.exists():
            own.mkdir(parents=True)
            big.build(own, orders=size)
        found.append(goods.data_of(own))
    return found[0], found[1]


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description="A shop of 10,000 orders against a larger one.")
    parser.add_argument("--large", type=int, default=500_000, help="orders of the larger shop (5,000,000 takes 10 GiB)")
    parser.add_argument("--shops", type=Path, help="where the shops are, or are made and left")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", default="", help="acts that have this in their name")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kashop-scale-") as folder:
        small, large = shops_in(given.shops or Path(folder), large=given.large)
        print(f"{given.rounds} rounds, load {os.getloadavg()[0]:.1f} …", file=sys.stderr)
        found = asyncio.run(measure(small, large, rounds=given.rounds, only=given.only))
    show(found)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps({"large": given.large, "acts": told(found)}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
