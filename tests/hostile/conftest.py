"""One served shop for all hostile tests of a worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.served import Served, serve


@pytest.fixture(scope="session")
def served(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    shop = serve(founded, tmp_path_factory.mktemp("served"))
    try:
        yield shop
    finally:
        shop.stop()
