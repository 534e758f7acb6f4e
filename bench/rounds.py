"""One run: the shop and the bare handlers side by side, A B A B, every count verified in the database."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import goods
from bench.servers import Server
from kashop.settings.config import load
from kashop.stress.crowd import Outcome, drive

WARM = 300


@dataclass
class Pair:
    """One path's rounds: the shop's outcomes, the bare handler's, and the processor time of each request in both."""

    path: str
    goal: float
    shop: list[Outcome] = field(default_factory=list)
    bare: list[Outcome] = field(default_factory=list)
    shop_cpu_us: list[float] = field(default_factory=list)
    bare_cpu_us: list[float] = field(default_factory=list)


@dataclass
class Run:
    """All pairs, and what else was measured of the shop's process."""

    pairs: list[Pair]
    start_seconds: float = 0.0
    idle_mib: float = 0.0
    after_mib: float = 0.0


class Bench:
    """The two servers while a run lasts."""

    def __init__(self, shop: Server, bare: Server, data: Path, connections: int):
        self._shop, self._bare, self._data, self._connections = shop, bare, data, connections

    async def both(self, pair: Pair, make: Callable[[int], Sequence[bytes]], *, number: int) -> Outcome:
        """The same requests to each, the first alternating; the shop's outcome."""
        servers = (self._shop, self._bare) if number % 2 == 0 else (self._bare, self._shop)
        for server in servers:
            requests = make(server.port)
            is_shop = server is self._shop
            before = server.cpu_seconds()
            outcome = await drive(server.port, requests, connections=self._connections, keeps_bodies=is_shop)
            cpu = (server.cpu_seconds() - before) / len(requests) * 1e6
            (pair.shop if is_shop else pair.bare).append(outcome)
            (pair.shop_cpu_us if is_shop else pair.bare_cpu_us).append(cpu)
            assert set(outcome.statuses) <= {200, 201}, f"{server.name} answered {dict(outcome.statuses)}"
        return pair.shop[-1]

    def count(self, sql: str) -> int:
        """One number from the shop's database."""
        con = sqlite3.connect(f"file:{self._data / 'kashop.db'}?mode=ro", uri=True)
        try:
            return int(con.execute(sql).fetchone()[0])
        finally:
            con.close()


async def warmed(shop: Server) -> tuple[bytes, bytes, list[bytes]]:
    """An order's answer, the page, and unpaid orders to warm callbacks with."""
    placed = await drive(shop.port, goods.orders(shop.port, WARM, salt="warm"), connections=20, keeps_bodies=True)
    assert placed.statuses == {201: WARM}, placed.statuses
    page = await drive(shop.port, goods.pages(shop.port, WARM), connections=20, keeps_bodies=True)
    assert page.statuses == {200: WARM}, page.statuses
    return placed.bodies[0], page.bodies[0], placed.bodies


async def rounds(bench: Bench, pairs: list[Pair], *, count: int, number: int) -> None:
    """One round of each path."""
    orders, callbacks, pages = pairs
    before = bench.count("SELECT COUNT(*) FROM orders")
    placed = await bench.both(orders, lambda port: goods.orders(port, count, salt=f"r{number}"), number=number)
    assert bench.count("SELECT COUNT(*) FROM orders") - before == count, "not every order is in the database"
    before = bench.count("SELECT COUNT(*) FROM orders WHERE status = 'delivered'")
    await bench.both(callbacks, lambda port: goods.callbacks(port, placed.bodies, salt=f"T{number}x"), number=number)
    assert bench.count("SELECT COUNT(*) FROM orders WHERE status = 'delivered'") - before == count, "not every one is delivered"
    shown = await bench.both(pages, lambda port: goods.pages(port, count), number=number)
    assert all(b"Steam" in body for body in shown.bodies)
    for outcome in (*orders.shop, *callbacks.shop, *pages.shop):
        outcome.bodies.clear()


def run(folder: Path, *, number_of_rounds: int, count: int, connections: int) -> Run:
    """Make a shop, serve it, measure, end."""
    data = goods.data_of(folder)
    asyncio.run(goods.make_shop(load(data, {}), codes=WARM + count * number_of_rounds + 100))
    pairs = [Pair("durable orders", 0.6), Pair("callback to delivered", 0.6), Pair("product page", 0.8)]
    result = Run(pairs)
    with Server("kashop serve", "kashop.cli", "serve", "--data", str(data), log=folder / "shop.log") as shop:
        result.start_seconds, result.idle_mib = shop.start_seconds, shop.memory_mib()
        order, page, unpaid = asyncio.run(warmed(shop))
        (folder / "order.json").write_bytes(order)
        (folder / "page.html").write_bytes(page)
        files = ("--order", str(folder / "order.json"), "--page", str(folder / "page.html"))
        with Server("bare Litestar", "bench.bare", *files, log=folder / "bare.log") as bare:
            for server in (shop, bare):
                asyncio.run(_warm(server, unpaid))
            bench = Bench(shop, bare, data, connections)
            for number in range(number_of_rounds):
                asyncio.run(rounds(bench, pairs, count=count, number=number))
        result.after_mib = shop.memory_mib()
    return result


async def _warm(server: Server, unpaid: list[bytes]) -> None:
    for requests in (
        goods.callbacks(server.port, unpaid, salt="W"),
        goods.pages(server.port, WARM),
        goods.orders(server.port, WARM, salt="warm"),  # the shop answers these from their keys
    ):
        await drive(server.port, requests, connections=20)
