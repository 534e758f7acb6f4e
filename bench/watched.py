"""The shop as `kashop serve` runs it, watched from within: what `python -m bench.profile` asks for between two moments.

`python -m bench.watched --data D --port P --watch SOCKET`. One thing is watched at a time, so that none stretches another:
`time` (processor time of each thread), `statements` (what each connection was told to run) or `functions` (cProfile of the loop
and of the connections' threads by the wall; `thread functions`: by each thread's own clock). Quiet in between.
"""

import argparse
import asyncio
import contextlib
import cProfile
import pstats
import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any, TypeVar

from kashop.cli import serve
from kashop.db import connections, glances
from kashop.settings.config import load
from kashop.shop import Shop

T = TypeVar("T")
Told = dict[str, Any]

_LITERAL = re.compile(r"x?'(?:[^']|'')*'|(?<![\w$])-?\d+(?:\.\d+)?\b", re.I)
_WAITS = ("<method 'get' of '_queue.SimpleQueue' objects>",)
"""A connection's thread without work."""
_LISTED = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")


class Watch:
    """The shop's threads by what they are for: `loop`, `writer`, `readers` and the `others`."""

    def __init__(self, shop: Shop, opened: list[connections.Connection], on_loop: list[sqlite3.Connection]):
        self._shop, self._loop = shop, asyncio.get_running_loop()
        self._opened, self._on_loop = opened, on_loop
        self._stop: Callable[[], Told] = dict
        self._main = threading.get_ident()

    def begin(self, what: str) -> None:
        """Begin to watch one thing. On a thread of its own, like `end`."""
        named = self._named()
        starts: dict[str, Callable[..., Callable[[], Told]]] = {
            "time": self._times,
            "statements": self._statements,
            "functions": lambda named: self._functions(named, time.perf_counter),
            "thread functions": lambda named: self._functions(named, time.thread_time),
        }
        self._stop = starts[what](named)

    def end(self) -> Told:
        """What was seen since."""
        stop, self._stop = self._stop, dict
        return stop()

    def _named(self) -> list[tuple[str, connections.Connection]]:
        named = []
        for connection in self._opened:
            with contextlib.suppress(ValueError):  # closed meanwhile
                only = self._there(connection, lambda con: con.execute("PRAGMA query_only").fetchone()[0])
                named.append(("readers" if only else "writer", connection))
        return named

    def _there(self, connection: connections.Connection, fn: Callable[..., T], *args: Any) -> T:
        return asyncio.run_coroutine_threadsafe(connection.run(fn, *args), self._loop).result()

    def _times(self, named: list[tuple[str, connections.Connection]]) -> Callable[[], Told]:
        kinds = {self._there(connection, lambda con: threading.get_ident()): kind for kind, connection in named}
        kinds[self._main] = "loop"
        db: Any = self._shop.db
        work = (getattr(db, "groups", 0), getattr(db, "units", 0))
        before, process = _thread_seconds(kinds), time.process_time()

        def stop() -> Told:
            total = time.process_time() - process
            seconds = {kind: value - before[kind] for kind, value in _thread_seconds(kinds).items()}
            seconds["others"] = max(0.0, total - sum(seconds.values()))
            told = {"groups": getattr(db, "groups", 0) - work[0], "units": getattr(db, "units", 0) - work[1]}
            return {"seconds": seconds, **told}

        return stop

    def _statements(self, named: list[tuple[str, connections.Connection]]) -> Callable[[], Told]:
        seen: Counter[tuple[str, str]] = Counter()
        for kind, connection in named:
            self._there(connection, lambda con, kind=kind: con.set_trace_callback(lambda sql: seen.update(((kind, sql),))))
        self._trace_loop(lambda sql: seen.update((("loop", sql),)))

        def stop() -> Told:
            self._trace_loop(None)
            for _, connection in named:
                self._there(connection, lambda con: con.set_trace_callback(None))
            found: Counter[tuple[str, str]] = Counter()
            for (kind, sql), times in seen.items():
                found[kind, _shape(sql)] += times
            return {"statements": [(kind, sql, times) for (kind, sql), times in found.most_common()]}

        return stop

    def _trace_loop(self, call: Callable[[str], None] | None) -> None:
        for con in self._on_loop:
            self._loop.call_soon_threadsafe(con.set_trace_callback, call)

    def _functions(self, named: list[tuple[str, connections.Connection]], clock: Callable[[], float]) -> Callable[[], Told]:
        profiles: list[tuple[str, cProfile.Profile, connections.Connection | None]] = []
        for kind, connection in (("loop", None), *named):
            profiles.append((kind, cProfile.Profile(clock), connection))

        def switch(profile: cProfile.Profile, connection: connections.Connection | None, *, on: bool) -> None:
            change = profile.enable if on else profile.disable
            if connection is None:
                done = threading.Event()
                self._loop.call_soon_threadsafe(lambda: (change(), done.set()))
                done.wait()
            else:
                self._there(connection, lambda con: change())

        for _, profile, connection in profiles:
            switch(profile, connection, on=True)

        def stop() -> Told:
            for _, profile, connection in profiles:
                switch(profile, connection, on=False)
            stats: dict[str, pstats.Stats] = {}
            for kind, profile, _ in profiles:
                if profile.getstats():  # a reader that was never asked has none
                    stats[kind] = stats[kind].add(profile) if kind in stats else pstats.Stats(profile)
            return {"functions": {kind: _rows(each) for kind, each in stats.items()}}

        return stop


def _thread_seconds(kinds: dict[int, str]) -> Counter[str]:
    found: Counter[str] = Counter(dict.fromkeys(kinds.values(), 0))  # type: ignore[arg-type]
    for ident, kind in kinds.items():
        found[kind] += time.clock_gettime(time.pthread_getcpuclockid(ident))  # type: ignore[assignment]
    return found


def _shape(sql: str) -> str:
    """A statement without its values; lists of values of any length are one shape."""
    return _LISTED.sub("(…)", _LITERAL.sub("?", " ".join(sql.split())))


def _rows(stats: Any) -> list[tuple[str, int, float, float]]:
    """(function, calls, own seconds, seconds with what it called), the costliest first."""
    rows = [(_place(*key), calls, own, whole) for key, (_, calls, own, whole, _) in stats.stats.items() if key[2] not in _WAITS]
    return sorted(rows, key=lambda row: -row[2])[:200]


def _place(file: str, line: int, name: str) -> str:
    if file == "~":
        return name
    path = Path(file)
    parts = path.parts[path.parts.index("site-packages") + 1 :] if "site-packages" in path.parts else path.parts[-3:]
    return f"{'/'.join(parts[-3:])}:{line} {name}"


def _answer(path: str, watch: Watch) -> None:
    with Listener(path, family="AF_UNIX") as listener:
        listening: Pipe
        with listener.accept() as listening, contextlib.suppress(EOFError):
            while True:
                asked = listening.recv()
                listening.send(watch.end() if asked == "end" else watch.begin(asked))


def main() -> None:
    """Serve, and listen."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--watch", required=True)
    given = arguments.parse_args()
    opened: list[connections.Connection] = []
    make = connections.Connection.__init__

    def remembered(self: connections.Connection, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        opened.append(self)

    connections.Connection.__init__ = remembered  # type: ignore[method-assign]
    on_loop: list[sqlite3.Connection] = []
    open_one = glances.opened

    def remembered_too(*args: Any) -> sqlite3.Connection:
        on_loop.append(open_one(*args))
        return on_loop[-1]

    glances.opened = remembered_too

    async def welcome(shop: Shop) -> str:
        threading.Thread(target=_answer, args=(given.watch, Watch(shop, opened, on_loop)), daemon=True).start()
        return "watched"

    serve.work(load(given.data, port=given.port), welcome=welcome)


if __name__ == "__main__":
    main()
