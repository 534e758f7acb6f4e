"""What a run tells: figures with every round kept, each held against its goal.

Always true: a figure keeps what was measured, round by round, and nothing that can be worked out of it; how it is summed up is
the reader's business (bench/tables.py, bench/compare.py).
"""

import statistics
from dataclasses import dataclass, field


@dataclass
class Figure:
    """One line: `judged` are the values of the rounds that are held against `goal` (a ratio unless `unit` says otherwise)."""

    goal_id: str
    """P1 to P10."""
    name: str
    goal: float | None
    """None: told and not judged."""
    unit: str = "ratio"
    is_upper: bool = False
    """Whether the goal is the most that it may be; otherwise the least."""
    judged: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)
    """What the judged values were made of, and what else was seen in the same rounds."""
    note: str = ""

    def add(self, judged: float, **parts: float) -> None:
        """One round."""
        self.judged.append(judged)
        for name, value in parts.items():
            self.parts.setdefault(name, []).append(value)

    @property
    def median(self) -> float:
        """Of the judged values."""
        return statistics.median(self.judged)

    @property
    def is_reached(self) -> bool | None:
        """Whether the median is within the goal; None where nothing is judged."""
        if self.goal is None or not self.judged:
            return None
        return self.median <= self.goal if self.is_upper else self.median >= self.goal

    def part(self, name: str) -> float | None:
        """The median of one part."""
        return statistics.median(self.parts[name]) if self.parts.get(name) else None


class Wrong(Exception):
    """A count that is not right, or an answer that should not be: the bench fails."""
