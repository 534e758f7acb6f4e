"""Machines of a network of their own: namespaces on one bridge, each to be cut off, or killed with all that runs in it.

Always true: only what this made, by its own names, is taken away again; a guard does that too when whoever made it dies without
a word, or has not ended in time. Nothing else of this machine's network is touched.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from types import TracebackType

LONGEST_SECONDS = 1200
"""After so long everything is taken down, whatever it is doing."""


class Network:
    """`with Network(names) as network:` makes it; `ips` says who is where, `here` is this machine on the same wire."""

    def __init__(self, names: tuple[str, ...]):
        self._tag = f"k{os.getpid() % 100_000}"
        self._subnet = f"10.213.{os.getpid() % 250 + 1}"
        self.here, self.subnet = f"{self._subnet}.1", f"{self._subnet}.0/24"
        self.ips = {name: f"{self._subnet}.{number}" for number, name in enumerate(names, 11)}
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Network":
        if f"{self._subnet}." in _ip("route", "show", "table", "all"):
            raise RuntimeError(f"{self.subnet} is somebody's here")
        arguments = [sys.executable, "-m", "bench.cluster.network", str(LONGEST_SECONDS), self._bridge, *self._spaces()]
        self._guard = subprocess.Popen(arguments, stdin=subprocess.PIPE, start_new_session=True)
        try:
            self._make()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def _make(self) -> None:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self.here}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for name, ip in self.ips.items():
            space, wire = self.space(name), self._wire(name)
            _ip("netns", "add", space)
            _ip("link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("link", "set", wire, "master", self._bridge)
            _ip("link", "set", wire, "up")
            _ip("-n", space, "addr", "add", f"{ip}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", space, "link", "set", device, "up")

    def _end(self) -> None:
        try:
            take_down(self._bridge, self._spaces())
        finally:
            if self._guard is not None:
                self._guard.communicate(timeout=60)

    @property
    def _bridge(self) -> str:
        return f"{self._tag}br"

    def _wire(self, name: str) -> str:
        return f"{self._tag}{name}"

    def space(self, name: str) -> str:
        """A machine's namespace, as `ip netns` calls it."""
        return f"{self._tag}-{name}"

    def _spaces(self) -> list[str]:
        return [self.space(name) for name in self.ips]

    def cut(self, name: str) -> None:
        """Pull its cable: no packet goes either way, and nobody is told."""
        _ip("link", "set", self._wire(name), "down")

    def join(self, name: str) -> None:
        """Put its cable in again."""
        _ip("link", "set", self._wire(name), "up")

    def kill(self, name: str) -> int:
        """SIGKILL to everything in it at once; how many processes those were."""
        return kill_all(self.space(name))


def kill_all(space: str) -> int:
    """SIGKILL until nothing lives in a namespace."""
    killed: set[int] = set()
    while pids := {int(pid) for pid in _ip("netns", "pids", space).split()}:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed |= pids
        time.sleep(0.01)
    return len(killed)


def take_down(bridge: str, spaces: list[str]) -> None:
    """Away with what is still there of these."""
    there = {line.split()[0] for line in _ip("netns", "list").splitlines() if line}
    for space in spaces:
        if space in there:
            kill_all(space)
            _ip("netns", "delete", space)
    if f" {bridge}:" in _ip("-o", "link", "show", "type", "bridge"):
        _ip("link", "delete", bridge)


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _guard(seconds: int, bridge: str, spaces: list[str]) -> None:
    """Wait until whoever started this lets go of its end of the pipe, at most so long."""
    import select

    select.select([sys.stdin], [], [], seconds)
    take_down(bridge, spaces)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _guard(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
