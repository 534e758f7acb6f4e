"""The JSON API through the whole web, in memory: edge, framework, door."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kashop.app import make_app
from kashop.catalog.types import BuyerField
from kashop.shop import Shop
from tests.cast import add_epay, add_product


class Api:
    """A script that buys. `key` is fresh for each order unless given."""

    def __init__(self, client: httpx.AsyncClient):
        self.client = client
        self._orders = 0

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(f"/api/v1{path}", **more)

    async def post(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.post(f"/api/v1{path}", **more)

    async def order(self, body: object = None, *, key: str | None = None, **over: Any) -> httpx.Response:
        """Place an order: the usual wish with changes, or a whole body."""
        self._orders += 1
        headers = {"idempotency-key": f"order-{self._orders}" if key is None else key}
        return await self.post("/orders", json=usual(**over) if body is None else body, headers=headers)

    async def of(self, placed: dict[str, Any], act: str = "", **more: Any) -> httpx.Response:
        """Something about a placed order, with its token: look when `act` is empty."""
        headers = {"authorization": f"Bearer {placed['token']}"}
        path = f"/orders/{placed['order_no']}"
        return await (self.post(f"{path}/{act}", headers=headers, **more) if act else self.get(path, headers=headers))


def usual(**over: Any) -> dict[str, Any]:
    """What most tests order."""
    wish = {
        "lines": [{"sku": "steam-50", "quantity": 2}],
        "contact": {"type": "email", "value": "a@example.com"},
        "gateway": "epay-main",
        "method": "alipay",
        **over,
    }
    return {name: value for name, value in wish.items() if value is not None}


@pytest.fixture(autouse=True)
async def stocked(shop: Shop) -> None:
    await add_epay(shop, mode="page")
    await add_product(shop, "steam-50", codes=5, max_quantity=10, tiers=((3, 1100),))
    server = BuyerField(name="server", label="Server", kind="select", choices=("EU", "US"))
    await add_product(shop, "game-card", codes=3, fields=(server,), stock_display="level")
    await add_product(shop, "by-hand", delivery="manual", contact_type="none")


@pytest.fixture
async def api(shop: Shop) -> AsyncIterator[Api]:
    transport = httpx.ASGITransport(app=make_app(shop, is_strict=True), client=("203.0.113.7", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        yield Api(client)
