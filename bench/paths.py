"""P1, P2, P4 and P5: orders, callbacks, pages, status and look-up, each beside its ceiling, and counted in the database."""

import asyncio
import io
import itertools
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from bench import answers, goods
from bench.answers import ask
from bench.duels import Duels, Make, drive_now
from bench.figures import Figure, Wrong
from bench.plan import Pins, Plan
from bench.servers import Server
from kashop.flows import restock
from kashop.lib.actor import CLI
from kashop.settings.config import load
from kashop.shop import Shop

STATUS_ORDERS, LOOKUPS = 60, 4
PASSWORD = "bench 4711"
PAGES = (("home", goods.HOME), ("list", goods.LIST), ("product page", goods.PAGE))
CHUNK = 20_000


def run(folder: Path, plan: Plan, pins: Pins, goals: Collection[str]) -> list[Figure]:
    """All of these goals that were asked for, over one shop."""
    kinds = {"P1": Orders, "P2": Callbacks, "P4": Pages, "P5": Status}
    chosen = [kind for goal, kind in kinds.items() if goal in goals]
    if not chosen:
        return []
    data, kept = goods.data_of(folder), folder / "answers"
    asyncio.run(goods.make_shop(load(data, {}), codes=2000, beside=goods.BESIDE))
    with Server.shop(data, cores=pins.server) as shop:
        answers.write(kept, asyncio.run(_recorded(shop)))
        with Server("bare Litestar", "bench.bare", "--answers", str(kept), log=folder / "bare.log", cores=pins.server) as bare:
            duels, desk = Duels(shop, bare, plan), Desk(data)
            parts = [kind(duels, desk, plan) for kind in chosen]
            for part in parts:
                part.warm()
            for number in range(plan.rounds):
                for part in parts:
                    part.round(number)
    return [figure for part in parts for figure in part.figures]


async def _recorded(shop: Server) -> answers.Answers:
    """What the shop answers, for the bare handlers to answer the same."""

    async def answer(request: bytes, wanted: int) -> answers.Answer:
        status, headers, body = await ask(shop.port, request)
        if status != wanted:
            raise Wrong(f"{shop.name} answered {status} to {request[:80]!r}: {body[:500]!r}")
        return answers.Answer(body, headers)

    placed = await answer(goods.order(shop.port, "recorded"), 201)
    (asked,) = goods.statuses(shop.port, [placed.body])
    pages = {path: await answer(goods.pages(shop.port, 1, path)[0], 200) for _, path in PAGES}
    return answers.Answers(placed, await answer(asked, 200), pages)


class Desk:
    """The shop's database from outside: counts, and more stock when it runs low."""

    def __init__(self, data: Path):
        self._config = load(data, {})
        self._batches = itertools.count()

    def count(self, sql: str) -> int:
        """One number."""
        con = sqlite3.connect(f"file:{self._config.file}?mode=ro", uri=True)
        try:
            return int(con.execute(sql).fetchone()[0])
        finally:
            con.close()

    def stock_up(self, wanted: int) -> None:
        """See to it that so many codes are free."""
        free = "SELECT COUNT(*) FROM codes c JOIN skus s USING (sku_id) WHERE s.sku_code = 'steam-50' AND c.status = 'free'"
        while self.count(free) < wanted:
            asyncio.run(self._import(CHUNK))

    async def _import(self, count: int) -> None:
        shop, name = await Shop.open(self._config), f"more{next(self._batches)}"
        try:
            file = io.BytesIO(goods.stock(name, count))
            await restock.import_codes(shop, restock.Source(file=file, name=name, product=goods.SLUG), CLI)
        finally:
            await shop.close()


class Part:
    """One goal's figures; `warm` once, then `round` again and again."""

    def __init__(self, duels: Duels, desk: Desk, plan: Plan):
        self.duels, self.desk, self.plan = duels, desk, plan
        self.figures: list[Figure] = []
        self._salts = itertools.count()

    def warm(self) -> None:
        """Let both servers see the path, and learn how many requests a drive takes."""
        raise NotImplementedError

    def round(self, number: int) -> None:
        """One round of each figure."""
        raise NotImplementedError

    def orders(self, server: Server, count: int, *, lookup_password: str = "") -> list[bytes]:
        """So many new orders, under keys that were never used."""
        self.desk.stock_up(count + 100)
        salt = f"{type(self).__name__}{next(self._salts)}"
        return goods.orders(server.port, count, salt=salt, lookup_password=lookup_password)

    def placed(self, count: int, *, lookup_password: str = "") -> list[bytes]:
        """So many orders placed at the shop, unmeasured: the API's answers."""
        bodies: list[bytes] = []
        while len(bodies) < count:
            requests = self.orders(self.duels.shop, count - len(bodies), lookup_password=lookup_password)
            outcome = drive_now(self.duels.shop, requests, 32, keeps=True)
            bodies += [body for body in outcome.bodies if b'"attempt"' in body]
            if set(outcome.statuses) - {201, 503}:
                raise Wrong(f"orders were answered {dict(outcome.statuses)}")
        return bodies


class Orders(Part):
    """P1: durable orders by the JSON API."""

    def warm(self) -> None:
        """At each number of connections."""
        self.figures = [Figure("P1", f"durable orders, {n} connections", 0.6) for n in self.plan.order_connections]
        for figure, connections in zip(self.figures, self.plan.order_connections, strict=True):
            self.duels.warm(figure.name, self.orders, connections, count=max(100, connections))

    def round(self, number: int) -> None:
        """Every 201 is an order in the database, and no order is there without."""
        for figure, connections in zip(self.figures, self.plan.order_connections, strict=True):
            before = self.desk.count("SELECT COUNT(*) FROM orders")
            seen = self.duels.round(figure, self.orders, connections, number=number, good=(201,))
            added = self.desk.count("SELECT COUNT(*) FROM orders") - before
            if added != seen.statuses[201]:
                raise Wrong(f"{seen.statuses[201]} orders were acknowledged and {added} are in the database")


class Callbacks(Part):
    """P2: a paid callback to a delivered order."""

    def warm(self) -> None:
        """At each number in parallel."""
        self.figures = [Figure("P2", f"callback to delivered, {n} parallel", 0.6) for n in self.plan.callback_connections]
        for figure, connections in zip(self.figures, self.plan.callback_connections, strict=True):
            self.duels.warm(figure.name, self._paid, connections)

    def round(self, number: int) -> None:
        """Every callback that was believed has delivered its order."""
        for figure, connections in zip(self.figures, self.plan.callback_connections, strict=True):
            before = self._delivered()
            seen = self.duels.round(figure, self._paid, connections, number=number)
            delivered = self._delivered() - before
            if delivered != seen.statuses[200]:
                raise Wrong(f"{seen.statuses[200]} callbacks were taken and {delivered} orders are delivered")

    def _delivered(self) -> int:
        return self.desk.count("SELECT COUNT(*) FROM orders WHERE status = 'delivered'")

    def _paid(self, server: Server, count: int) -> list[bytes]:
        placed = self.placed(count) if server is self.duels.shop else [_SOME_ORDER] * count
        return goods.callbacks(server.port, placed, salt=f"T{next(self._salts)}x")


_SOME_ORDER = b'{"payment": {"attempt": "A20261128-0000000000000000"}}'
"""To the bare handlers all attempts are alike."""


class Pages(Part):
    """P4: what guests look at, whole and unchanged."""

    def warm(self) -> None:
        """Each page, and each again for who has it."""
        whole = [(Figure("P4", name, 0.8), path, False) for name, path in PAGES]
        known = [(Figure("P4", f"{name}, 304", 0.9), path, True) for name, path in PAGES[::2]]
        self._looks = whole + known
        self.figures = [figure for figure, _, _ in self._looks]
        for figure, path, is_known in self._looks:
            if is_known and "etag" not in self._seen(path):
                figure.note = "the shop tells no ETag: it answers the whole page"
            else:
                self.duels.warm(figure.name, self._maker(path, is_known=is_known), self.plan.connections, count=200)

    def round(self, number: int) -> None:
        """Nothing is sold meanwhile."""
        for figure, path, is_known in self._looks:
            if figure.note:
                figure.add(0.0)
                continue
            make = self._maker(path, is_known=is_known)
            self.duels.round(figure, make, self.plan.connections, number=number, good=(304,) if is_known else (200,))

    def _maker(self, path: str, *, is_known: bool) -> Make:
        def make(server: Server, count: int) -> Sequence[bytes]:
            if not is_known:
                return goods.pages(server.port, count, path)
            there = f"/unchanged{path}" if server is self.duels.bare else path
            etag = self._seen(path, of=server)["etag"]
            return goods.pages(server.port, count, there, if_none_match=etag, cookie=goods.OWN_KEYS)

        return make

    def _seen(self, path: str, *, of: Server | None = None) -> dict[str, str]:
        """The headers that a guest gets with a page now."""
        server = of or self.duels.shop
        status, headers, _ = asyncio.run(ask(server.port, goods.pages(server.port, 1, path)[0]))
        if status != 200:
            raise Wrong(f"{server.name} answered {status} for {path}")
        return headers


class Status(Part):
    """P5: what has become of an order, half of them delivered: by API, by its link, by number and password."""

    def warm(self) -> None:
        """Some orders with a look-up password; half of them paid."""
        self._placed = self.placed(STATUS_ORDERS, lookup_password=PASSWORD)
        paid = goods.callbacks(self.duels.shop.port, self._placed[::2], salt="S")
        drive_now(self.duels.shop, paid, 16)
        slow = "three argon2id hashes each, by design (B02): that is all its time"
        self._asked = [
            (Figure("P5", "order status, API", 0.5), goods.statuses, self.plan.connections, 200),
            (Figure("P5", "order page, by its link", 0.5), goods.order_pages, self.plan.connections, 100),
            (Figure("P5", "look-up by number and password", 0.5, note=slow), self._lookups, LOOKUPS, LOOKUPS),
        ]
        self.figures = [figure for figure, _, _, _ in self._asked]
        for figure, make, connections, count in self._asked:
            self.duels.warm(figure.name, self._maker(make), connections, count=count)

    def round(self, number: int) -> None:
        """Each way to ask."""
        for figure, make, connections, _ in self._asked:
            self.duels.round(figure, self._maker(make), connections, number=number)

    def _lookups(self, port: int, placed: Sequence[bytes]) -> list[bytes]:
        return goods.lookups(port, placed, password=PASSWORD, salt=f"L{next(self._salts)}x")

    def _maker(self, make: Callable[[int, Sequence[bytes]], list[bytes]]) -> Make:
        def made(server: Server, count: int) -> Sequence[bytes]:
            if server is self.duels.bare:
                make_bare = goods.statuses(server.port, self._placed[:1])
                return make_bare * count
            turn = next(self._salts)
            some = [self._placed[(turn * 17 + n) % len(self._placed)] for n in range(count)]
            return make(server.port, some)

        return made
