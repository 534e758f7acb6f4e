"""When the write-ahead log is copied back into the file, so that it stays small and nobody waits long for it.

Always true: only the writer's own connection copies, between two groups and under the write lock (promises V-1); the log is
written over only once all of it is in the file and synced, so that a process killed at any moment loses nothing; a log that a
reader holds is told of, and grows until he ends (docs/decisions/0037).
"""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kashop.db.connections import Connection
from kashop.db.locks import WriteLock
from kashop.lib import logs

PAGE = 4096

SAFETY_PAGES = 16_000
"""62 MiB: past this SQLite copies within a COMMIT, should all else have failed."""

KEPT_BYTES = SAFETY_PAGES * PAGE
"""A log that grew larger is cut to this when it is written over. Not smaller: writing over is quicker than growing."""

RESTART_MS = 25
"""So long may the writer wait for a look that is under way to end, so that a long log can be copied whole and written over."""

TELL_SECONDS = 60

PRAGMAS = (f"PRAGMA wal_autocheckpoint={SAFETY_PAGES}", f"PRAGMA journal_size_limit={KEPT_BYTES}")
"""For the writer's connection."""

_RESET = slice(12, 16)
"""Where the log's header counts how often it was begun anew (sqlite.org, fileformat2, 4.1)."""

log = logs.get_logger("kashop.db")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is copied back at a time, in pages of the log."""

    bite: int = 6000
    """24 MiB: some twenty milliseconds, as long as a group takes; what many groups changed is copied and synced once for all."""
    most: int = 12_000
    """So much is copied however long the last bites took, and so long a log is begun anew even if looks have to end first."""
    share: float = 0.1
    """Of the writer's time, on disks where a bite takes long."""
    idle_groups: int = 64
    """After so many commits whatever there is, as soon as nobody waits."""
    patience: float = 1.0
    """Seconds from one vain try to begin the log anew to the next."""


class Copied(NamedTuple):
    """What SQLite says of a copying: whether somebody was in its way, pages in the log, pages of them that are in the file."""

    is_busy: bool
    log: int
    copied: int


class Log:
    """The log of one database, as its writer sees it."""

    def __init__(self, path: Path, lock: WriteLock, pace: Pace | None = None):
        self._path = path.with_name(path.name + "-wal")
        self._lock = lock
        self._pace = pace or Pace()
        self._groups = self._changes = 0
        self._pages_a_change = 1.0
        self._rested_until = self._patient_until = self._told_at = 0.0
        self._last = Copied(False, 0, 0)
        self._resets = b""

    def is_due(self, changes: int, *, is_idle: bool) -> bool:
        """Call after each group, with all that the writer's connection has ever changed: whether to copy now."""
        self._groups += 1
        if changes < self._changes:  # another connection
            self._changes = 0
        pages = (changes - self._changes) * self._pages_a_change
        if pages >= self._pace.most or (is_idle and self._groups >= self._pace.idle_groups):
            return True
        return pages >= self._pace.bite and (is_idle or time.monotonic() >= self._rested_until)

    async def copy_back(self, writer: Connection) -> None:
        """Copy what the log holds. A failure costs nothing: the log stays, and the next bite tries again."""
        started, changes = time.monotonic(), writer.total_changes
        try:
            now, resets = await writer.run(self._copy)
        except (sqlite3.Error, OSError) as error:
            log.warning("the log could not be copied back", problem=str(error))
            return
        finally:
            ended = time.monotonic()
            self._rested_until = ended + (ended - started) * (1 / self._pace.share - 1)
            self._groups, before = 0, self._changes
            self._changes = changes
        self._learn(now, resets, changes - before)
        self._tell(now)

    def _learn(self, now: Copied, resets: bytes, changes: int) -> None:
        """How many pages a change adds to the log, by what this bite found."""
        pages = now.log - self._last.log if resets == self._resets else now.log
        if changes > 0 and pages > 0:
            self._pages_a_change += (pages / changes - self._pages_a_change) / 2
        self._last, self._resets = now, resets

    def _tell(self, now: Copied) -> None:
        """Of a log that cannot be written over, now and then."""
        if now.log >= SAFETY_PAGES and time.monotonic() >= self._told_at + TELL_SECONDS:
            self._told_at = time.monotonic()
            left = (now.log - now.copied) * PAGE // 2**20
            log.warning("a long look holds the log, which grows until it ends", mib=now.log * PAGE // 2**20, to_copy_mib=left)

    def _copy(self, con: sqlite3.Connection) -> tuple[Copied, bytes]:
        """On the writer's thread."""
        with self._lock:
            now = _checkpoint(con, "PASSIVE")
            if now.log >= self._pace.most and time.monotonic() >= self._patient_until:
                now = self._begun_anew(con)
            with self._path.open("rb") as file:
                return now, file.read(_RESET.stop)[_RESET]

    def _begun_anew(self, con: sqlite3.Connection) -> Copied:
        """Looks that begin one before the other has ended keep the log from being written over: wait for them, but not long."""
        (usual,) = con.execute("PRAGMA busy_timeout").fetchone()
        con.execute(f"PRAGMA busy_timeout={RESTART_MS}")
        try:
            now = _checkpoint(con, "RESTART")
        finally:
            con.execute(f"PRAGMA busy_timeout={usual}")
        if now.is_busy:
            self._patient_until = time.monotonic() + self._pace.patience
        return now


def _checkpoint(con: sqlite3.Connection, how: str) -> Copied:
    busy, pages, copied = con.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
    return Copied(bool(busy), pages, copied)
