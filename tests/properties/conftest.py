"""What histories begin with."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from kashop.db import moving
from kashop.plugins.kit.simulators.epay import EpaySimulator
from tests.cast import config
from tests.postgres import Shops
from tests.properties.looks import furnish


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
    """The same shop on a server."""
    name = postgres.make()
    moving.copy(config(template).file, postgres.address(name), lambda *_: None)
    yield name
    postgres.drop(name)
