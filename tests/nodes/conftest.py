"""A shop on PostgreSQL that several servers are to work on: a data directory for each, one database, one key."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kashop.flows.found import Charter, found
from tests.cast import OWNER, PASSWORD, config
from tests.nodes.pair import Pair
from tests.postgres import Shops


@pytest.fixture(scope="session")
def founded_there(postgres: Shops, cheap_hashing: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A practice shop on a server, founded once, and its database: copy them, do not open them."""
    data = tmp_path_factory.mktemp("there") / "shop"
    data.mkdir()
    name = postgres.make()
    _lead(data, postgres.address(name))
    asyncio.run(found(config(data), Charter(owner=OWNER, owner_password=PASSWORD, shop_name="测试小店", is_practice=True)))
    return data, name


@pytest.fixture
def pair(postgres: Shops, founded_there: tuple[Path, str], tmp_path: Path) -> Iterator[Pair]:
    """What two servers share, and the folder of each."""
    template, like = founded_there
    address = postgres.address(name := postgres.make(like))
    folders = (tmp_path / "one", tmp_path / "other")
    for data in folders:
        shutil.copytree(template, data)
        shutil.copy2(template.with_name("shop.key"), data.with_name(f"{data.name}.key"))
        _lead(data, address)
    yield Pair(address, folders)
    postgres.drop(name)


def _lead(data: Path, address: str) -> None:
    (data / "kashop.toml").write_text(f'database = "{address}"\n')
