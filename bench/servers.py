"""The processes of a bench: the shop as `kashop serve` runs it, and the bare handlers; each started, watched and ended here.

Always true: a process hears nothing of the caller's own KASHOP_*, and keeps its bytecode as anybody's; it may open as many
sockets as the machine lets it; it is ended with its block.
"""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

START_SECONDS = 60
_CALLERS_OWN = ("KASHOP_", "PYTHONDONTWRITEBYTECODE")
"""A merchant's second start finds its modules compiled; so is every start here after the first."""


class Server:
    """One server process on a free port of the loopback. `start_seconds` is how long it took to answer."""

    def __init__(self, name: str, *arguments: str, log: Path, cores: Sequence[int] = (), **environ: str):
        self.name, self.port, self._log = name, free_port(), log
        self._arguments = [sys.executable, "-m", *arguments, "--port", str(self.port)]
        self._cores, self._environ = cores, environ
        self._process: subprocess.Popen[bytes] | None = None
        self.start_seconds = 0.0

    @classmethod
    def shop(cls, data: Path, *, cores: Sequence[int] = ()) -> "Server":
        """`kashop serve`, behind a proxy that is trusted: every buyer has an address of his own."""
        log = data.with_name(f"{data.name}.log")
        return cls("kashop serve", "kashop.cli", "serve", "--data", str(data), log=log, cores=cores, **BEHIND_A_PROXY)

    def __enter__(self) -> "Server":
        started = time.perf_counter()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_CALLERS_OWN)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*(["taskset", "-c", ",".join(map(str, self._cores))] if self._cores else []), *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**kept, **self._environ},
            )
        while time.perf_counter() - started < START_SECONDS and self._process.poll() is None:
            try:
                if _answers(self.port):
                    self.start_seconds = time.perf_counter() - started
                    return self
            except OSError:
                time.sleep(0.005)
        self._end()
        raise RuntimeError(f"{self.name} did not start:\n{self._log.read_text(errors='replace')}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()
        if error is not None:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"--- the end of what {self.name} said ---\n{self._log.read_text(errors='replace')[-3000:]}\n")

    def _end(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Processor time used so far, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self, line: str = "VmRSS") -> float:
        """Resident memory now; with `VmHWM` the most there ever was."""
        return memory_mib(self.pid, line)


BEHIND_A_PROXY = {"KASHOP_TRUSTED_PROXIES": "127.0.0.1"}


def memory_mib(pid: int, line: str = "VmRSS") -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(each.split()[1]) for each in lines if each.startswith(f"{line}:")) / 1024


def allow_sockets() -> int:
    """Raise this process's limit of open files, and so that of its children, as far as it may; the limit then."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if most == resource.RLIM_INFINITY else most
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    return wanted


def _answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        return sock.recv(16).startswith(b"HTTP/1.1")


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
