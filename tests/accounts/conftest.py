"""The web of a shop, nobody logged in."""

import pytest

from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import app_of


@pytest.fixture
def app(shop: Shop) -> Edge:
    return app_of(shop)
