"""The owner at the panel of a shop of this test's own."""

import pytest

from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import Desk, app_of, step_up


@pytest.fixture
def app(shop: Shop) -> Edge:
    return app_of(shop)


@pytest.fixture
async def owner(shop: Shop, app: Edge) -> Desk:
    """Logged in, and just proved to be who he is."""
    desk = Desk(app)
    assert (await desk.log_in()).status_code == 303
    await step_up(shop)
    return desk
