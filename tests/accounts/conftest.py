"""The web of a shop, nobody logged in."""

import pytest

from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.accounts.counting import Counting
from tests.admin.desk import app_of


@pytest.fixture
def app(shop: Shop) -> Edge:
    return app_of(shop)


@pytest.fixture
def counting(shop: Shop) -> Counting:
    hasher = Counting(shop.staff_passwords._hasher)
    shop.staff_passwords._hasher = hasher  # type: ignore[assignment]
    return hasher
