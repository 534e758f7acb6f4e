"""A crowd: every buyer opens a connection of its own at the same moment, sends one request and waits for its answer.

Always true: connections are cold and used once; whoever is sent away by admission (503) comes back after as long as it was told;
a connection that fails is an error and never an answer; everything ends after PATIENCE.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import uvloop

from bench.figures import Wrong
from bench.servers import Server
from kashop.stress.crowd import Line, percentile

PATIENCE = 300


@dataclass
class Crowd:
    """What became of it: the last status of each buyer, and how often admission had sent somebody away before."""

    began: float = 0.0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    sent_away: int = 0
    won: list[bytes] = field(default_factory=list)
    """The answers of those who got what they came for (201)."""

    def latency_ms(self, share: float) -> float:
        """From the first try to the last answer, of this share of all buyers."""
        return percentile(self.latencies, share) * 1000


def storm(server: Server, requests: Sequence[bytes]) -> Crowd:
    """All of them at once; when the last has its answer."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_storm(server.port, requests))


async def _storm(port: int, requests: Sequence[bytes]) -> Crowd:
    crowd = Crowd(began=time.perf_counter())
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(_buyer(port, request, crowd) for request in requests))
    except TimeoutError:
        waiting = len(requests) - len(crowd.latencies)
        raise Wrong(f"{waiting} of {len(requests)} buyers had no answer after {PATIENCE} s: {dict(crowd.statuses)}") from None
    crowd.seconds = time.perf_counter() - crowd.began
    return crowd


async def _buyer(port: int, request: bytes, crowd: Crowd) -> None:
    began = time.perf_counter()
    while True:
        try:
            line = await Line.open(port)
            reply = await line.ask(request)
        except OSError as error:
            crowd.errors[type(error).__name__] += 1
            return
        line.close()
        if reply.status != 503:
            break
        crowd.sent_away += 1
        await asyncio.sleep((reply.retry_after or 1) * (1 + random.random() / 2))
    crowd.latencies.append(time.perf_counter() - began)
    crowd.statuses[reply.status] += 1
    if reply.status == 201:
        crowd.won.append(reply.body)
