"""Two servers, one path, A B A B: the same load to the shop and to its ceiling, each for about the same time.

Always true: what is driven is the same kind of request at both; the order of the two alternates from round to round; an answer
that should not be fails the bench (admission's 503 is told and not counted as done).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import uvloop

from bench.figures import Figure, Wrong
from bench.plan import Plan
from bench.servers import Server
from kashop.stress.crowd import Outcome, drive

Make = Callable[[Server, int], Sequence[bytes]]
"""So many requests for a server."""

PROBE = 60


class Duels:
    """The shop and the bare handlers while a run lasts."""

    def __init__(self, shop: Server, bare: Server, plan: Plan):
        self.shop, self.bare, self._plan = shop, bare, plan
        self._rates: dict[tuple[str, str], float] = {}

    def warm(self, name: str, make: Make, connections: int, *, count: int = PROBE) -> None:
        """Learn how fast each server is on a path, so that its drives take as long as they are meant to."""
        for server in (self.shop, self.bare):
            outcome = drive_now(server, make(server, count), connections)
            self._rates[name, server.name] = outcome.per_second

    def count_of(self, name: str, server: Server, connections: int) -> int:
        """Requests for one drive."""
        wanted = int(self._rates[name, server.name] * self._plan.seconds)
        return max(min(connections, self._plan.most), min(wanted, self._plan.most))

    def round(
        self, figure: Figure, make: Make, connections: int, *, number: int, good: tuple[int, ...] = (200,), keeps: bool = False
    ) -> Outcome:
        """One round of one path; the shop's outcome."""
        seen: dict[str, tuple[Outcome, float]] = {}
        for server in (self.shop, self.bare) if number % 2 == 0 else (self.bare, self.shop):
            count = self.count_of(figure.name, server, connections)
            requests = make(server, count)
            before = server.cpu_seconds()
            outcome = drive_now(server, requests, connections, keeps=keeps and server is self.shop)
            seen[server.name] = outcome, (server.cpu_seconds() - before) / len(requests) * 1e6
            self._rates[figure.name, server.name] = outcome.per_second
            refuse_odd(server.name, outcome, good)
        (shop, shop_cpu), (bare, bare_cpu) = seen[self.shop.name], seen[self.bare.name]
        figure.add(
            shop.good_per_second(*good) / bare.good_per_second(*good),
            **{
                "shop/s": shop.good_per_second(*good),
                "ceiling/s": bare.good_per_second(*good),
                "shop cpu us": shop_cpu,
                "ceiling cpu us": bare_cpu,
                "p50 ms": shop.latency_ms(0.5),
                "p99 ms": shop.latency_ms(0.99),
                "client share": shop.client_seconds / shop.seconds,
                "ceiling client share": bare.client_seconds / bare.seconds,
                "refused": float(shop.statuses[503]),
            },
        )
        return shop


class Answering(Protocol):
    """Whoever listens on a port."""

    port: int


def drive_now(server: Answering, requests: Sequence[bytes], connections: int, *, keeps: bool = False) -> Outcome:
    """One drive by a loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(drive(server.port, requests, connections=connections, keeps_bodies=keeps))


def refuse_odd(name: str, outcome: Outcome, good: tuple[int, ...]) -> None:
    """Fail for answers that are neither good nor admission's."""
    odd = {status: times for status, times in outcome.statuses.items() if status not in (*good, 503)}
    if odd:
        raise Wrong(f"{name} answered {odd} beside {dict(outcome.statuses)}")
