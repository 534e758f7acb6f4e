"""`python -m bench.rotation [--codes N]`: what a rotation of the data keys costs the checkouts beside it.

A served shop with N codes; buyers order at a steady rate, each timed from the moment it was due, and pay. One rotation of all
codes is let go and held up in turns, A B A B, by sealing and unsealing the vault: a sealed shop sells on and its rotation waits.
Turns are short, so that whatever else the machine does falls on both alike. Printed: p50 and p99 of all quiet and of all rotating
turns, their ratio, the median ratio of neighbours, and how long the rotation worked.
"""

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import goods
from bench.servers import Server
from kashop.catalog import writes as catalog
from kashop.catalog.types import ProductDraft, SkuDraft
from kashop.db import Reader
from kashop.flows import rotate, vault
from kashop.inventory import writes as inventory
from kashop.inventory.stockfile import fingerprint_text
from kashop.inventory.types import BatchDraft, Ending, Rejects, SealedCode
from kashop.lib import ids
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.settings.config import Config, load
from kashop.shop import Shop
from kashop.stress.crowd import Outcome, drive
from kashop.vault import writes as keys
from kashop.vault.rotation import reads

PRODUCTS = 4
CHUNK = 5000
IDLE_SECONDS = 10
"""The server hangs up on a connection that is idle for twenty."""
GOAL_RATIO, GOAL_SECONDS = 1.2, 600


@dataclass
class Phase:
    """One stretch of time: its latencies in milliseconds, the server's processor time, and the load when it ended."""

    name: str
    seconds: float
    latencies: list[float] = field(repr=False)
    cpu_share: float = 0.0
    load: float = 0.0

    def share(self, part: float) -> float:
        """The latency that this part of the orders did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


async def fill(config: Config, count: int) -> None:
    """So many codes in each product, sealed as an import would, without reading a file."""
    shop = await Shop.open(config)
    try:
        for number in range(PRODUCTS):
            await _fill_one(shop, number, count)
    finally:
        await shop.close()


async def _fill_one(shop: Shop, number: int, count: int) -> None:
    slug = f"filler-{number}"
    product_id = await shop.db.write(catalog.add_product, ProductDraft(slug=slug, name=slug), [SkuDraft(price_minor=1)], CLI)
    (sku_id,) = await shop.db.read(_skus, product_id)
    key = await shop.db.write(keys.ensure_data_key, shop.keyring, product_id)
    shop.keyring.learn([key])
    batch_id = await shop.db.write(
        inventory.open_batch, BatchDraft(product_id=product_id, sku_id=sku_id, pool_id=1, name=slug), CLI
    )
    for first in range(0, count, CHUNK):
        texts = [f"FILLER-{number}-{n:08}-{n * 7919 % 99991:05}" for n in range(first, min(first + CHUNK, count))]
        await shop.db.write(inventory.add_codes, batch_id, _sealed(shop, product_id, texts))
    ending = Ending(duplicates=0, bad=0, rows_read=count, rejects=Rejects(0, b""))
    await shop.db.write(inventory.close_batch, batch_id, ending, CLI, digest=b"")


def _sealed(shop: Shop, product_id: int, texts: Sequence[str]) -> list[SealedCode]:
    seal, mark = shop.keyring.seal_code, shop.keyring.fingerprint
    return [
        SealedCode(
            code_id=code_id,
            epoch=1,
            sealed=seal(text, product_id=product_id, epoch=1, code_id=code_id),
            fingerprint=mark(fingerprint_text(text)),
            cost_minor=0,
            expires_on="",
        )
        for code_id, text in zip(ids.snowflakes.take(len(texts)), texts, strict=True)
    ]


def _skus(db: Reader, product_id: int) -> list[int]:
    return [int(n) for n in db.values("SELECT sku_id FROM skus WHERE product_id = :product_id", product_id=product_id)]


class Buyers:
    """Orders at a steady rate over keep-alive connections; one that finds none idle opens another."""

    def __init__(self, port: int, rate: float):
        self._port, self._rate, self._number, self._run = port, rate, 0, time.time_ns()
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.latencies: list[float] = []
        self._go = True

    async def trade(self) -> None:
        """Until told to stop."""
        under_way: set[asyncio.Task[None]] = set()
        due = time.perf_counter()
        while self._go:
            due += 1 / self._rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            (request,) = goods.orders(self._port, 1, salt=f"{self._run}-{self._number}")
            self._number += 1
            task = asyncio.create_task(self._buy(request, due, f"{self._run}x{self._number}x"))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    def stop(self) -> None:
        """No more."""
        self._go = False

    async def _buy(self, request: bytes, due: float, txn: str) -> None:
        reader, writer = await self._connection()
        placed = await _asked(reader, writer, request, b"http/1.1 201")
        self.latencies.append((time.perf_counter() - due) * 1000)
        (callback,) = goods.callbacks(self._port, [placed], salt=txn)  # paid at once: nobody asks the gateway
        await _asked(reader, writer, callback, b"http/1.1 200")
        self._idle.append((time.monotonic(), reader, writer))

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if since + IDLE_SECONDS > time.monotonic():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, wanted: bytes) -> bytes:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
    body = await reader.readexactly(int(length))
    assert head.startswith(wanted), head[:60]
    return body


async def measure(server: Server, config: Config, *, rate: float, quiet: float, busy: float) -> list[Phase]:
    """Quiet, rotating, quiet, rotating … until all codes are done."""
    shop, buyers, phases = await Shop.open(config), Buyers(server.port, rate), list[Phase]()
    trading = asyncio.create_task(buyers.trade())
    try:
        await rotate.begin(shop, CLI)
        while await _runs(shop):
            await vault.seal(shop, CLI)
            await _still(shop)
            phases.append(await _phase("quiet", server, buyers, asyncio.sleep(quiet)))
            before = await _done(shop)
            await vault.open_with(shop, vault.Given(), CLI)
            await _moves(shop, before)
            phases.append(await _phase("rotating", server, buyers, _ended_within(shop, busy)))
        phases.append(await _phase("quiet", server, buyers, asyncio.sleep(quiet)))
    finally:
        buyers.stop()
        await trading
        await shop.close()
    return phases


async def _runs(shop: Shop) -> bool:
    return await shop.db.read(reads.find_running) is not None


async def _done(shop: Shop) -> int:
    newest = await shop.db.read(reads.find_newest)
    return newest.done if newest else 0


async def _still(shop: Shop) -> None:
    """Until nothing moves any more: the server looks every two seconds whether it is to seal."""
    before = -1
    while (now := await _done(shop)) != before:
        before = now
        await asyncio.sleep(2.5)


async def _moves(shop: Shop, before: int) -> None:
    """Until the rotation is at it again, and what was paid while the vault was sealed has been delivered."""
    for _ in range(400):
        is_moving = await _done(shop) > before or not await _runs(shop)
        if is_moving and not await shop.db.read(orders.count_open_of_kind, "sealed"):
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(1)


async def _ended_within(shop: Shop, seconds: float) -> None:
    for _ in range(int(seconds * 5)):
        if not await _runs(shop):
            return
        await asyncio.sleep(0.2)


async def _phase(name: str, server: Server, buyers: Buyers, work: "asyncio.Future[None] | object") -> Phase:
    buyers.latencies = []
    started, cpu = time.perf_counter(), server.cpu_seconds()
    await work  # type: ignore[misc]
    seconds = time.perf_counter() - started
    phase = Phase(name, seconds, buyers.latencies, (server.cpu_seconds() - cpu) / seconds, os.getloadavg()[0])
    took = (
        f"{name:9} {seconds:6.1f} s  {len(phase.latencies):6} orders  p50 {phase.share(0.5):6.2f}  p99 {phase.share(0.99):6.2f}"
    )
    print(f"{took} ms  server's cpu {phase.cpu_share:4.0%}  load {phase.load:.1f}", file=sys.stderr)
    return phase


def told(phases: list[Phase], codes: int) -> dict[str, object]:
    """The figures: each rotating phase beside the quiet ones before and after it."""
    ratios = {}
    pooled = {
        name: Phase(name, 0, [ms for p in phases if p.name == name for ms in p.latencies]) for name in ("quiet", "rotating")
    }
    for part in (0.5, 0.9, 0.99):
        pairs = [
            phases[n].share(part) / ((phases[n - 1].share(part) + phases[n + 1].share(part)) / 2)
            for n in range(1, len(phases), 2)
        ]
        quiet, rotating = (pooled[name].share(part) for name in ("quiet", "rotating"))
        ratios[f"p{part * 100:.0f}"] = {
            "quiet_ms": quiet,
            "rotating_ms": rotating,
            "ratio": rotating / quiet,
            "median_of_neighbours": statistics.median(pairs),
        }
    return {
        "codes": codes,
        "seconds": sum(p.seconds for p in phases if p.name == "rotating"),
        "ratio_to_quiet": ratios,
        "phases": [{k: v for k, v in asdict(p).items() if k != "latencies"} | _spread(p) for p in phases],
        "goal": {"p99_ratio": GOAL_RATIO, "seconds_for_a_million": GOAL_SECONDS},
    }


def _spread(phase: Phase) -> dict[str, float]:
    return {"orders": len(phase.latencies), "p50_ms": phase.share(0.5), "p99_ms": phase.share(0.99)}


def _count(data: Path, sql: str) -> int:
    con = sqlite3.connect(f"file:{data / 'kashop.db'}?mode=ro", uri=True)
    try:
        return int(con.execute(sql).fetchone()[0])
    finally:
        con.close()


async def _warm(port: int) -> Outcome:
    return await drive(port, goods.orders(port, 300, salt=f"warm{time.time_ns()}"), connections=10)


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(prog="python -m bench.rotation")
    arguments.add_argument("--codes", type=int, default=1_000_000)
    arguments.add_argument("--rate", type=float, default=50, help="orders a second")
    arguments.add_argument("--quiet", type=float, default=10, help="seconds of each quiet turn")
    arguments.add_argument("--busy", type=float, default=15, help="seconds of each rotating turn")
    arguments.add_argument("--folder", type=Path, help="where the shop is made; its disk is what is measured")
    arguments.add_argument("--data", type=Path, help="a shop that an earlier run left here, instead of a new one")
    arguments.add_argument("--json", type=Path, default=Path("build/rotation.json"))
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kashop-rotation-", dir=given.folder) as folder:
        data = given.data or goods.data_of(Path(folder))
        config = load(data, {})
        if given.data is None:
            asyncio.run(goods.make_shop(config, codes=60_000))
            asyncio.run(fill(config, given.codes // PRODUCTS))
        with Server.shop(data) as server:
            asyncio.run(_warm(server.port))
            phases = asyncio.run(measure(server, config, rate=given.rate, quiet=given.quiet, busy=given.busy))
        old = (
            "SELECT COUNT(*) FROM codes c WHERE epoch <> (SELECT MAX(epoch) FROM vault_keys k WHERE k.product_id = c.product_id)"
        )
        assert _count(data, old) == 0, "codes are left under old keys"
        assert _count(data, "SELECT COUNT(*) FROM rotations WHERE status <> 'done'") == 0
        figures = told(phases, _count(data, "SELECT total FROM rotations ORDER BY rotation_id DESC LIMIT 1"))
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({k: figures[k] for k in ("codes", "seconds", "ratio_to_quiet")}, indent=2))


if __name__ == "__main__":
    main()
