"""`make bench-compare` (`python -m bench.compare [FILE FILE …]`): what got better or worse between two commits beyond the spread.

Without files it takes the two newest runs of build/bench; with more than two, the runs of the first file's commit stand against
those of the last file's, all rounds together. A figure counts as moved only when three things hold: the medians differ by more
than LEAST of the former (LEAST_OF_SEVERAL where each commit has several runs, which then show how far runs of one commit lie
apart); by more than WIDE times what both sides spread; and so clear an order of the rounds comes by chance less often than ALPHA
(exact rank test of Mann and Whitney). The bounds were chosen by drawing runs of one commit at random, with rounds that scatter by
up to 20 % and runs that drift by up to 8 %: fewer than one comparison in a hundred then tells a change.

Ratios are compared, and the server's processor time; rates, seconds and MiB only between runs under the same conditions.
"""

import argparse
import itertools
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import history
from bench.figures import Figure
from bench.history import Run

LEAST, LEAST_OF_SEVERAL = 0.20, 0.10
WIDE = 1.5
ALPHA = 0.01
FEWEST = 4
"""Rounds of each side; of fewer no order is rare enough."""
TRAVELS = ("ratio", "× quiet", "× its p50", "× one's", "× small")
COST = "shop cpu us"


@dataclass(frozen=True)
class Side:
    """One commit's values of one figure, run by run."""

    runs: tuple[tuple[float, ...], ...]

    @property
    def values(self) -> list[float]:
        """All rounds."""
        return [value for run in self.runs for value in run]

    @property
    def median(self) -> float:
        """Of all rounds."""
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """The span of the middle half of the rounds, or that of the runs' medians if it is wider."""
        quartiles = statistics.quantiles(self.values, n=4, method="inclusive")
        medians = [statistics.median(run) for run in self.runs]
        return max(quartiles[2] - quartiles[0], max(medians) - min(medians))


@dataclass(frozen=True)
class Change:
    """One figure before and after. `verdict` is better, worse, same or unknown."""

    name: str
    unit: str
    before: float
    after: float
    chance: float
    verdict: str


def changes(before: Sequence[Run], after: Sequence[Run]) -> list[Change]:
    """Every figure that both sides have."""
    is_alike = all(
        run.conditions.get(name) == before[0].conditions.get(name) for run in (*before, *after) for name in history.SAME
    )
    found = []
    for figure in before[0].figures:
        known = [_same(figure, runs) for runs in (before, after)]
        if not all(known):
            continue
        name = f"{figure.goal_id} {figure.name}"
        if is_alike or figure.unit in TRAVELS:
            sides = [Side(tuple(tuple(f.judged) for f in figures)) for figures in known]
            found.append(judged(name, figure.unit, *sides, is_less_better=figure.is_upper))
        if is_alike and all(f.parts.get(COST) for figures in known for f in figures):
            sides = [Side(tuple(tuple(f.parts[COST]) for f in figures)) for figures in known]
            found.append(judged(f"{name}, processor time", "us", *sides, is_less_better=True))
    return found


def _same(figure: Figure, runs: Sequence[Run]) -> list[Figure]:
    named = (figure.goal_id, figure.name, figure.unit)
    return [f for run in runs for f in run.figures if (f.goal_id, f.name, f.unit) == named and f.judged]


def judged(name: str, unit: str, before: Side, after: Side, *, is_less_better: bool) -> Change:
    """Whether a figure moved."""
    chance = rank_chance(before.values, after.values)
    if min(len(before.values), len(after.values)) < FEWEST:
        return Change(name, unit, before.median, after.median, chance, "unknown")
    moved = after.median - before.median
    least = LEAST_OF_SEVERAL if min(len(before.runs), len(after.runs)) > 1 else LEAST
    needed = max(least * abs(before.median), WIDE * (before.spread + after.spread))
    if abs(moved) <= needed or chance > ALPHA:
        return Change(name, unit, before.median, after.median, chance, "same")
    return Change(name, unit, before.median, after.median, chance, "better" if (moved < 0) == is_less_better else "worse")


def rank_chance(a: Sequence[float], b: Sequence[float]) -> float:
    """How often chance alone orders two samples as clearly as this: Mann and Whitney's test, both ways, exact by counting (equal
    values share their ranks; the counting then errs towards no difference)."""
    greater = sum((x > y) + 0.5 * (x == y) for x, y in itertools.product(a, b))
    least = min(greater, len(a) * len(b) - greater)
    ways = _ways(len(a), len(b))
    return min(1.0, 2 * sum(times for u, times in enumerate(ways) if u <= least) / sum(ways))


def _ways(a: int, b: int) -> list[int]:
    """How many orders of `a` and `b` values give each number of pairs in which the first is greater: the coefficients of the
    Gaussian binomial."""
    ways = [1]
    for n in range(1, a + 1):
        longer = ways + [0] * (n + b)
        for u in range(len(longer) - 1, n + b - 1, -1):
            longer[u] -= longer[u - n - b]
        for u in range(n, len(longer)):
            longer[u] += longer[u - n]
        ways = longer[: n * b + 1]
    return ways


def text(found: Sequence[Change]) -> str:
    """What moved first, then the rest."""
    ranks = {"worse": 0, "better": 1, "unknown": 2, "same": 3}
    lines = []
    for change in sorted(found, key=lambda change: ranks[change.verdict]):
        percent = (change.after / change.before - 1) * 100 if change.before else 0.0
        told = f"{change.before:>11.4g} → {change.after:<11.4g}{percent:>+7.1f} %  p {change.chance:.3f}"
        lines.append(f"{change.verdict:8}{change.name:60}{change.unit:10}{told}")
    return "\n".join(lines)


def main() -> int:
    """Compare; ends with 1 when something got worse and `--strict` was given."""
    arguments = argparse.ArgumentParser(
        prog="python -m bench.compare", description="What got better or worse, beyond the spread."
    )
    arguments.add_argument(
        "files", nargs="*", type=Path, help=f"runs, the older first; the two newest of {history.PLACE} unless told"
    )
    arguments.add_argument("--strict", action="store_true", help="end with 1 when something got worse")
    given = arguments.parse_args()
    files = given.files or sorted(history.PLACE.glob("*.json"))[-2:]
    if len(files) < 2:
        print("Two runs are needed: `make bench` keeps one each time.", file=sys.stderr)
        return 2
    runs = [history.read(file) for file in files]
    before, after = _sides(runs)
    for side, of in (("before", before), ("after", after)):
        print(f"{side:8}{of[0].commit}, {len(of)} run{'s' if len(of) > 1 else ''}, {of[0].at}")
    found = changes(before, after)
    print(f"\n{text(found)}")
    return int(given.strict and any(change.verdict == "worse" for change in found))


def _sides(runs: list[Run]) -> tuple[list[Run], list[Run]]:
    """The first file's commit against the last one's; of one commit alone, the first half against the second."""
    first, last = runs[0].commit, runs[-1].commit
    if first == last:
        return runs[: len(runs) // 2], runs[len(runs) // 2 :]
    return [run for run in runs if run.commit == first], [run for run in runs if run.commit == last]


if __name__ == "__main__":
    sys.exit(main())
