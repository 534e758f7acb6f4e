"""P3, P6 and the memory of P10: crowds on cold connections, as many codes as buyers and fewer; and who else waits meanwhile.

Each crowd wants a product of its own, so that every code and order of it can be counted in the database: no code twice, no
order that was acknowledged and is not there, as many sold as could be, everybody else told that it is sold out.
"""

import asyncio
import sqlite3
import time
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from bench import answers, goods
from bench.answers import ask
from bench.crowd import Crowd, storm
from bench.duels import drive_now
from bench.figures import Figure, Wrong
from bench.plan import Pins, Plan
from bench.probe import Look, Probe
from bench.servers import Server
from kashop.settings.config import load
from kashop.stress.crowd import percentile, post

PAGE_EVERY, CALLBACK_EVERY, PANEL_EVERY = 0.02, 0.05, 0.1
SETTLE_SECONDS = 1.0


def run(folder: Path, plan: Plan, pins: Pins, goals: Collection[str]) -> list[Figure]:
    """The crowds, and of these goals those that were asked for."""
    data, kept = goods.data_of(folder), folder / "answers"
    crowds = [stock for _ in range(plan.crowd_rounds) for stock in plan.stocks]
    unpaid = _unpaid_count(plan)
    asyncio.run(goods.make_shop(load(data, {}), codes=unpaid + 300, crowds=crowds))
    with Server.shop(data, cores=pins.server) as shop:
        time.sleep(1)
        idle = shop.memory_mib()
        placed = _placed(shop, unpaid)
        answers.write(kept, _answers(shop, placed[0]))
        with Server("bare Litestar", "bench.bare", "--answers", str(kept), log=folder / "bare.log", cores=pins.server) as bare:
            bursts = Bursts(shop, bare, data, plan)
            with Probe(shop.port, _looks(shop, placed), cores=pins.client) as probe:
                bursts.all()
        after = shop.memory_mib()
        most = shop.memory_mib("VmHWM")
        start = shop.start_seconds
    memory = Figure("P10", "memory after the crowds", 180, unit="MiB", is_upper=True)
    memory.add(after, **{"idle MiB": idle, "most MiB": most, "start s": start})
    found = {"P3": bursts.figures, "P6": waits(probe, bursts), "P10": [memory]}
    _check_probe(probe)
    return [figure for goal, figures in found.items() if goal in goals for figure in figures]


class Bursts:
    """The crowds, one after the other; `spans` are when the shop was at rest and when a crowd was there."""

    def __init__(self, shop: Server, bare: Server, data: Path, plan: Plan):
        self._shop, self._bare, self._data, self._plan = shop, bare, data, plan
        self.figures = [Figure("P3", f"{plan.crowd:,} buyers, {n:,} codes", 1.8, is_upper=True) for n in plan.stocks]
        self.quiet: list[tuple[float, float]] = []
        self.busy: list[tuple[float, float, float]] = []
        """Start, end, and the crowd's own median in seconds."""

    def all(self) -> None:
        """Round by round; each stock once in a round."""
        storm(self._bare, _orders(self._bare, min(1000, self._plan.crowd), "warm"))
        began, took = time.perf_counter(), 0.0
        for number in range(self._plan.crowd_rounds):
            started = time.perf_counter()
            if number and started - began + took > self._plan.crowd_seconds:  # as long as the last one: the first warms up
                for figure in self.figures:
                    figure.note = f"there was no time for more than {number} of {self._plan.crowd_rounds} rounds"
                return
            for index, stock in enumerate(self._plan.stocks):
                self._round(self.figures[index], number * len(self._plan.stocks) + index, stock, is_first=number % 2 == 0)
            took = time.perf_counter() - started

    def _round(self, figure: Figure, product: int, stock: int, *, is_first: bool) -> None:
        """The shop's crowd and the bare handlers'; quiet before the shop's."""
        sku, seen = goods.crowd_slug(product), {}
        for server in (self._shop, self._bare) if is_first else (self._bare, self._shop):
            requests = _orders(server, self._plan.crowd, f"c{product}", sku)
            time.sleep(SETTLE_SECONDS)
            if server is self._shop:
                start = time.perf_counter()
                time.sleep(self._plan.quiet_seconds)
                self.quiet.append((start, time.perf_counter()))
            seen[server.name] = crowd = storm(server, requests)
            if server is self._shop:
                self.busy.append((crowd.began, crowd.began + crowd.seconds, crowd.latency_ms(0.5) / 1000))
        shop, bare = seen[self._shop.name], seen[self._bare.name]
        self._check(shop, bare, sku, stock)
        figure.add(
            shop.seconds / bare.seconds,
            **{
                "shop s": shop.seconds,
                "ceiling s": bare.seconds,
                "p50 ms": shop.latency_ms(0.5),
                "p99 ms": shop.latency_ms(0.99),
                "ceiling p99 ms": bare.latency_ms(0.99),
                "sold": float(shop.statuses[201]),
                "sold out": float(shop.statuses[409]),
                "sent away": float(shop.sent_away),
            },
        )

    def _check(self, shop: Crowd, bare: Crowd, sku: str, stock: int) -> None:
        if bare.errors or set(bare.statuses) != {201}:
            raise Wrong(f"the bare handlers answered a crowd {dict(bare.statuses)}, {dict(bare.errors)}")
        if shop.errors or set(shop.statuses) - {201, 409}:
            raise Wrong(f"the shop answered a crowd {dict(shop.statuses)}, {dict(shop.errors)}")
        wrong = sold_wrongly(self._data, sku, shop, stock=stock, buyers=self._plan.crowd)
        if wrong:
            raise Wrong(f"after {self._plan.crowd} buyers for {stock} codes: {wrong}")


def sold_wrongly(data: Path, sku: str, crowd: Crowd, *, stock: int, buyers: int) -> str:
    """What the database says against a crowd's answers; empty when all is right."""
    con = sqlite3.connect(f"file:{load(data, {}).file}?mode=ro", uri=True)
    try:
        of_sku = "FROM codes JOIN skus USING (sku_id) WHERE sku_code = :sku AND status <> 'free'"
        gone, lines = con.execute(f"SELECT COUNT(*), COUNT(DISTINCT line_id) {of_sku}", {"sku": sku}).fetchone()
        there = {
            no
            for (no,) in con.execute("SELECT order_no FROM orders JOIN order_lines USING (order_id) WHERE sku_code = ?", (sku,))
        }
    finally:
        con.close()
    told = {msgspec.json.decode(body)["order_no"] for body in crowd.won}
    could = min(stock, buyers)
    complaints = {
        f"{gone} codes gone for {len(there)} orders": gone != len(there) or lines != gone,
        f"{len(told - there)} acknowledged orders are not in the database": bool(told - there),
        f"{len(there - told)} orders are there that nobody was told of": bool(there - told),
        f"{gone} of {could} codes found a buyer": gone != could,
    }
    return "; ".join(complaint for complaint, is_so in complaints.items() if is_so)


def waits(probe: Probe, bursts: Bursts) -> list[Figure]:
    """P6: everybody else's p99 while crowds were there, against the shop at rest, and against the crowd's own median."""
    found = []
    for kind in ("page", "callback", "panel"):
        against_quiet = Figure("P6", f"{kind}, p99 in a crowd × at rest", 5, unit="× quiet", is_upper=True)
        against_crowd = Figure("P6", f"{kind}, p99 × the crowd's p50", 1, unit="× its p50", is_upper=True)
        quiet = percentile([s for start, end in bursts.quiet for s in probe.within(kind, start, end)], 0.99)
        for start, end, median in bursts.busy:
            if looks := probe.within(kind, start, end):
                busy = percentile(looks, 0.99)
                parts = {"p99 ms": busy * 1000, "looks": float(len(looks))}
                against_quiet.add(busy / quiet, **parts, **{"quiet p99 ms": quiet * 1000})
                against_crowd.add(busy / median, **parts, **{"crowd p50 ms": median * 1000})
        found += [figure for figure in (against_quiet, against_crowd) if figure.judged]
    return found


def _check_probe(probe: Probe) -> None:
    odd = [(name, status) for name, _, _, status in probe.seen if status not in (200, 503)]
    if odd:
        raise Wrong(f"while crowds came, {len(odd)} looks were answered otherwise: {sorted(set(odd))}")


def _orders(server: Server, count: int, salt: str, sku: str = goods.SLUG) -> list[bytes]:
    return [goods.order(server.port, f"{salt}-{n}", sku=sku, connection="close") for n in range(count)]


def _unpaid_count(plan: Plan) -> int:
    """Orders that the callbacks of the whole time pay."""
    each = plan.quiet_seconds + SETTLE_SECONDS * 2 + max(3.0, plan.crowd / 250)
    return int(min(each * len(plan.stocks) * plan.crowd_rounds, plan.crowd_seconds * 2) / CALLBACK_EVERY) + 50


def _placed(shop: Server, count: int) -> list[bytes]:
    outcome = drive_now(shop, goods.orders(shop.port, count, salt="unpaid"), 32, keeps=True)
    if set(outcome.statuses) != {201}:
        raise Wrong(f"orders were answered {dict(outcome.statuses)}")
    return outcome.bodies


def _answers(shop: Server, placed: bytes) -> answers.Answers:
    status, headers, body = asyncio.run(ask(shop.port, goods.pages(shop.port, 1)[0]))
    if status != 200:
        raise Wrong(f"the shop answered {status} for {goods.PAGE}")
    return answers.Answers(answers.Answer(placed), answers.Answer(placed), {goods.PAGE: answers.Answer(body, headers)})


def _looks(shop: Server, placed: list[bytes]) -> dict[str, Look]:
    cookie = log_in(shop)
    return {
        "page": Look(PAGE_EVERY, goods.pages(shop.port, 1)),
        "callback": Look(CALLBACK_EVERY, goods.callbacks(shop.port, placed, salt="probe"), is_once=True),
        "panel": Look(PANEL_EVERY, goods.pages(shop.port, 1, "/admin", cookie=cookie)),
    }


def log_in(shop: Server) -> str:
    """The owner's cookie."""
    form = urlencode({"email": goods.OWNER, "password": goods.PASSWORD}).encode()
    request = post("/admin/login", shop.port, form, "application/x-www-form-urlencoded")
    status, headers, body = asyncio.run(ask(shop.port, request))
    if status not in (302, 303) or "set-cookie" not in headers:
        raise Wrong(f"the owner's log-in was answered {status}: {body[:300]!r}")
    return "; ".join(line.partition(";")[0] for line in headers["set-cookie"].splitlines())
