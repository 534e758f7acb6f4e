"""What histories begin with."""

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from kashop.db import moving
from kashop.plugins.kit.simulators.epay import EpaySimulator
from tests.cast import config, copied
from tests.conftest import NewShop
from tests.postgres import Shops
from tests.properties.looks import furnish
from tests.properties.shops import on_server


@pytest.fixture
def epay() -> Iterator[EpaySimulator]:
    with EpaySimulator() as simulator:
        yield simulator


@pytest.fixture
def template(data: Path, epay: EpaySimulator) -> Path:
    """A shop with goods and a gateway; each history begins with a copy."""
    asyncio.run(furnish(data, epay))
    return data


@pytest.fixture
def like(template: Path, postgres: Shops) -> Iterator[str]:
    """The same shop on a server: a database that nobody opens."""
    place = config(template).place
    name = postgres.make("template0" if isinstance(place, Path) else place.partition(":///")[2].partition("?")[0])
    if isinstance(place, Path):
        moving.copy(place, postgres.address(name), lambda *_: None)
    yield name
    postgres.drop(name)


@pytest.fixture
def new_history(engine: str, template: Path, request: pytest.FixtureRequest) -> NewShop:
    """Makes the shops of histories."""
    if engine == "sqlite":
        return lambda folder: nullcontext(copied(template, folder))
    return on_server(request.getfixturevalue("postgres"), template, request.getfixturevalue("like"))
