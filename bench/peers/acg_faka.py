"""`python -m bench.peers.acg_faka --peer CHECKOUT [--root DIR]`: acg-faka beside this shop, in turn, on one machine (P12).

CHECKOUT is a clone of lizhipay/acg-faka; it is copied, installed by its own installer and thrown away. What is compared: the
product's page, placing an order for one code at an Epay account (its captcha is off: ours asks none at rest), and the account's
signed callback, sixteen at once, to an order with its code. Counted in each shop's database. The clients are the same.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from bench import goods, tables
from bench.answers import ask
from bench.duels import drive_now
from bench.figures import Figure, Wrong
from bench.history import Run, commit, conditions
from bench.paths import Desk
from bench.peers.stack import Stack
from bench.plan import Pins, Plan
from bench.servers import Server, allow_sockets, free_port
from kashop.lib import logs
from kashop.settings.config import load
from kashop.stress.crowd import get, post

ROUNDS, SECONDS = 5, 2.0
GOALS = {"product page": 50, "orders, 50 connections": 40, "callbacks, 16 at once": 40}
CONNECTIONS = {"product page": 50, "orders, 50 connections": 50, "callbacks, 16 at once": 16}
FORM = "application/x-www-form-urlencoded"
CODES = 30_000


class Acg:
    """acg-faka: its requests, and what its database says."""

    name = "acg-faka"

    def __init__(self, stack: Stack):
        self._stack, self.port, self._number = stack, stack.port, 0

    def install(self) -> None:
        """By its own installer; then a product with codes, and an Epay account."""
        owner = {"email": goods.OWNER, "nickname": "owner", "login_password": goods.PASSWORD.replace(" ", "")}
        place = {"host": "localhost", "database": "peer", "username": "root", "password": "", "prefix": "acg_"}
        self._plug_in()
        _, _, body = asyncio.run(ask(self.port, post("/install/submit", self.port, urlencode(owner | place).encode(), FORM)))
        if b"200" not in body[:20]:
            raise Wrong(f"acg-faka was not installed: {body[:500].decode(errors='replace')}")
        secrets = ",".join(f"(1, 'PEER-{n:08}', NOW(), 0)" for n in range(CODES))
        options = json.dumps({"pid": goods.PID, "key": goods.KEY, "url": "http://127.0.0.1:9/"})
        self._stack.sql(f"""
            UPDATE acg_config SET value = '0' WHERE `key` = 'trade_verification';
            UPDATE acg_commodity SET price = 12.50, user_price = 12.50, delivery_way = 0 WHERE id = 1;
            INSERT INTO acg_card (commodity_id, secret, create_time, status) VALUES {secrets};
            INSERT INTO acg_pay_config (id, handle, name, config, create_time) VALUES (1, 'Epay', 'bench', '{options}', NOW());
            UPDATE acg_pay SET pay_config_id = 1 WHERE handle = 'Epay';
        """)

    def _plug_in(self) -> None:
        there = self._stack.work / "site/app/Pay/Epay"
        for folder in ("Impl", "Config"):
            (there / folder).mkdir(parents=True)
        own = Path(__file__).with_name("epay")
        for name, place in (("Info.php", "Config"), ("Pay.php", "Impl"), ("Signature.php", "Impl")):
            (there / place / name).write_bytes((own / name).read_bytes())
        (there / "Config/Config.php").write_text("<?php return [];\n")
        (there / "Config/Submit.php").write_text("<?php return [];\n")

    def pages(self, count: int) -> list[bytes]:
        """The product's page."""
        return [get("/item/1", self.port, **goods.BROWSER)] * count

    def orders(self, count: int) -> list[bytes]:
        """One code each."""
        return [self._order() for _ in range(count)]

    def _order(self) -> bytes:
        self._number += 1
        wish = {"item_id": 1, "num": 1, "pay_id": 2, "card_id": 0, "contact": f"buyer{self._number}@example.com"}
        wish |= {"password": "", "coupon": "", "race": "", "request_no": "", "sku": "", "device": 0}
        return post("/user/api/order/trade", self.port, urlencode(wish).encode(), FORM, **goods.BROWSER)

    def callbacks(self, placed: list[bytes]) -> list[bytes]:
        """Their payments."""
        numbers = [json.loads(body)["data"]["tradeNo"] for body in placed]
        return [get(f"/user/api/order/callback.{no}?{goods.notice(no, f'T{no}')}", self.port) for no in numbers]

    def delivered(self) -> int:
        """Orders that have a code."""
        return int(self._stack.sql("SELECT COUNT(*) FROM acg_card WHERE status = 1 AND order_id IS NOT NULL"))

    def is_order(self, body: bytes) -> bool:
        """Whether an answer is an order."""
        return b'"tradeNo"' in body


class Ours:
    """kashop: the same."""

    name = "kashop"

    def __init__(self, port: int, desk: Desk):
        self.port, self._desk, self._number = port, desk, 0

    def pages(self, count: int) -> list[bytes]:
        """The product's page."""
        return goods.pages(self.port, count)

    def orders(self, count: int) -> list[bytes]:
        """One code each."""
        self._number += 1
        self._desk.stock_up(count + 100)
        return goods.orders(self.port, count, salt=f"peer{self._number}")

    def callbacks(self, placed: list[bytes]) -> list[bytes]:
        """Their payments."""
        return goods.callbacks(self.port, placed, salt=f"T{self._number}x")

    def delivered(self) -> int:
        """Orders that have a code."""
        return self._desk.count("SELECT COUNT(*) FROM orders WHERE status = 'delivered'")

    def is_order(self, body: bytes) -> bool:
        """Whether an answer is an order."""
        return b'"attempt"' in body


Shop = Acg | Ours


def measure(ours: Ours, acg: Acg) -> list[Figure]:
    """Every path, A B A B."""
    figures = {name: Figure("P12", f"{name} × acg-faka's", goal, unit="×") for name, goal in GOALS.items()}
    rates: dict[tuple[str, str], float] = {}
    for number in range(-1, ROUNDS):
        for name, figure in figures.items():
            seen = {shop.name: _one(shop, name, rates) for shop in ((ours, acg) if number % 2 else (acg, ours))}
            if number < 0:
                continue
            (our_rate, our_p99, our_share), (their_rate, their_p99, their_share) = seen[ours.name], seen[acg.name]
            parts = {"shop/s": our_rate, "ceiling/s": their_rate, "p99 ms": our_p99, "their p99 ms": their_p99}
            figure.add(our_rate / their_rate, **parts, delivered=our_share, **{"their delivered": their_share})
    return list(figures.values())


def _one(shop: Shop, name: str, rates: dict[tuple[str, str], float]) -> tuple[float, float, float]:
    """Rate of what succeeded, p99, and the share of paid orders that have their code (1 where nothing is paid)."""
    connections = CONNECTIONS[name]
    count = max(connections * 2, min(6000, int(rates.get((name, shop.name), 20) * SECONDS)))
    if name == "product page":
        outcome = drive_now(shop, shop.pages(count), connections)
        good = outcome.statuses[200]
    elif name.startswith("orders"):
        outcome = drive_now(shop, shop.orders(count), connections, keeps=True)
        good = sum(map(shop.is_order, outcome.bodies))
    else:
        placed = [body for body in drive_now(shop, shop.orders(count), 16, keeps=True).bodies if shop.is_order(body)]
        before = shop.delivered()
        outcome = drive_now(shop, shop.callbacks(placed), connections, keeps=True)
        good = shop.delivered() - before
        rates[name, shop.name] = outcome.per_second
        return good / outcome.seconds, outcome.latency_ms(0.99), good / max(1, len(placed))
    rates[name, shop.name] = outcome.per_second
    if not good:
        raise Wrong(f"{shop.name}, {name}: {dict(outcome.statuses)} {outcome.bodies[:1]}")
    return good / outcome.seconds, outcome.latency_ms(0.99), 1.0


def main() -> None:
    """Run it."""
    arguments = argparse.ArgumentParser(prog="python -m bench.peers.acg_faka")
    arguments.add_argument("--peer", type=Path, required=True, help="a clone of lizhipay/acg-faka")
    arguments.add_argument("--root", type=Path, default=Path("/"), help="where Debian's nginx, php-fpm and mariadb are")
    arguments.add_argument("--folder", type=Path, help="where both shops are made")
    given = arguments.parse_args()
    logs.configure("text", "warning")
    allow_sockets()
    load_before, started = os.getloadavg()[0], time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="kashop-peer-", dir=given.folder) as folder:
        work, data = Path(folder) / "peer", goods.data_of(Path(folder))
        work.mkdir()
        asyncio.run(goods.make_shop(load(data, {}), codes=2000, beside=0))
        with Stack(given.root, given.peer, work, free_port()) as stack, Server.shop(data) as shop:
            acg = Acg(stack)
            acg.install()
            figures = measure(Ours(shop.port, Desk(data)), acg)
            memory = f"memory: kashop {shop.memory_mib():.0f} MiB, acg-faka's stack {stack.memory_mib():.0f} MiB"
        plan = Plan(rounds=ROUNDS, seconds=SECONDS)
        about = conditions(plan, Pins(), load_before=load_before, seconds=time.perf_counter() - started, folder=Path(folder))
    print(tables.markdown(Run(commit(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), about, figures)))
    for figure in figures:
        told = {name: figure.part(name) for name in ("p99 ms", "their p99 ms", "delivered", "their delivered")}
        print(f"{figure.name}: " + ", ".join(f"{name} {value:.3g}" for name, value in told.items() if value is not None))
    print(memory)


if __name__ == "__main__":
    main()
