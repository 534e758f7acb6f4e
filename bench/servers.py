"""The processes of a bench: the shop as `kashop serve` runs it, and the bare handlers; each started, watched and ended here."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

START_SECONDS = 60


class Server:
    """One server process on a free port of the loopback. `start_seconds` is how long it took to answer."""

    def __init__(self, name: str, *arguments: str, log: Path):
        self.name, self.port, self._log = name, _free_port(), log
        self._arguments = [sys.executable, "-m", *arguments, "--port", str(self.port)]
        self._process: subprocess.Popen[bytes] | None = None
        self.start_seconds = 0.0

    def __enter__(self) -> "Server":
        started = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while time.perf_counter() - started < START_SECONDS and self._process.poll() is None:
            try:
                if _answers(self.port):
                    self.start_seconds = time.perf_counter() - started
                    return self
            except OSError:
                time.sleep(0.01)
        self._end()
        raise RuntimeError(f"{self.name} did not start:\n{self._log.read_text(errors='replace')}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=30)

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Processor time used so far, of all its threads."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def memory_mib(self) -> float:
        """Resident memory now."""
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def _answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        return sock.recv(16).startswith(b"HTTP/1.1")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
