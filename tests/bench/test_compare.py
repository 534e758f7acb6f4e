"""What counts as a change between two runs of the bench: no alarm on noise, and no silence on what is beyond it."""

import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from bench import history
from bench.compare import Side, _ways, changes, judged, rank_chance
from bench.figures import Figure
from bench.history import Run
from bench.plan import QUICK, WHOLE, Pins

ROUNDS = 5


def a_run(values: dict[str, list[float]], *, commit: str = "a", conditions: dict[str, object] | None = None) -> Run:
    figures = [
        Figure("P1", name, 0.6, judged=each, parts={"shop cpu us": [1000 / v for v in each]}) for name, each in values.items()
    ]
    return Run(commit, "2026-11-28T00:00:00Z", conditions or {"cores": 2}, figures)


def test_the_counting_is_that_of_all_orders() -> None:
    for a, b in ((1, 1), (2, 3), (4, 4), (5, 5)):
        counted = [0] * (a * b + 1)
        for chosen in itertools.combinations(range(a + b), a):
            counted[sum(1 for x in chosen for y in range(a + b) if y not in chosen and x > y)] += 1
        assert _ways(a, b) == counted


def test_a_clear_order_is_rare_and_a_mixed_one_is_not() -> None:
    assert rank_chance([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)
    assert rank_chance([1, 3, 5, 7, 9], [2, 4, 6, 8, 10]) > 0.5
    assert rank_chance([1.0] * 5, [1.0] * 5) == 1.0


def test_noise_is_no_change() -> None:
    """Fifty pairs of runs of one commit with forty figures each: rounds scatter by 10 %, whole runs drift by 5 %."""
    dice = random.Random(4)

    def run() -> dict[str, list[float]]:
        drift = dice.gauss(1, 0.05)
        return {str(n): [abs(dice.gauss(0.6, 0.06)) * drift for _ in range(ROUNDS)] for n in range(20)}

    alarms = sum(c.verdict != "same" for _ in range(50) for c in changes([a_run(run())], [a_run(run())]))
    assert alarms <= 20, f"{alarms} alarms in 50 × 40 comparisons of a commit with itself"


def test_what_is_beyond_the_noise_is_told_with_its_direction() -> None:
    dice = random.Random(5)
    before = a_run({"x": [dice.gauss(0.6, 0.02) for _ in range(ROUNDS)]})
    after = a_run({"x": [dice.gauss(0.4, 0.02) for _ in range(ROUNDS)]}, commit="b")
    assert [(c.name, c.verdict) for c in changes([before], [after])] == [
        ("P1 x", "worse"),
        ("P1 x, processor time", "worse"),
    ]
    assert {c.verdict for c in changes([after], [before])} == {"better"}


def test_where_less_is_better() -> None:
    slow, quick = Side(((2.0, 2.1, 2.0, 2.2, 2.1),)), Side(((1.0, 1.1, 1.0, 1.2, 1.1),))
    assert judged("burst", "ratio", slow, quick, is_less_better=True).verdict == "better"


def test_runs_of_one_commit_that_differ_widen_the_spread() -> None:
    apart = Side(((0.4,) * 5, (0.8,) * 5))
    assert judged("x", "ratio", apart, Side(((0.85, 0.9, 0.88, 0.87, 0.86),)), is_less_better=False).verdict == "same"


def test_too_few_rounds_say_nothing() -> None:
    assert {c.verdict for c in changes([a_run({"x": [0.6, 0.6]})], [a_run({"x": [0.1, 0.1]})])} == {"unknown"}


def test_other_conditions_leave_the_ratios_alone() -> None:
    here, there = a_run({"x": [0.6] * 5}), a_run({"x": [0.2] * 5}, conditions={"cores": 8})
    assert [c.name for c in changes([here], [there])] == ["P1 x"]


def test_a_run_that_is_kept_is_read_again(tmp_path: Path) -> None:
    figure = Figure("P9", "writer", 0.35)
    figure.add(0.3, **{"shop/s": 4000.0})
    about = history.conditions(WHOLE, Pins(), load_before=0.5, seconds=1, folder=tmp_path)
    kept = history.keep(tmp_path / "a" / "run.json", [figure], about)
    assert history.read(kept).figures == [figure]
    assert history.read(kept).conditions["plan"]["rounds"] == WHOLE.rounds
    other = history.keep(
        tmp_path / "b.json", [figure], history.conditions(QUICK, Pins(), load_before=0, seconds=1, folder=tmp_path)
    )
    done = subprocess.run([sys.executable, "-m", "bench.compare", str(kept), str(other)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "unknown P9 writer" in done.stdout
    (tmp_path / "other.json").write_text(json.dumps({"paths": []}))
    with pytest.raises(ValueError, match="no run"):
        history.read(tmp_path / "other.json")
