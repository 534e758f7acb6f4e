"""Curves: the wait of each share of buyers, and answers over time; as lines of a terminal and as SVG. Pure."""

import math
from collections.abc import Sequence
from html import escape

from kashop.stress.crowd import percentile

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 50, 10, 14, 36
STEPS = 100
_BARS = " ▁▂▃▄▅▆▇█"


def shares(values: Sequence[float], steps: int = STEPS) -> list[float]:
    """The value that each share of them, from 0 to all, does not exceed."""
    ordered = sorted(values)
    if not ordered:
        return [0.0] * (steps + 1)
    return [ordered[min(len(ordered) - 1, round(n / steps * (len(ordered) - 1)))] for n in range(steps + 1)]


def cumulated(values: Sequence[float], until: float, steps: int = STEPS) -> list[int]:
    """How many of them are not above each of `steps` equal steps up to `until`."""
    ordered, found, at = sorted(values), [], 0
    for n in range(steps + 1):
        limit = until * n / steps if n < steps else math.inf
        while at < len(ordered) and ordered[at] <= limit:
            at += 1
        found.append(at)
    return found


def nice(most: float) -> float:
    """The top of an axis, of which the quarters are short: not below `most`, and not far above it."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * step for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if most <= power * step * 1.0001)


def number(value: float) -> str:
    """A figure as short as it can be read: 12,345 or 12.3 or 0.045."""
    if value == 0:
        return "0"
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def terminal(values: Sequence[float], *, width: int = 60, height: int = 8) -> list[str]:
    """The wait of each share of buyers as bars, the longest at the right."""
    heights = shares(values, width - 1)
    top = nice(max(heights))
    lines = []
    for row in range(height, 0, -1):
        eighths = [round(min(1.0, max(0.0, h / top * height - (row - 1))) * 8) for h in heights]
        label = f"{number(top * row / height)} s" if row in (height, height // 2) else ""
        lines.append(f"{label:>9} ┤{''.join(_BARS[n] for n in eighths)}")
    marks = [" "] * (width + 4)
    for share in (0, 50, 90, 99):
        text = f"{share}%" if share else "0%"
        at = min(round(share / 100 * (width - 1)), width - 1)
        if share == 99:
            at, text = width, "100%"
        marks[at : at + len(text)] = list(text)
    return [*lines, f"{'':>9} └{'─' * width}", f"{'':>11}{''.join(marks).rstrip()}"]


def waits(values: Sequence[float], axis: tuple[dict[str, str], dict[str, str]]) -> str:
    """An SVG: share of buyers to the right, seconds upwards, with what half, nine tenths and nearly all did not exceed."""
    heights = shares(values)
    top = nice(max(heights))
    points = [(n / STEPS, h / top) for n, h in enumerate(heights)]
    parts = [_grid(top, [(n / 4, f"{25 * n}%") for n in range(5)], axis)]
    parts += [_area(points, "bought"), _line(points, "bought")]
    free_from = 0.0
    for share in (0.99, 0.9, 0.5):
        value = percentile(values, share)
        x, y = _at(share, value / top)
        text_y = max(y - 7, free_from)
        free_from = text_y + 14 if share > 0.9 else 0.0  # the two at the right must not lie upon each other
        parts.append(f'<circle class="dot" cx="{x}" cy="{y}" r="3"/>')
        parts.append(f'<text class="mark" x="{x - 6}" y="{text_y}" text-anchor="end">p{share * 100:.0f} {number(value)} s</text>')
    return _svg(parts)


def progress(bought: Sequence[float], others: Sequence[float], until: float, axis: tuple[dict[str, str], dict[str, str]]) -> str:
    """An SVG: seconds to the right, buyers with an answer upwards, those who bought below the others."""
    until = nice(until)
    lower = cumulated(bought, until)
    upper = [a + b for a, b in zip(lower, cumulated(others, until), strict=True)]
    top = nice(max(upper))
    marks = [(n / 4, number(until * n / 4)) for n in range(5)]
    whole = [(n / STEPS, count / top) for n, count in enumerate(upper)]
    part = [(n / STEPS, count / top) for n, count in enumerate(lower)]
    return _svg([_grid(top, marks, axis), _area(whole, "out"), _line(whole, "out"), _area(part, "bought"), _line(part, "bought")])


def _at(x: float, y: float) -> tuple[float, float]:
    return round(LEFT + x * (WIDTH - LEFT - RIGHT), 1), round(HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM), 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " L".join(f"{x},{y}" for x, y in (_at(*point) for point in points))


def _line(points: Sequence[tuple[float, float]], kind: str) -> str:
    return f'<path class="line {kind}" d="M{_path(points)}"/>'


def _area(points: Sequence[tuple[float, float]], kind: str) -> str:
    return f'<path class="area {kind}" d="M{_path([(points[0][0], 0.0), *points, (points[-1][0], 0.0)])} Z"/>'


def _grid(top: float, below: Sequence[tuple[float, str]], axis: tuple[dict[str, str], dict[str, str]]) -> str:
    parts = []
    for n in range(5):
        (left, y), (right, _) = _at(0, n / 4), _at(1, n / 4)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 3.5}" text-anchor="end">{escape(number(top * n / 4))}</text>')
    for share, text in below:
        x, y = _at(share, 0)
        anchor = "start" if share == 0 else "end" if share == 1 else "middle"
        parts.append(f'<text x="{x}" y="{y + 14}" text-anchor="{anchor}">{escape(text)}</text>')
    for language in ("zh", "en"):
        x, y = _at(0.5, 0)
        parts.append(
            f'<text class="{language} axis" x="{x}" y="{y + 29}" text-anchor="middle">{escape(axis[0][language])}</text>'
        )
        parts.append(
            f'<text class="{language} axis" transform="rotate(-90)" x="{-(HEIGHT - BOTTOM + TOP) / 2}" y="9" '
            f'text-anchor="middle">{escape(axis[1][language])}</text>'
        )
    return "".join(parts)


def _svg(parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>'
