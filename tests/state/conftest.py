"""Two servers of one shop on one PostgreSQL, each with a folder of its own."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from kashop.flows.found import Charter, found
from kashop.settings.config import Config, load
from kashop.shop import Shop
from tests import valkey
from tests.cast import OWNER, PASSWORD, TestClock
from tests.postgres import Shops


@pytest.fixture(scope="session")
def founded_there(postgres: Shops, cheap_hashing: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The database of a practice shop, founded once, and its folder."""
    folder = tmp_path_factory.mktemp("nodes") / "one"
    folder.mkdir()
    name = postgres.make()
    charter = Charter(owner=OWNER, owner_password=PASSWORD, shop_name="测试小店", is_practice=True)
    asyncio.run(found(config_of(folder, postgres.address(name)), charter))
    return name, folder


def config_of(folder: Path, address: str, **more: str) -> Config:
    """What a server of the shop is started with; the key of each lies beside its folder."""
    return load(folder, {"KASHOP_DATABASE": address}, base_url="http://shop.example", **more)


@pytest.fixture
def configs(postgres: Shops, founded_there: tuple[str, Path], tmp_path: Path) -> Iterator[list[Config]]:
    """Of two servers of a shop of this test's own."""
    like, folder = founded_there
    (tmp_path / "own").mkdir()
    name = postgres.lend(tmp_path / "own", like=like)
    made = []
    for node in ("one", "two"):
        shutil.copytree(folder, tmp_path / node)
        shutil.copy2(folder.with_name("one.key"), tmp_path / f"{node}.key")
        made.append(config_of(tmp_path / node, postgres.address(name)))
    yield made
    postgres.take_back(name, like)


@pytest.fixture
async def nodes(configs: list[Config], clock: TestClock) -> AsyncIterator[list[Shop]]:
    """The two servers, open, with one clock that stands."""
    async with AsyncExitStack() as stack:
        shops = []
        for config in configs:
            shops.append(await Shop.open(config, clock=clock, is_server=True))
            stack.push_async_callback(shops[-1].close)
        yield shops


@pytest.fixture(scope="session")
def valkey_address() -> Iterator[str]:
    """A real Valkey."""
    with valkey.server() as address:
        yield address
