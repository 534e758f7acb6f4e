"""Robots and scripts: what they are told, how fast they may go, and what is never to be indexed."""

import httpx
import pytest

from kashop.app import make_app
from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.shop import Shop
from tests.cast import TestClock, add_epay, add_product, order

ROBOT = {"user-agent": "Mozilla/5.0 (compatible; Anybot/1.0; +https://anybot.example)"}
BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}


def browser(shop: Shop, ip: str = "203.0.113.7") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=make_app(shop, is_strict=True), client=(ip, 50000))
    return httpx.AsyncClient(transport=transport, base_url="http://shop.example")


async def test_robots_are_told_where_they_may_go(shop: Shop) -> None:
    async with browser(shop) as client:
        told = await client.get("/robots.txt")
    assert told.status_code == 200
    assert told.headers["content-type"].startswith("text/plain")
    lines = told.text.splitlines()
    assert {"Disallow: /o/", "Disallow: /admin", "Disallow: /api/", "Allow: /"} <= set(lines)
    assert "Disallow: /p/" not in lines


async def test_nothing_private_is_ever_indexed(shop: Shop) -> None:
    await add_epay(shop, mode="page")
    await add_product(shop, "steam-50", codes=2)
    placed = await order(shop, "steam-50")
    own = f"/o/{placed.order.order_no}?k={placed.token}"
    async with browser(shop) as client:
        for path in (own, "/lookup", "/admin/login", "/api/v1/products", "/pay/epay-main/return", "/x/nobody/x", "/supply"):
            assert (await client.get(path)).headers.get("x-robots-tag") == "noindex", path
        assert "noindex" in (await client.post("/checkout", data={"product": "none"})).headers["x-robots-tag"]
        for path in ("/", "/p/steam-50", "/robots.txt"):
            assert "x-robots-tag" not in (await client.get(path)).headers, path


async def test_a_robot_is_slowed_on_pages_that_are_drawn_and_told_when_to_come_back(shop: Shop, clock: TestClock) -> None:
    await add_product(shop, "steam-50", codes=2)
    async with browser(shop) as client, browser(shop, "203.0.113.8") as other:
        seen = [(await client.get(f"/?page={n}", headers=ROBOT)).status_code for n in range(125)]
        assert seen == [200] * 120 + [429] * 5
        refused = await client.get("/?page=x", headers=ROBOT)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await client.get("/?page=x", headers=BROWSER)).status_code == 200  # a person behind the same address
        assert (await other.get("/?page=x", headers=ROBOT)).status_code == 200
        assert (await client.get("/p/steam-50", headers=ROBOT)).status_code == 200  # it stands ready
        clock.pass_time(seconds=61)
        assert (await client.get("/?page=x", headers=ROBOT)).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/products", "/api/v1/orders"])
async def test_the_api_is_called_so_often_whichever_way_it_answers(shop: Shop, path: str) -> None:
    await settings.change(shop, {"risk.api_calls": 20}, CLI)
    async with browser(shop) as client, browser(shop, "203.0.113.8") as other:
        method = "GET" if path.endswith("products") else "POST"
        seen = [(await client.request(method, path)).status_code for _ in range(25)]
        assert seen[20:] == [429] * 5
        assert 429 not in seen[:20]
        assert (await client.get("/")).status_code == 200
        assert (await other.request(method, path)).status_code != 429
        told = (await client.request(method, path)).json()
        assert told["code"] == "too_many"
