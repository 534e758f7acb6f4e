"""Three servers of one shop on PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from kashop.flows.found import Charter, found
from kashop.settings.config import Config, load
from kashop.shop import Shop
from tests.cast import OWNER, PASSWORD, TestClock
from tests.postgres import Shops


@pytest.fixture
async def nodes(postgres: Shops, tmp_path: Path, clock: TestClock, cheap_hashing: None) -> AsyncIterator[list[Shop]]:
    """Three servers of one shop, each with a folder of its own."""
    address = postgres.address(name := postgres.make())
    made = _config(tmp_path / "one", address)
    await found(made, Charter(owner=OWNER, owner_password=PASSWORD, is_practice=True))
    async with AsyncExitStack() as stack:
        shops = []
        for folder in ("one", "two", "three"):
            (tmp_path / folder).mkdir(exist_ok=True)
            shop = await Shop.open(_config(tmp_path / folder, address, key=made.unseal_key_file), clock=clock, is_server=True)
            stack.push_async_callback(shop.close)
            shops.append(shop)
        yield shops
    postgres.drop(name)


def _config(data: Path, address: str, key: Path | None = None) -> Config:
    more = {"unseal_key_file": str(key)} if key else {}
    return load(data, {"KASHOP_DATABASE": address}, base_url="http://shop.example", **more)
