"""Which rows of a file say again what an earlier row said, in little memory.

Always true: the answer is exact, and a million rows take some ten bytes each. First every fingerprint is noted by its first
64 bits alone, spread over buckets; what occurs once in its bucket is no repeat. Only of the few that are left is the whole
fingerprint kept.
"""

from array import array
from bisect import bisect_left

_BUCKETS, _WIDTH = 256, 32


class Repeats:
    """Note every row's fingerprint, `settle`, then ask in the same order for each row; `restart` to ask anew."""

    def __init__(self) -> None:
        self._noted = [array("Q") for _ in range(_BUCKETS)]
        self._doubtful = array("Q")
        self._first = bytearray()
        self._is_taken = bytearray()
        self._clashes: set[bytes] = set()

    def note(self, fingerprint: bytes) -> None:
        """One row more."""
        self._noted[fingerprint[0]].append(int.from_bytes(fingerprint[:8]))

    def settle(self) -> None:
        """All rows are noted: keep what occurred more than once."""
        for n, bucket in enumerate(self._noted):
            ordered = sorted(bucket)
            self._noted[n] = array("Q")
            last = kept = -1
            for prefix in ordered:
                if prefix == last != kept:
                    self._doubtful.append(prefix)
                    kept = prefix
                last = prefix
        self.restart()

    def restart(self) -> None:
        """Ask from the first row again."""
        self._first = bytearray(_WIDTH * len(self._doubtful))
        self._is_taken = bytearray(len(self._doubtful))
        self._clashes = set()

    def is_repeat(self, fingerprint: bytes) -> bool:
        """Whether an earlier row, since the start, had this very fingerprint."""
        prefix = int.from_bytes(fingerprint[:8])
        at = bisect_left(self._doubtful, prefix)
        if at == len(self._doubtful) or self._doubtful[at] != prefix:
            return False
        place = slice(at * _WIDTH, (at + 1) * _WIDTH)
        if not self._is_taken[at]:
            self._is_taken[at] = 1
            self._first[place] = fingerprint
            return False
        if self._first[place] == fingerprint or fingerprint in self._clashes:
            return True
        self._clashes.add(fingerprint)  # the same 64 bits and another code: once in ten million files of a million rows
        return False
