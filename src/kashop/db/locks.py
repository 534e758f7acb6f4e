"""Two locks on the data directory, held by the kernel and so never left behind by a dead process.

`kashop.lock`: one server at a time. `kashop.write.lock`: held around each commit group by whichever process commits, so that
the server and a command line beside it never write or checkpoint at the same instant (docs/decisions/0003).
"""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from kashop.lib.errors import Unavailable


class ServerLock:
    """Held from start to end by the one server of a data directory."""

    def __init__(self, data: Path):
        self._path = data / "kashop.lock"
        self._fd: int | None = None

    def take(self, url: str = "") -> None:
        """Take it, leaving word of where this server answers. Raises Unavailable, naming the process, when another holds it."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # a shop on PostgreSQL whose server here has none yet
            raise Unavailable(
                "There is no directory {data}: make it, or choose another --data.", data=self._path.parent
            ) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner, _ = _told(fd)
            os.close(fd)
            raise Unavailable(
                "Another kashop server (process {pid}) already runs on {data}: stop it first, or choose another --data.",
                pid=owner or "?",
                data=self._path.parent,
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n{url}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Let go; harmless when not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def holder(self) -> tuple[int, str] | None:
        """The process that holds it and where it answers, or None; takes nothing."""
        if not self._path.exists():
            return None
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _told(fd)
        finally:
            os.close(fd)
        return None


def _told(fd: int) -> tuple[int, str]:
    pid, _, url = os.pread(fd, 512, 0).decode("utf-8", "replace").partition("\n")
    return int(pid) if pid.isdecimal() else 0, url.strip()


LATELY = 1.0


class WriteLock:
    """A context manager around one commit group."""

    def __init__(self, data: Path):
        self._met_at = -LATELY
        self._fd = os.open(data / "kashop.write.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def is_shared(self) -> bool:
        """Whether another process held it within the last second when it was wanted."""
        return time.monotonic() < self._met_at + LATELY

    def __enter__(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            self._met_at = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)
