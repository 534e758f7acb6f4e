"""What histories begin with."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from kashop.plugins.kit.simulators.epay import EpaySimulator
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
