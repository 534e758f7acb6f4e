"""The hoarder: a street of attackers with two hundred addresses who never pay, and honest buyers who do, on one faked clock.

Everything goes through the whole web in memory, with X-Forwarded-For from a trusted proxy. Only time is faked: it stands while a
request is answered and then passes. What computing takes is charged by the tries that a challenge asks for; the tries themselves
are made cheap, so that ten minutes of one core pass quickly.
"""

import random
from dataclasses import dataclass, field
from typing import Any

import altcha
import httpx

from kashop.bundled.captcha_altcha import proof
from kashop.jobs.schedule import expire_orders
from kashop.shop import Shop
from tests.cast import EPAY, TestClock, call_back
from tests.properties.notices import notice

TRIES_A_SECOND = 900
"""Of one core at the real cost, as in the plugin."""
CHEAP = 30
"""The tries of a challenge are so many times fewer here, and so many times dearer."""


def cheapen(monkeypatch: Any) -> None:
    """Few and cheap tries, for which `Hoarders` and `Honest` are charged in full."""
    monkeypatch.setattr(proof, "TRIES_A_SECOND", TRIES_A_SECOND / CHEAP)
    monkeypatch.setattr(proof, "COST", 1)
    monkeypatch.setattr(proof.secrets, "randbelow", random.Random(20).randrange)  # the same luck each time


def body(number: str, quantity: int = 1) -> dict[str, Any]:
    return {
        "lines": [{"sku": "steam-50", "quantity": quantity}],
        "contact": {"type": "email", "value": f"{number}@example.com"},
        "gateway": "epay-main",
        "method": "alipay",
    }


def solved(challenge: dict[str, Any]) -> tuple[str, float]:
    """The answer, and the seconds of one core that it takes."""
    told = altcha.Challenge.from_dict(challenge)
    solution = altcha.solve_challenge(told)
    assert solution is not None
    answer: str = altcha.Payload(told, solution).to_base64()
    return answer, (solution.counter + 1) * CHEAP / TRIES_A_SECOND


@dataclass
class Street:
    """The shop, its door and its clock."""

    shop: Shop
    client: httpx.AsyncClient
    clock: TestClock
    made: int = 0

    async def ask(self, ip: str, contact: str, *, quantity: int = 1, answer: str = "") -> httpx.Response:
        """One try to order, as the trusted proxy on loopback hands it on."""
        self.made += 1
        headers = {"idempotency-key": f"hoarding-{self.made:012}", "x-forwarded-for": ip}
        if answer:
            headers["kashop-proof"] = answer
        return await self.client.post("/api/v1/orders", json=body(contact, quantity), headers=headers)


@dataclass
class Hoarders:
    """Two hundred addresses, a new contact for each order, no cookies; `cores` compute. They take what is free the moment
    it is free, by the address that was used least and so works least, as many at once as they are let."""

    street: Street
    addresses: list[str]
    cores: float = 1.0
    greed: int = 1
    core_free_at: float = 0.0
    ready: list[tuple[float, str, str, str]] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)
    placed: int = 0
    refused: int = 0

    async def second(self) -> None:
        """What they do within a second."""
        now = self.street.clock.now() / 1000
        due = [r for r in self.ready if r[0] <= now]
        self.ready = [r for r in self.ready if r[0] > now]
        for _at, ip, contact, answer in due:
            await self._try(ip, contact, answer, now)
        misses = 0
        while self.core_free_at <= now + 1 and misses < 4:
            ip = min(self.addresses, key=lambda a: self.used.get(a, 0))
            self.used[ip] = self.used.get(ip, 0) + 1
            misses += not await self._try(ip, f"x{self.street.made}", "", now)

    async def _try(self, ip: str, contact: str, answer: str, now: float) -> bool:
        reply = await self.street.ask(ip, contact, answer=answer, quantity=self.greed)
        if reply.status_code == 201:
            self.placed += 1
            return True
        self.refused += 1
        if reply.status_code == 428 and not answer:
            said, seconds = solved(reply.json()["challenge"])
            self.core_free_at = max(now, self.core_free_at) + seconds / self.cores
            self.ready.append((self.core_free_at, ip, contact, said))
            return True
        return False


@dataclass
class Honest:
    """A buyer comes now and then, computes on what equals one core, and pays a minute after ordering."""

    street: Street
    dice: random.Random
    tries: int = 0
    bought: int = 0
    worked: list[float] = field(default_factory=list)
    waiting: list[tuple[float, str, str, str]] = field(default_factory=list)
    to_pay: list[tuple[float, str]] = field(default_factory=list)

    async def second(self, *, comes: bool) -> None:
        """What happens to honest buyers within a second."""
        now = self.street.clock.now() / 1000
        for at, attempt in [p for p in self.to_pay if p[0] <= now]:
            self.to_pay.remove((at, attempt))
            await call_back(self.street.shop, notice(attempt, f"T{attempt}", 1250, "alipay", key=EPAY["key"]))
        for each in [w for w in self.waiting if w[0] <= now]:
            self.waiting.remove(each)
            await self._order(*each[1:], now)
        if comes:
            self.tries += 1
            ip = ".".join(str(self.dice.randrange(1, 224)) for _ in range(4))
            await self._order(ip, f"h{self.tries}", "", now)

    async def _order(self, ip: str, contact: str, answer: str, now: float) -> None:
        reply = await self.street.ask(ip, contact, answer=answer)
        if reply.status_code == 201:
            self.bought += 1
            self.to_pay.append((now + 60, reply.json()["payment"]["attempt"]))
        elif reply.status_code == 428:
            said, seconds = solved(reply.json()["challenge"])
            self.worked.append(seconds)
            self.waiting.append((now + seconds, ip, contact, said))


async def siege(street: Street, attackers: Hoarders, honest: Honest, *, seconds: int, every: int) -> None:
    """So long honest buyers come, the hoarders a little before them in every second, and two minutes longer, in which those who
    compute still may end; unpaid orders run out as the job ends them."""
    for second in range(seconds + 120):
        await attackers.second()
        await honest.second(comes=0 < second < seconds and second % every == 0)
        street.clock.pass_time(seconds=1)
        if second % 10 == 9:
            await expire_orders(street.shop)
