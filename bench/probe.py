"""Looks at a shop at a steady pace from a process of its own, so that the crowd's client does not stretch what is seen.

`python -m bench.probe` reads its orders as JSON from standard input: `{"port": P, "kinds": {name: {"every": seconds, "requests":
[…]}}}`, asks until its input ends, and writes `[[name, due, seconds, status], …]` to standard output. Every look is timed from
the moment it was due, by a clock that all processes of the machine share; one that is late keeps no other back.
"""

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import uvloop

from kashop.stress.crowd import HOST

Seen = tuple[str, float, float, int]
"""Kind, when it was due, how long it took from then, status (0: the connection failed)."""


Kept = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Look:
    """One kind of look: again every so many seconds, the requests one after the other; from the first again at their end unless
    each is good for once."""

    every: float
    requests: Sequence[bytes]
    is_once: bool = False


class Probe:
    """`with Probe(port, {…}) as probe: …` looks while the block runs; then `seen` holds what it saw."""

    def __init__(self, port: int, kinds: Mapping[str, Look], *, cores: Sequence[int] = ()):
        self._told = {
            "port": port,
            "kinds": {
                name: {"every": k.every, "requests": [r.decode("latin-1") for r in k.requests], "is_once": k.is_once}
                for name, k in kinds.items()
            },
        }
        self._cores = cores
        self._process: subprocess.Popen[str] | None = None
        self.seen: list[Seen] = []

    def __enter__(self) -> "Probe":
        pinned = ["taskset", "-c", ",".join(map(str, self._cores))] if self._cores else []
        command = [*pinned, sys.executable, "-m", "bench.probe"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(self._told) + "\n")
        self._process.stdin.flush()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process is not None
        out, _ = self._process.communicate("", timeout=120)
        if error is None:
            self.seen = [tuple(each) for each in json.loads(out)]

    def within(self, kind: str, start: float, end: float) -> list[float]:
        """The seconds of all looks of a kind that were due within this span."""
        return [seconds for name, due, seconds, _ in self.seen if name == kind and start <= due <= end]


async def _watch(told: dict[str, Any]) -> list[Seen]:
    seen: list[Seen] = []
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=listen, daemon=True).start()
    await asyncio.gather(*(_look(told["port"], name, kind, seen, over) for name, kind in told["kinds"].items()))
    return seen


async def _look(port: int, name: str, kind: dict[str, Any], seen: list[Seen], over: asyncio.Event) -> None:
    requests = [r.encode("latin-1") for r in kind["requests"]]
    turns: Iterator[bytes] = iter(requests) if kind["is_once"] else itertools.cycle(requests)
    idle: list[Kept] = []
    due, under_way = time.perf_counter(), set()
    for request in turns:
        due += kind["every"]
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if over.is_set():
            break
        task = asyncio.create_task(_ask(port, request, idle, name, due, seen))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    if under_way:
        await asyncio.wait(under_way, timeout=60)


async def _ask(port: int, request: bytes, idle: list[Kept], name: str, due: float, seen: list[Seen]) -> None:
    status = 0
    while idle and not status:
        status = await _answered(
            idle, idle.pop(), request
        )  # 0: the server has closed what was idle for long, as browsers know it
    if not status:
        with contextlib.suppress(OSError):
            status = await _answered(idle, await asyncio.open_connection(HOST, port), request)
    seen.append((name, due, time.perf_counter() - due, status))


async def _answered(idle: list[Kept], kept: Kept, request: bytes) -> int:
    """The status of an answer, the connection put back; 0 when the connection broke."""
    reader, writer = kept
    try:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length: ")[2].split(b"\r\n", 1)[0]
        await reader.readexactly(int(length or 0))
    except (OSError, EOFError):
        writer.close()
        return 0
    idle.append(kept)
    return int(head[9:12])


def main() -> None:
    """Look until the input ends."""
    told = json.loads(sys.stdin.readline())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(_watch(told))
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
