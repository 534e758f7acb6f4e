"""The shop's pages through its whole web, in memory: edge, framework, theme; templates strict."""

from collections.abc import AsyncIterator

import httpx
import pytest

from kashop.app import make_app
from kashop.shop import Shop


@pytest.fixture
async def site(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without JavaScript: keeps cookies, follows nothing by itself."""
    transport = httpx.ASGITransport(app=make_app(shop, is_strict=True), client=("203.0.113.7", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        yield client
