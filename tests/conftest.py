"""Fixtures that every room shares: a founded shop in a fresh copy of its data directory, on either engine.

KASHOP_TEST_ENGINE says on which: `sqlite`, as when nothing is said, `postgres`, or `both`, as `./install.sh test` does. On
PostgreSQL every test runs again that asks for a shop of its own (`data`, `shop` or `new_shop`), each on a database of its own
on a real server; but for those marked `sqlite`, because they look into the file. `both` leaves out there what is told more than
`TOLD_AGAIN` times with other words, and `CROWDS` (docs/decisions/0043).
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import msgspec
import pytest

from kashop.accounts import passwords
from kashop.db import migrate
from kashop.flows.found import Charter, found
from kashop.lib import catalogue
from kashop.plugins import finders, manifest
from kashop.shop import Shop
from kashop.vault import unseal
from kashop.web import assets
from tests.cast import OWNER, PASSWORD, CopyOf, NewShop, TestClock, config, copied
from tests.postgres import Shops, server

ENGINES = {"both": ["sqlite", "postgres"], "postgres": ["postgres"]}.get(os.environ.get("KASHOP_TEST_ENGINE", ""), ["sqlite"])

TOLD_AGAIN = 1
"""How often a test runs on PostgreSQL beside the file, however many words it is told with: the statements are the same."""

CROWDS = {"crash", "stress"}
"""Kills and crowds, each of which takes a server many seconds: on PostgreSQL only where that alone is asked for."""

SAMPLES = Path(__file__).parent / "stock"

CHARTER = Charter(owner=OWNER, owner_password=PASSWORD, shop_name="测试小店", is_practice=True)

hypothesis.settings.register_profile("shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("shared machine")  # how long an example takes says how busy the machine is


@pytest.fixture(scope="session", autouse=True)
def cheap_hashing() -> Iterator[None]:
    """Hash and stretch in microseconds: a thousand log-ins are about who gets in, not about the price. `accounts/price` pays in
    full, and so does every process that a test starts."""
    full = unseal.new_stretch

    def cheap() -> str:
        return msgspec.json.encode(msgspec.json.decode(full()) | {"memory": 8, "passes": 1}).decode()

    with pytest.MonkeyPatch.context() as patch:
        for price in (passwords._STAFF, passwords._LOOKUP):
            for name, value in (("time_cost", 1), ("memory_cost", 8)):
                patch.setitem(price, name, value)
        patch.setattr(unseal, "new_stretch", cheap)
        yield


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Wait two minutes for an answer where a test says nothing: the library's five seconds are over at once on a busy machine."""
    with pytest.MonkeyPatch.context() as patch:
        for wait in ("connect", "read", "write", "pool"):
            patch.setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, wait, 120.0)
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        engines = [pytest.param(name, id=name if name != ENGINES[0] else pytest.HIDDEN_PARAM) for name in ENGINES]
        metafunc.parametrize("engine", engines, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not for the engines that were asked for."""
    told: Counter[tuple[Path, str]] = Counter()
    wanted = [item for item in items if _is_wanted(item, told)]
    if len(wanted) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in set(wanted)])
        items[:] = wanted


def _is_wanted(item: pytest.Item, told: Counter[tuple[Path, str]]) -> bool:
    call = getattr(item, "callspec", None)
    engine = call.params.get("engine", "sqlite") if call else "sqlite"
    if engine == "sqlite":
        return engine in ENGINES
    told[test := (item.path, getattr(item, "originalname", ""))] += 1
    is_for_all = told[test] <= TOLD_AGAIN and item.path.parent.name not in CROWDS
    return not item.get_closest_marker("sqlite") and (is_for_all or len(ENGINES) == 1)


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> str:
    """What the shop of a test is kept on."""
    return str(request.param)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Shops]:
    """A real PostgreSQL, for tests of that engine whatever the others run on."""
    with server() as conninfo, closing(Shops(conninfo)) as shops:
        yield shops


@pytest.fixture
def address(postgres: Shops) -> Iterator[str]:
    """An empty database on it."""
    name = postgres.make()
    yield postgres.address(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def migrated(postgres: Shops) -> str:
    """The name of a database that has the schema and nothing else; make others like it."""
    name = postgres.make()
    migrate.apply(postgres.address(name))
    return name


@pytest.fixture
def migrated_address(postgres: Shops, migrated: str) -> Iterator[str]:
    """One of a test's own."""
    name = postgres.make(like=migrated)
    yield postgres.address(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def founded(cheap_hashing: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A practice shop in a file, founded once; copy it, do not open it."""
    data = tmp_path_factory.mktemp("template") / "shop"
    asyncio.run(found(config(data), CHARTER))
    return data


@pytest.fixture(scope="session")
def founded_on_postgres(cheap_hashing: None, postgres: Shops, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same on a server."""
    data = tmp_path_factory.mktemp("template-on-postgres") / "shop"
    data.mkdir()
    postgres.let(data, postgres.make())
    asyncio.run(found(config(data), CHARTER))
    return data


@pytest.fixture(scope="session")
def copy_of(engine: str, request: pytest.FixtureRequest) -> CopyOf:
    """Copies what a test of several made, as often as they want."""
    if engine == "sqlite":
        return lambda data, folder: nullcontext(copied(data, folder))
    shops = request.getfixturevalue("postgres")
    return lambda data, folder: _lent(shops, data, folder)


@contextmanager
def _lent(shops: Shops, original: Path, folder: Path) -> Iterator[Path]:
    data, like = copied(original, folder), shops.name(original)
    name = shops.lend(data, like)
    yield data
    shops.take_back(name, like)


@pytest.fixture(scope="session")
def new_shop(engine: str, copy_of: CopyOf, request: pytest.FixtureRequest) -> NewShop:
    """Makes shops like the founded one, for a test or for several."""
    data = request.getfixturevalue("founded" if engine == "sqlite" else "founded_on_postgres")
    return lambda folder: copy_of(data, folder)


@pytest.fixture
def data(new_shop: NewShop, tmp_path: Path) -> Iterator[Path]:
    """The data directory of a shop of this test's own, its key beside it."""
    with new_shop(tmp_path) as data:
        yield data


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
