"""A shop that may reach loopback, because its kashop.toml would say so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kashop.settings.config import load
from kashop.shop import Shop
from tests.cast import TestClock


@pytest.fixture
async def near(data: Path, clock: TestClock) -> AsyncIterator[Shop]:
    """The practice shop, open, allowed to reach 127.0.0.0/8."""
    config = load(data, {}, base_url="http://shop.example", private_networks=["127.0.0.0/8"])
    shop = await Shop.open(config, clock=clock, is_server=True)
    yield shop
    await shop.close()
