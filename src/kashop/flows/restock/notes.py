"""What a run notes while it reads: counts, warnings, the first rows masked, and every row that was left out."""

import zlib
from array import array
from collections import Counter

from kashop.flows.restock.types import Reject, Sample

MOST_LISTED = 1000
MOST_KEPT = 500_000
SAMPLES = 20
REASON_OF = {"free": "duplicate_in_stock", "held": "duplicate_in_stock", "sold": "duplicate_sold", "void": "duplicate_void"}
"""Why a code that the shop has had is not stock again, by what became of it."""


class Notes:
    """Counts are complete; of rejects the first half million are kept, at seven bytes each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.warnings: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self.read = 0
        self.bad = 0
        self._reasons: list[str] = []
        self._files, self._rows, self._why = array("H"), array("I"), bytearray()

    def reject(self, file: int, row: int, reason: str) -> None:
        """A row that does not become stock."""
        self.counts[reason] += 1
        if len(self._rows) < MOST_KEPT:
            if reason not in self._reasons:
                self._reasons.append(reason)
            self._files.append(file)
            self._rows.append(row)
            self._why.append(self._reasons.index(reason))
        if self.samples and (file, row) <= (self.samples[-1].file, self.samples[-1].row):
            self._change_sample(file, row, reason)

    def _change_sample(self, file: int, row: int, reason: str) -> None:
        for n, sample in enumerate(self.samples):
            if (sample.file, sample.row) == (file, row):
                self.samples[n] = Sample(row, sample.masked, reason, sample.warning, sample.cost, sample.expires, file)

    @property
    def known(self) -> int:
        """Rows whose code the shop has had before."""
        return sum(self.counts[reason] for reason in set(REASON_OF.values()))

    def first_rejects(self) -> tuple[Reject, ...]:
        """The first thousand, by row."""
        return tuple(Reject(self._rows[n], self._reasons[self._why[n]], self._files[n]) for n in self._order()[:MOST_LISTED])

    def as_csv(self, names: list[str]) -> tuple[int, bytes]:
        """How many are listed, and the list as packed CSV: file, row, reason."""
        lines = ["file,row,reason\r\n"]
        for n in self._order():
            lines.append(f"{_cell(names[self._files[n]])},{self._rows[n]},{self._reasons[self._why[n]]}\r\n")
        return len(lines) - 1, zlib.compress("".join(lines).encode(), 6)

    def _order(self) -> list[int]:
        return sorted(range(len(self._rows)), key=lambda n: (self._files[n], self._rows[n]))


def _cell(name: str) -> str:
    """A file's name as a CSV cell that no spreadsheet takes for a formula."""
    safe = "'" + name if name[:1] in ("=", "+", "-", "@", "\t") else name
    return '"' + safe.replace('"', '""') + '"'


def mask(code: str) -> str:
    """A code as a preview may show it: its ends and its length."""
    flat = " ".join(code.split())
    if len(flat) < 8:
        return "•" * len(flat)
    return f"{flat[:2]}{'•' * min(len(flat) - 4, 12)}{flat[-2:]}"
