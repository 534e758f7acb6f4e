"""P8: stock comes in while the shop sells: rows per second against the crypto alone, memory, and how long a page waits meanwhile.

The import is a process beside a served shop, which runs what the merchant's command runs and times it without its own start. The
ceiling fingerprints and seals the same codes on one core with the same functions, and does nothing else. Memory is that process's
most, for a file and for one of three times its size.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import goods
from bench.figures import Figure, Wrong
from bench.paths import Desk
from bench.plan import Pins, Plan
from bench.probe import Look, Probe
from bench.servers import Server, memory_mib
from kashop.flows import restock
from kashop.inventory.stockfile import fingerprint_text
from kashop.lib import ids, logs
from kashop.lib.actor import CLI
from kashop.settings.config import Config, load
from kashop.shop import Shop
from kashop.stress.crowd import percentile
from kashop.vault import reads as vault

EVERY = 0.01


def run(folder: Path, plan: Plan, pins: Pins) -> list[Figure]:
    """Imports of one size, then one of three times that size."""
    data = goods.data_of(folder)
    config = load(data, {})
    asyncio.run(goods.make_shop(config, codes=100, beside=goods.BESIDE))
    speed = Figure("P8", "import, rows against the crypto alone", 0.5)
    flat = Figure("P8", "import, memory for 3 × the rows", 1.1, unit="× one's", is_upper=True)
    page = Figure("P8", "page, p99 beside an import × at rest", 2, unit="× quiet", is_upper=True)
    with Server.shop(data, cores=pins.server) as shop:
        spans = []
        looks = {"page": Look(EVERY, goods.pages(shop.port, 1))}
        with Probe(shop.port, looks, cores=pins.client) as probe:
            for number in range(plan.import_rounds):
                rested = time.perf_counter()
                time.sleep(plan.quiet_seconds)
                began = time.perf_counter()
                seconds, once_mib = imported(folder, data, f"in{number}", plan.imported, pins.server)
                spans.append((rested, began, time.perf_counter()))
                ceiling = asyncio.run(_crypto(config, plan.imported))
                speed.add(ceiling / seconds, **{"shop/s": plan.imported / seconds, "ceiling/s": plan.imported / ceiling})
            _, thrice_mib = imported(folder, data, "large", plan.imported * 3, pins.server)
        flat.add(thrice_mib / once_mib, **{"one's MiB": once_mib, "3 × MiB": thrice_mib})
    for rested, began, ended in spans:
        rest = percentile(probe.within("page", rested, began), 0.99)
        busy = percentile(probe.within("page", began, ended), 0.99)
        page.add(busy / rest, **{"p99 ms": busy * 1000, "quiet p99 ms": rest * 1000})
    _check(data, plan, probe)
    return [speed, flat, page]


def imported(folder: Path, data: Path, name: str, count: int, cores: Sequence[int]) -> tuple[float, float]:
    """Import a file in a process of its own, as `kashop codes import` does: the seconds it took, and its most memory."""
    file = folder / f"{name}.txt"
    file.write_bytes(goods.stock(name, count))
    pinned = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
    command = [*pinned, sys.executable, "-m", "bench.intake", str(data), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"an import ended with {done.returncode}: {done.stderr[-1000:]}")
    seconds, most_mib = done.stdout.split()
    return float(seconds), float(most_mib)


async def _import(data: Path, file: Path) -> float:
    shop = await Shop.open(load(data, {}))
    try:
        with file.open("rb") as opened:
            source = restock.Source(file=opened, name=file.name, product=goods.SLUG)
            started = time.perf_counter()
            await restock.import_codes(shop, source, CLI)
            return time.perf_counter() - started
    finally:
        await shop.close()


async def _crypto(config: Config, count: int) -> float:
    """The seconds that fingerprints and seals of as many codes take on this thread."""
    shop = await Shop.open(config)
    try:
        key = next(iter(await shop.db.read(vault.data_keys)))
        texts = goods.stock("crypto", count).decode().split("\n")
        numbers, keys = ids.snowflakes.take(count), shop.keyring
        started = time.perf_counter()
        for number, text in zip(numbers, texts, strict=True):
            keys.fingerprint(fingerprint_text(text))
            keys.seal_code(text, product_id=key.product_id, epoch=key.epoch, code_id=number)
        return time.perf_counter() - started
    finally:
        await shop.close()


def _check(data: Path, plan: Plan, probe: Probe) -> None:
    wanted = 100 + goods.BESIDE * 5 + plan.import_rounds * plan.imported + plan.imported * 3
    there = Desk(data).count("SELECT COUNT(*) FROM codes")
    if there != wanted:
        raise Wrong(f"{there} codes are there, {wanted} were imported")
    odd = {status for _, _, _, status in probe.seen if status not in (200, 503)}
    if odd:
        raise Wrong(f"while stock came in, pages were answered {sorted(odd)}")


if __name__ == "__main__":
    logs.configure("text", "warning")
    took = asyncio.run(_import(Path(sys.argv[1]), Path(sys.argv[2])))
    print(took, memory_mib(os.getpid(), "VmHWM"))
