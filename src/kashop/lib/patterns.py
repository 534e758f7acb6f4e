"""What a merchant's regular expression may cost, when strangers choose the text that it is tried on.

Always true: a pattern that passed here is refused or matched within about a tenth of a second on any text as long as allowed:
the ways in which it can be tried are counted, and a backtracking engine tries each at most once.
"""

import re
from math import comb
from re import _parser  # type: ignore[attr-defined]  # there is no public way to see how a pattern was read
from typing import Any

MOST_WAYS = 100_000
MOST_SPLITS = 2_000_000
"""Of ways, and of ways with every split of the text among open runs such as `.*`, which the engine tries far faster. Measured:
beyond these a single answer may hold the event loop for longer than a page may take."""


def compiles(pattern: str) -> bool:
    """Whether it is a regular expression."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def is_quick(pattern: str, longest: int) -> bool:
    """Whether a pattern that compiles is quick on every text of at most `longest` characters."""
    ways, runs = _ways(_parser.parse(pattern), longest)
    return ways <= MOST_WAYS and ways * comb(longest + runs, runs) <= MOST_SPLITS


def _ways(items: Any, longest: int) -> tuple[int, int]:
    """In how many ways items can be tried one after another: a factor, and how many open runs share the text between them."""
    ways, runs = 1, 0
    for kind, detail in items:
        more, open_runs = _ways_of(str(kind), detail, longest)
        ways, runs = min(ways * more, MOST_WAYS + 1), runs + open_runs
    return ways, runs


def _ways_of(kind: str, detail: Any, longest: int) -> tuple[int, int]:
    if kind.endswith("_REPEAT"):
        least, most, items = detail
        return _repeated(items, least, most, longest)
    if kind == "BRANCH":
        inner = [_ways(branch, longest) for branch in detail[1]]
        return sum(ways for ways, _ in inner), max(runs for _, runs in inner)
    if kind == "SUBPATTERN":
        return _ways(detail[3], longest)
    if kind in ("ASSERT", "ASSERT_NOT"):
        return _ways(detail[1], longest)
    if kind == "ATOMIC_GROUP":
        return _ways(detail, longest)
    return (MOST_WAYS + 1, 0) if kind.startswith("GROUPREF") else (1, 0)


def _repeated(items: Any, least: int, most: int, longest: int, /) -> tuple[int, int]:
    ways, runs = _ways(items, longest)
    if ways == 1 and not runs:
        return (1, 1) if most >= longest > least else (1 + max(0, min(most, longest) - least), 0)
    if most > 8 or (runs and most > 1):
        return MOST_WAYS + 1, 0
    return min(sum(ways**times for times in range(least, most + 1)), MOST_WAYS + 1), runs
