"""Two hundred addresses that never pay do not keep fifty codes from those who do."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from kashop.app import make_app
from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.shop import Shop
from tests.cast import TestClock, add_epay, add_product, config
from tests.risk.hoarding import Hoarders, Honest, Street, cheapen, siege

CODES, ADDRESSES = 50, 200
BEFORE = {
    "risk.captcha": "off",
    "risk.least_hold_minutes": 1440,
    **{
        f"risk.{name}": 0
        for name in (
            "orders_per_buyer",
            "codes_per_buyer",
            "orders_per_address",
            "codes_per_address",
            "orders_per_buyer_pressed",
            "codes_per_buyer_pressed",
            "orders_per_address_pressed",
        )
    },
}
"""The shop as it was before there were budgets."""


@pytest.fixture
async def street(data: Path, clock: TestClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Street]:
    cheapen(monkeypatch)
    proxied = msgspec.structs.replace(config(data), trusted_proxies=("127.0.0.1",))
    shop = await Shop.open(proxied, clock=clock, is_server=True)
    await add_epay(shop, mode="page")
    await add_product(shop, "steam-50", codes=CODES)
    transport = httpx.ASGITransport(app=make_app(shop), client=("127.0.0.1", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        yield Street(shop, client, clock)
    await shop.close()


async def share_served(street: Street, *, seconds: int, cores: float = 1.0, greed: int = 1) -> tuple[float, Hoarders, Honest]:
    """The share of honest tries that end in an order."""
    dice = random.Random(20)
    addresses = [".".join(str(dice.randrange(1, 224)) for _ in range(4)) for _ in range(ADDRESSES)]
    attackers, honest = Hoarders(street, addresses, cores=cores, greed=greed), Honest(street, dice)
    await siege(street, attackers, honest, seconds=seconds, every=20)
    return honest.bought / honest.tries, attackers, honest


async def test_four_minutes_of_hoarding(street: Street) -> None:
    share, attackers, honest = await share_served(street, seconds=240)
    assert attackers.placed > 20, "nobody hoarded"
    assert honest.tries == 11
    assert share >= 0.9


async def test_control_without_budgets_nobody_else_gets_one(street: Street) -> None:
    await settings.change(street.shop, BEFORE, CLI)
    share, _attackers, honest = await share_served(street, seconds=60)
    assert (honest.tries, share) == (2, 0)


@pytest.mark.drill
@pytest.mark.parametrize(("cores", "greed"), [(1.0, 1), (1.0, 5), (8.0, 1)])
async def test_ten_minutes_of_hoarding(street: Street, cores: float, greed: int) -> None:
    share, attackers, honest = await share_served(street, seconds=600, cores=cores, greed=greed)
    worked = sorted(honest.worked) or [0.0]
    print(f"\n{cores:g} cores, {greed} at once: honest {honest.bought} of {honest.tries} ({share:.0%}),")
    print(f"work {worked[len(worked) // 2]:.1f} s (most {worked[-1]:.1f}); hoarders placed {attackers.placed}")
    assert share >= 0.9 if cores == 1 else share > 0.5


@pytest.mark.drill
async def test_control_ten_minutes_as_it_was_before(street: Street) -> None:
    await settings.change(street.shop, BEFORE, CLI)
    share, attackers, honest = await share_served(street, seconds=600)
    print(f"\nbefore: honest {honest.bought} of {honest.tries} ({share:.0%}); hoarders placed {attackers.placed}")
    assert share == 0
