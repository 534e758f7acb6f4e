"""The goal table, for a terminal and as Markdown."""

from collections.abc import Callable

from bench.figures import Figure
from bench.history import Run

BUSY = 0.9
"""From this share of the time on the client itself may be what was measured."""

Column = tuple[str, Callable[[Figure], str]]


NAMED = ("placing an order", "expiry sweep", "order by number")
"""What P7 asks for by name; of its other acts the table shows those that miss the goal."""


def shown(run: Run) -> list[Figure]:
    """The figures that stand in the table; all of them are in the JSON."""
    return [f for f in run.figures if f.goal_id != "P7" or not f.is_reached or f.name.startswith(NAMED)]


def text(run: Run) -> str:
    """For a terminal."""
    rows = [[name for name, _ in COLUMNS], *([tell(figure) for _, tell in COLUMNS] for figure in shown(run))]
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(w) if n < 2 else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    return "\n".join([*(line.rstrip() for line in lines), "", *_notes(run), _conditions(run)])


def markdown(run: Run) -> str:
    """For docs/reference/bench.md."""
    head = f"| {' | '.join(name for name, _ in COLUMNS)} |"
    rule = f"|{'|'.join('---' if n < 2 else '---:' for n in range(len(COLUMNS)))}|"
    rows = [f"| {' | '.join(tell(figure) for _, tell in COLUMNS)} |" for figure in shown(run)]
    notes = [f"- {note}" for note in _notes(run)]
    return "\n".join([head, rule, *rows, "", *notes, *([""] if notes else []), _conditions(run)])


def _notes(run: Run) -> list[str]:
    notes = [f"{figure.goal_id} {figure.name}: {figure.note}" for figure in run.figures if figure.note]
    if rest := len(run.figures) - len(shown(run)):
        notes.append(f"P7: {rest} further acts are within it, the costliest of growth at {_most_grown(run):.2f}")
    for figure in run.figures:
        about = f"{figure.goal_id} {figure.name}"
        busy = max(figure.part("client share") or 0, figure.part("ceiling client share") or 0)
        if busy > BUSY:
            notes.append(f"{about}: the client was busy {busy:.0%} of the time, so the faster side may be faster still")
        if refused := figure.part("refused"):
            notes.append(f"{about}: {refused:.0f} of a round were refused by admission and not counted as done")
    return notes


def _most_grown(run: Run) -> float:
    return max(figure.median for figure in run.figures if figure not in shown(run))


def _conditions(run: Run) -> str:
    c, plan = run.conditions, run.conditions["plan"]
    machine = f"{c['cores']} cores ({c['processor']}), load {c['load_before']} before and {c['load_after']} after"
    software = f"Python {c['python']}, SQLite {c['sqlite']}, {c['system']}; 4 KiB kept in {c['sync_ms']} ms"
    pins = "pinned apart" if c["pins"] != "free" else "not pinned"
    how = f"{plan['rounds']} rounds of {plan['seconds']} s a drive; client and server on the same machine, {pins}"
    return f"Commit {run.commit}, {run.at}, {c['seconds']:.0f} s. {machine}; {software}. {how}."


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _judged(figure: Figure) -> str:
    unit = "" if figure.unit == "ratio" else f" {figure.unit}"
    return f"{_number(figure.median)}{unit}" if figure.judged else "–"


def _spread(figure: Figure) -> str:
    return f"{_number(min(figure.judged))}–{_number(max(figure.judged))}" if len(figure.judged) > 1 else ""


def _goal(figure: Figure) -> str:
    return "" if figure.goal is None else f"{'≤' if figure.is_upper else '≥'} {_number(figure.goal)}"


def _reached(figure: Figure) -> str:
    return {None: "", True: "yes", False: "no"}[figure.is_reached]


def _side(figure: Figure, *names: str) -> str:
    for name in names:
        if (value := figure.part(name)) is not None:
            return f"{_number(value)}{' ' + name.split()[-1] if ' ' in name else '/s'}"
    return ""


COLUMNS: tuple[Column, ...] = (
    ("goal", lambda f: f.goal_id),
    ("path", lambda f: f.name),
    ("shop", lambda f: _side(f, "shop/s", "shop s", "shop us")),
    ("ceiling", lambda f: _side(f, "ceiling/s", "ceiling s", "ceiling us", "quiet p99 ms", "crowd p50 ms")),
    ("measured", _judged),
    ("spread", _spread),
    ("asked", _goal),
    ("reached", _reached),
    ("cpu us", lambda f: _number(f.part("shop cpu us"))),
    ("ceiling's", lambda f: _number(f.part("ceiling cpu us"))),
    ("p50 ms", lambda f: _number(f.part("p50 ms"))),
    ("p99 ms", lambda f: _number(f.part("p99 ms"))),
)
