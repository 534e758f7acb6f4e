"""The hoarder in real time: a served shop, real HTTP through a trusted proxy, real work, orders that run out by the shop's job.

Two minutes stand for the ten of `test_hoarder.py`: an order holds one minute at most, an honest buyer comes every four seconds
and pays five seconds after ordering. Attackers have one process to compute in, the honest four, and all share the machine.
"""

import asyncio
import random
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import altcha
import httpx
import pytest

from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.shop import Shop
from tests.cast import EPAY, add_epay, add_product, config
from tests.properties.notices import notice
from tests.risk.hoarding import body
from tests.risk.test_hoarder import ADDRESSES, BEFORE, CODES
from tests.serving import Served

EVERY, PAYS_AFTER, PATIENCE = 4.0, 5.0, 60.0
"""Seconds: between honest buyers, from order to payment, and how long one computes before he leaves."""


def solved(challenge: dict[str, Any]) -> str:
    """The answer to a challenge: all of the work."""
    told = altcha.Challenge.from_dict(challenge)
    solution = altcha.solve_challenge(told)
    assert solution is not None
    answer: str = altcha.Payload(told, solution).to_base64()
    return answer


@dataclass
class Till:
    """One side's way to the shop, and where it computes."""

    client: httpx.AsyncClient
    pool: ProcessPoolExecutor
    name: str
    asked: int = 0
    answers: Counter[int] = field(default_factory=Counter)

    async def ask(self, ip: str, contact: str, answer: str = "") -> httpx.Response:
        self.asked += 1
        headers = {"idempotency-key": f"{self.name}-{self.asked:020}", "x-forwarded-for": ip}
        if answer:
            headers["kashop-proof"] = answer
        reply = await self.client.post("/api/v1/orders", json=body(contact), headers=headers)
        self.answers[reply.status_code] += 1
        return reply

    async def buy(self, ip: str, contact: str) -> httpx.Response:
        """An order, with the work that it costs."""
        reply = await self.ask(ip, contact)
        if reply.status_code == 428:
            loop = asyncio.get_running_loop()
            said = await loop.run_in_executor(self.pool, solved, reply.json()["challenge"])
            reply = await self.ask(ip, contact, said)
        return reply


@dataclass
class Hoard:
    """Two hundred addresses that take what is free by the one that was used least, one order after the other, and never pay."""

    till: Till
    addresses: list[str]

    async def take(self) -> None:
        used = dict.fromkeys(self.addresses, 0)
        while True:
            ip = min(used, key=used.__getitem__)
            used[ip] += 1
            reply = await self.till.buy(ip, f"x{self.till.asked}")
            if reply.status_code != 201:
                await asyncio.sleep(0.1)


@dataclass
class Honest:
    """They come, and pay."""

    till: Till
    dice: random.Random
    tries: int = 0
    bought: int = 0
    paid: int = 0
    waited: list[float] = field(default_factory=list)

    async def come(self, seconds: float) -> None:
        began, under_way = time.monotonic(), []
        while time.monotonic() - began < seconds:
            self.tries += 1
            under_way.append(asyncio.create_task(self._one(self.tries)))
            await asyncio.sleep(max(0.0, began + self.tries * EVERY - time.monotonic()))
        await asyncio.gather(*under_way)

    async def _one(self, n: int) -> None:
        ip, began = ".".join(str(self.dice.randrange(1, 224)) for _ in range(4)), time.monotonic()
        try:
            reply = await asyncio.wait_for(self.till.buy(ip, f"h{n}"), PATIENCE)
        except TimeoutError:
            return
        if reply.status_code != 201:
            return
        self.bought += 1
        self.waited.append(time.monotonic() - began)
        await asyncio.sleep(PAYS_AFTER)
        attempt = reply.json()["payment"]["attempt"]
        told = notice(attempt, f"T{attempt}", 1250, "alipay", key=EPAY["key"])
        answer = await self.till.client.get(f"/pay/epay-main/callback?{told.decode()}")
        self.paid += answer.text == "success"


async def furnish(data: Path, changes: dict[str, Any]) -> None:
    shop = await Shop.open(config(data), is_server=True)
    await add_epay(shop, mode="page")
    await add_product(shop, "steam-50", codes=CODES, hold_minutes=1)
    await settings.change(shop, changes, CLI)
    await shop.close()


async def besieged(url: str, seconds: float) -> tuple[Honest, Till]:
    """Hoarders first; three seconds later the honest come."""
    dice = random.Random(20)
    addresses = [".".join(str(dice.randrange(1, 224)) for _ in range(4)) for _ in range(ADDRESSES)]
    with ProcessPoolExecutor(1) as one, ProcessPoolExecutor(4) as four:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            hoard = Hoard(Till(client, one, "hoarder"), addresses)
            honest = Honest(Till(client, four, "honest"), dice)
            hoarding = [asyncio.create_task(hoard.take()) for _ in range(4)]
            await asyncio.sleep(3)
            await honest.come(seconds)
            assert not any(task.done() for task in hoarding), "the hoarders gave up"
            for task in hoarding:
                task.cancel()
            await asyncio.gather(*hoarding, return_exceptions=True)
    return honest, hoard.till


async def share_served(data: Path, changes: dict[str, Any], seconds: float) -> float:
    await furnish(data, changes)
    with Served(data, KASHOP_TRUSTED_PROXIES="127.0.0.1") as server:
        honest, hoard = await besieged(server.url, seconds)
        waited = sorted(honest.waited) or [0.0]
        print(f"\nhonest {honest.bought} of {honest.tries}, {honest.paid} paid; half waited {waited[len(waited) // 2]:.1f} s,")
        print(f"all {waited[-1]:.1f} s; answered {dict(honest.till.answers)}; hoarders were answered {dict(hoard.answers)}")
        assert honest.paid == honest.bought
        assert hoard.answers[201] > 10, "nobody hoarded"
        await asyncio.to_thread(server.check)
    return honest.bought / honest.tries


@pytest.mark.drill
async def test_two_minutes_of_hoarding_in_real_time(data: Path) -> None:
    assert await share_served(data, {"risk.least_hold_minutes": 1}, 120) >= 0.8


@pytest.mark.drill
async def test_control_without_budgets_in_real_time(data: Path) -> None:
    assert await share_served(data, BEFORE, 60) < 0.5
