"""What is answered without the framework is answered as with it."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kashop.app import make_app
from kashop.flows import self_test
from kashop.payments import reads as payments
from kashop.risk.scopes import SCOPES
from kashop.shop import Shop
from kashop.web.direct import DirectWays, Way, whole_body
from kashop.web.errors import Answer, Stopped
from tests.cast import add_epay, add_product, call_back, epay_notice, order

_REQUEST_ID = re.compile(rb"\b[0-9a-f]{16}\b")


@pytest.fixture
async def doors(shop: Shop) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """The shop as it answers, and as it would if no way were direct."""
    direct, routed = make_app(shop), make_app(shop)
    ways = routed._inward._app  # type: ignore[attr-defined]
    assert isinstance(ways, DirectWays)
    ways._ways = ()
    found = [httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") for app in (direct, routed)]
    yield found[0], found[1]
    for client in found:
        await client.aclose()


async def alike(doors: tuple[httpx.AsyncClient, httpx.AsyncClient], method: str, path: str, **more: Any) -> httpx.Response:
    """The answer, which is the same by either."""
    answers = [await client.request(method, path, **more) for client in doors]
    for answer in answers:
        assert len(answer.headers.pop("x-request-id")) == 16
    told = [(a.status_code, _REQUEST_ID.sub(b"", a.content), sorted(a.headers.multi_items())) for a in answers]
    for one, other in zip(*told, strict=True):
        assert one == other
    return answers[0]


async def test_callbacks(shop: Shop, doors: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=3)
    query = epay_notice(await order(shop, "steam-50")).decode()
    path = "/pay/epay-main/callback"
    assert (await alike(doors, "GET", f"{path}?{query}")).text == "success"
    assert (await alike(doors, "POST", path, content=query, headers={"cookie": "s=1", "x-sign": "abc"})).text == "fail"
    one, other, _ = await shop.db.read(payments.callbacks, 10**9, limit=3)
    assert (one.method, one.body) == ("POST", query.encode())
    assert (one.method, one.body, one.headers) == (other.method, other.body, other.headers)
    assert '"x-sign":"abc"' in one.headers
    assert "cookie" not in one.headers
    assert (await alike(doors, "HEAD", f"{path}?{query}")).headers["content-length"] == "7"
    assert (await alike(doors, "GET", f"{path}/?{query}")).text == "success"
    assert (await alike(doors, "GET", f"{path}?{query}x")).status_code == 400
    assert (await alike(doors, "GET", f"/pay/nobody/callback?{query}")).status_code == 400
    assert (await alike(doors, "PUT", path)).status_code == 405
    assert (await alike(doors, "POST", path, content=b"x" * 70_000)).status_code == 413
    probe = await alike(doors, "GET", f"{path}?{self_test.PROBE}={self_test._probe(shop, 'epay-main')}")
    assert (probe.status_code, len(probe.text)) == (200, 32)
    assert probe.headers["cache-control"] == "no-store"


async def test_an_order_by_its_token(shop: Shop, doors: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=3)
    placed, other = await order(shop, "steam-50"), await order(shop, "steam-50")
    path, bearer = f"/api/v1/orders/{placed.order.order_no}", {"authorization": f"Bearer {placed.token}"}
    shown = await alike(doors, "GET", path, headers=bearer)
    assert (shown.status_code, shown.json()["status"], shown.json()["payment"]["kind"]) == (200, "pending", "redirect")
    await call_back(shop, epay_notice(placed))
    shown = await alike(doors, "GET", path, headers=bearer)
    assert (shown.json()["status"], shown.json()["payment"], shown.json()["paid"]["amount"]) == ("delivered", None, "12.50")
    assert (await alike(doors, "HEAD", path, headers=bearer)).content == b""
    assert (await alike(doors, "GET", f"{path}/", headers=bearer)).status_code == 200
    refused = [
        ("GET", path, {}, 401),
        ("GET", path, {"authorization": f"Basic {placed.token}"}, 401),
        ("GET", path, {"authorization": f"Bearer {other.token}"}, 404),
        ("GET", "/api/v1/orders/K261101NOTHERE", bearer, 404),
        ("GET", f"{path}?a=1", bearer, 422),
        ("GET", f"{path}?a=%ff", bearer, 400),
        ("POST", path, bearer, 405),
        ("DELETE", path, bearer, 405),
    ]
    for method, where, headers, status in refused:
        answer = await alike(doors, method, where, headers=headers)
        assert answer.status_code == status
        assert placed.token not in answer.text


async def test_an_order_by_its_link(shop: Shop, doors: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=3)
    placed, other = await order(shop, "steam-50"), await order(shop, "steam-50")
    page = f"/o/{placed.order.order_no}"
    link = f"{page}?k={placed.token}"
    cashier = await alike(doors, "GET", link, headers={"user-agent": "MicroMessenger"})
    assert (cashier.status_code, cashier.headers["cache-control"]) == (200, "no-store")
    assert 'class="panel cashier"' in cashier.text
    assert "微信" in cashier.text
    asked_again = await alike(doors, "GET", f"{link}&checked=1&lang=en")
    assert "No payment has arrived yet." in asked_again.text
    assert f'href="{link.replace("&", "&amp;")}&amp;checked=' not in asked_again.text
    assert asked_again.headers["set-cookie"].startswith("kashop_locale=en;")
    await call_back(shop, epay_notice(placed))
    shown = await alike(doors, "GET", f"{link}&lang=en")
    assert "Show the codes" in shown.text
    assert f'href="{page}?k={placed.token}&amp;lang=zh_Hans"' in shown.text
    assert (await alike(doors, "HEAD", link)).content == b""
    assert (await alike(doors, "GET", f"{page}/?k={placed.token}")).status_code == 200
    nothing_there = [page, f"{page}?k=", f"{page}?k={other.token}", f"{page}?k={'x' * 65}", f"/o/K261101NOTHERE?k={placed.token}"]
    for where in nothing_there:
        answer = await alike(doors, "GET", where)
        assert (answer.status_code, placed.order.order_no in answer.text.replace(page, "")) == (404, False)
    assert (await alike(doors, "POST", link)).status_code in (403, 405)


async def test_wrong_tokens_are_counted(shop: Shop, doors: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    headers = {"authorization": "Bearer nobody"}
    tries = range(SCOPES["order token"].most + 1)
    answers = [(await doors[0].get("/api/v1/orders/K1", headers=headers)).status_code for _ in tries]
    assert answers[-2:] == [404, 429]


async def nothing(*_anything: object) -> Answer:
    raise AssertionError


@pytest.mark.parametrize(
    ("pattern", "method", "path", "found"),
    [
        ("/pay/*/callback", "GET", "/pay/epay/callback", "epay"),
        ("/pay/*/callback", "POST", "/pay/epay/callback", None),
        ("/pay/*/callback", "GET", "/pay//callback", None),
        ("/pay/*/callback", "GET", "/pay/callback", None),
        ("/pay/*/callback", "GET", "/pay/a/b/callback", None),
        ("/pay/*/callback", "GET", "/pay/epay/callback/", None),
        ("/orders/*", "GET", "/orders/K1", "K1"),
        ("/orders/*", "GET", "/orders/", None),
        ("/orders/*", "GET", "/orders", None),
        ("/orders/*", "GET", "/orders/K1/cancel", None),
        ("/orders", "GET", "/orders", ""),
        ("/orders", "GET", "/orders/K1", None),
        ("/orders", "GET", "/ordersK1", None),
    ],
)
def test_a_way_is_a_whole_path_with_one_segment_in_its_place(pattern: str, method: str, path: str, found: str | None) -> None:
    assert Way.on(("GET",), pattern, nothing).find(method, path) == found


async def body_of(*messages: dict[str, object]) -> bytes:
    waiting = list(messages)

    async def receive() -> dict[str, object]:
        return waiting.pop(0)

    return await whole_body(receive)


async def test_a_body_is_read_whole_in_however_many_parts() -> None:
    parts = [{"type": "http.request", "body": b, "more_body": True} for b in (b"a", b"b")]
    assert await body_of(*parts, {"type": "http.request"}) == b"ab"
    assert await body_of({"type": "http.request", "body": b"c"}) == b"c"


@pytest.mark.parametrize("before", [(), ({"type": "http.request", "body": b"a", "more_body": True},)])
async def test_half_a_body_is_none(before: tuple[dict[str, object], ...]) -> None:
    with pytest.raises(Stopped):
        await body_of(*before, {"type": "http.disconnect"})
