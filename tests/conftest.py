"""Fixtures that every room shares: a founded shop in a fresh copy of its data directory.

With KASHOP_TEST_ENGINE=postgres each has a database of its own on a real PostgreSQL; what is marked `sqlite`, because it looks
into the file, is then left out.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from kashop.accounts import passwords
from kashop.flows.found import Charter, found
from kashop.lib import catalogue
from kashop.plugins import finders, manifest
from kashop.shop import Shop
from kashop.web import assets
from tests.cast import OWNER, PASSWORD, TestClock, config
from tests.postgres import Shops, server

ON_POSTGRES = os.environ.get("KASHOP_TEST_ENGINE") == "postgres"

NAME = "database.name"
"""Where a founded shop on a server says what its database is called."""

SAMPLES = Path(__file__).parent / "stock"

hypothesis.settings.register_profile("shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("shared machine")  # how long an example takes says how busy the machine is


@pytest.fixture(scope="session", autouse=True)
def cheap_hashing() -> Iterator[None]:
    """Hash in microseconds: a thousand log-ins are about who gets in, not about the price. `accounts/price` pays in full, and so
    does every process that a test starts."""
    with pytest.MonkeyPatch.context() as patch:
        for price in (passwords._STAFF, passwords._LOOKUP):
            for name, value in (("time_cost", 1), ("memory_cost", 8)):
                patch.setitem(price, name, value)
        yield


@pytest.fixture(scope="session", autouse=True)
def read_once() -> Iterator[None]:
    """Read only once in a process what every opening of a shop reads from the same files: words, assets, manifests."""
    with pytest.MonkeyPatch.context() as patch:
        for place, name in ((assets, "_read_asset"), (catalogue, "_read"), (manifest, "read")):
            patch.setattr(place, name, _remembered(getattr(place, name)))
        installed: dict[tuple[str, ...], list[finders.Found]] = {}
        packages = finders.packages

        def remembered() -> list[finders.Found]:
            if tuple(sys.path) not in installed:
                installed[tuple(sys.path)] = list(packages())
            return installed[tuple(sys.path)]

        patch.setattr(finders, "packages", remembered)
        yield


def _remembered(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """The same reading, done again only for a file that changed."""
    known: dict[tuple[Path, int, int], Any] = {}

    def remembered(path: Path) -> Any:
        state = path.stat()
        key = (path, state.st_mtime_ns, state.st_size)
        if key not in known:
            known[key] = read(path)
        return known[key]

    return remembered


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if ON_POSTGRES:
        for item in items:
            if item.get_closest_marker("sqlite"):
                item.add_marker(pytest.mark.skip(reason="it looks into the SQLite file"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Shops]:
    """A real PostgreSQL, for tests of that engine whatever the others run on."""
    with server() as conninfo:
        yield Shops(conninfo)


@pytest.fixture(scope="session")
def shops(request: pytest.FixtureRequest) -> Shops | None:
    """The databases of shops, where they are on a server."""
    found: Shops | None = request.getfixturevalue("postgres") if ON_POSTGRES else None
    return found


@pytest.fixture(scope="session")
def founded(cheap_hashing: None, shops: Shops | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A practice shop, founded once; copy it, do not open it."""
    data = tmp_path_factory.mktemp("template") / "shop"
    if shops:
        data.mkdir()
        (data / NAME).write_text(shops.lend(data))
    charter = Charter(owner=OWNER, owner_password=PASSWORD, shop_name="测试小店", is_practice=True)
    asyncio.run(found(config(data), charter))
    return data


@pytest.fixture
def data(founded: Path, shops: Shops | None, tmp_path: Path) -> Iterator[Path]:
    """The data directory of a shop of this test's own, its key beside it."""
    shutil.copytree(founded, tmp_path / "shop")
    shutil.copy2(founded.with_name("shop.key"), tmp_path / "shop.key")
    if shops is None:
        yield tmp_path / "shop"
        return
    template = (founded / NAME).read_text()
    name = shops.lend(tmp_path / "shop", like=template)
    yield tmp_path / "shop"
    shops.take_back(name, template)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
async def shop(data: Path, clock: TestClock) -> AsyncIterator[Shop]:
    """The shop, open, with a clock that stands."""
    shop = await Shop.open(config(data), clock=clock, is_server=True)
    yield shop
    await shop.close()


@pytest.fixture
def samples() -> Path:
    """Stock files as merchants have them."""
    return SAMPLES
