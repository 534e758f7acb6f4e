"""P10: how soon a shop answers after its start, and what it takes while nobody asks. The binary's figures wait for the binary."""

import asyncio
import time
from pathlib import Path

from bench import goods
from bench.answers import ask
from bench.figures import Figure, Wrong
from bench.plan import Pins, Plan
from bench.servers import Server
from kashop.settings.config import load

IDLE_SECONDS = 1.0


def run(folder: Path, plan: Plan, pins: Pins) -> list[Figure]:
    """Start and end a founded shop again and again."""
    data = goods.data_of(folder)
    asyncio.run(goods.make_shop(load(data, {}), codes=100, beside=goods.BESIDE))
    start = Figure("P10", "answers after its start, source", 1.0, unit="s", is_upper=True)
    idle = Figure("P10", "memory, idle", 110, unit="MiB", is_upper=True)
    with Server.shop(data, cores=pins.server):
        pass  # the first start reads all from the disk
    for _ in range(plan.starts):
        with Server.shop(data, cores=pins.server) as shop:
            time.sleep(IDLE_SECONDS)
            idle.add(shop.memory_mib())
            start.add(shop.start_seconds, **{"first page s": shop.start_seconds + _seconds_of_a_page(shop)})
    return [start, idle]


def _seconds_of_a_page(shop: Server) -> float:
    """The first page that is drawn loads what draws it."""
    began = time.perf_counter()
    status, _, _ = asyncio.run(ask(shop.port, goods.pages(shop.port, 1)[0]))
    if status != 200:
        raise Wrong(f"the first page was answered {status}")
    return time.perf_counter() - began
