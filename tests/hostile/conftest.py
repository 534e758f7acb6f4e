"""One served shop for all hostile tests of a worker."""

from collections.abc import Iterator

import pytest

from tests.conftest import NewShop
from tests.hostile.served import Served, serve


@pytest.fixture(scope="session")
def served(new_shop: NewShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with new_shop(tmp_path_factory.mktemp("served")) as data:
        shop = serve(data)
        try:
            yield shop
        finally:
            shop.stop()
