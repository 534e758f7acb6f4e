"""A node as `kashop serve` runs it, told from without how many units share a commit, and asked what its turns took.

`python -m bench.node --data D --port P --watch SOCKET`. Over the socket: `("group", most)` sets the units of one commit (1: each
has a commit of its own, which no shop does), `("tell",)` is answered with `Told` as a dict, all of it since the start.
"""

import argparse
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any

from kashop.cli import serve
from kashop.db import groups, queue
from kashop.settings.config import load
from kashop.shop import Shop


@dataclass
class Told:
    """What the writer did so far: seconds of taking the turn (PostgreSQL alone has one), of the units, and of COMMIT."""

    units: int = 0
    groups: int = 0
    turn: float = 0.0
    work: float = 0.0
    commit: float = 0.0


told = Told()


def watch() -> None:
    """Note what the groups take."""
    took = queue.Queue.took

    def noted(self: queue.Queue[Any], units: int, seconds: float, sync: float) -> None:
        told.units, told.groups = told.units + units, told.groups + 1
        told.work, told.commit = told.work + seconds, told.commit + sync
        took(self, units, seconds, sync)

    queue.Queue.took = noted  # type: ignore[method-assign]
    with contextlib.suppress(ModuleNotFoundError):
        from kashop.db.postgres import PostgresDb

        PostgresDb.take_turn = _timed(PostgresDb.take_turn)  # type: ignore[method-assign]


def _timed(take: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(take)
    def timed(*args: Any) -> Any:
        started = time.perf_counter()
        try:
            return take(*args)
        finally:
            told.turn += time.perf_counter() - started

    return timed


_USUAL = queue.MAX_GROUP, queue.MIN_GROUP, queue.BACKGROUND_GROUP


def _answer(path: str) -> None:
    pipe: Pipe
    with Listener(path, family="AF_UNIX") as listener, listener.accept() as pipe, contextlib.suppress(EOFError):
        while True:
            asked = pipe.recv()
            if asked[0] == "group":
                queue.MAX_GROUP, queue.MIN_GROUP, queue.BACKGROUND_GROUP = (min(usual, asked[1]) for usual in _USUAL)
            pipe.send(asdict(told))  # its class would be another module's where it is read


def main() -> None:
    """Serve, and listen."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--watch", required=True)
    given = arguments.parse_args()
    watch()
    assert groups.Queue is queue.Queue

    async def welcome(shop: Shop) -> str:
        threading.Thread(target=_answer, args=(given.watch,), daemon=True).start()
        return "watched"

    serve.work(load(given.data, port=given.port), welcome=welcome)


if __name__ == "__main__":
    main()
