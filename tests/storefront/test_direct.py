"""An order form is answered without the framework, and alike by it: the cashier, what is wrong, sold out, proofs and budgets."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from litestar import Response
from litestar.datastructures import Cookie
from litestar.response.base import ASGIResponse

from kashop.app import make_app
from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.web import answers, storefront
from tests.cast import add_epay, add_product

GOOD = {
    "product": "steam-50",
    "sku": "steam-50",
    "quantity": "1",
    "payment": "epay-main:alipay",
    "contact": "a@example.com",
    "seen": "steam-50=1250",
    "idempotency_key": "one-form-0123456789-0123456789",
}
FORM = "application/x-www-form-urlencoded"
HERE = {"origin": "http://shop.example", "content-type": FORM}


@pytest.fixture
async def stocked(shop: Shop) -> Shop:
    await add_epay(shop, mode="page")
    await add_product(shop, "steam-50", codes=4)
    await add_product(shop, "empty")
    return shop


def body(**over: str | None) -> bytes:
    return urlencode({n: v for n, v in {**GOOD, **over}.items() if v is not None}).encode()


REQUESTS: dict[str, tuple[bytes, dict[str, str], str]] = {
    "a second order": (body(contact="b@example.com"), {}, ""),
    "the same form again": (body(), {}, ""),
    "no key": (body(idempotency_key=None), {}, ""),
    "a language chosen": (body(quantity="0"), {}, "?lang=en"),
    "wrong quantity": (body(quantity="x"), {}, ""),
    "too many": (body(quantity="1000"), {}, ""),
    "wrong contact": (body(contact="没有"), {}, ""),
    "no such way to pay": (body(payment="none:none"), {}, ""),
    "more than there is": (body(quantity="9"), {}, ""),
    "sold out": (body(product="empty", sku="empty", seen=""), {}, ""),
    "another price": (body(seen="steam-50=1000"), {}, ""),
    "another product's sku": (body(sku="empty"), {}, ""),
    "no product": (body(product="none"), {}, ""),
    "nothing at all": (b"", {}, ""),
    "bad escapes": (b"product=%zz", {}, ""),
    "no utf-8": (b"product=%ff", {}, ""),
    "fields without end": (b"&".join(b"a%d=1" % n for n in range(100)), {}, ""),
    "one field twice": (body() + b"&contact=b%40example.com", {}, ""),
    "another kind": (b"{}", {"content-type": "application/json"}, ""),
    "a charset": (body(quantity="2"), {"content-type": f"{FORM}; charset=utf-8"}, ""),
    "another charset": (body(), {"content-type": f"{FORM}; charset=gbk"}, ""),
    "for a program": (body(product="none"), {"accept": "application/json"}, ""),
    "a forged proof": (body(kept="AAAA", proof="x"), {}, ""),
    "in English": (body(quantity="x"), {"accept-language": "en"}, ""),
}


async def asked_both_ways(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, ask: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
) -> tuple[httpx.Response, httpx.Response]:
    """Answers of the way before the framework, and of the framework."""
    direct = make_app(shop, is_strict=True)
    monkeypatch.setattr(storefront, "ways", [])
    routed = make_app(shop, is_strict=True)
    told = []
    for app in (direct, routed):
        transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            told.append(await ask(client))
    return told[0], told[1]


CHANGING = re.compile(
    r"\b[0-9a-f]{16}\b|kashop_(?:browser|orders)=[^;]*|\bK[0-9A-Z]{14,}|k=[\w-]+|name=\"(?:kept|ticket)\" value=\"[^\"]*\""
    r"|库存 \d+|\d+ in stock"
)
"""Numbers of requests, browsers and orders; what is sealed; and the stock that is shown, which may be half a second old."""


def lasting(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], str]:
    """What does not differ from one request to the next."""
    told = [(n, v) for n, v in answer.headers.multi_items() if n not in ("x-request-id", "content-length")]
    return answer.status_code, [(n, CHANGING.sub("#", v)) for n, v in sorted(told)], CHANGING.sub("#", answer.text)


@pytest.mark.parametrize("what", REQUESTS)
async def test_both_ways_answer_alike(stocked: Shop, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    content, headers, query = REQUESTS[what]

    async def ask(client: httpx.AsyncClient) -> httpx.Response:
        first = await client.post("/checkout", content=body(), headers=HERE)
        assert first.status_code == 303
        return await client.post(f"/checkout{query}", content=content, headers={**HERE, **headers})

    direct, routed = await asked_both_ways(stocked, monkeypatch, ask)
    assert lasting(direct) == lasting(routed)
    assert direct.status_code < 500


@pytest.mark.parametrize("bounds", [{"risk.captcha": "always"}, {"risk.codes_per_buyer": 1}], ids=["proof", "budget"])
async def test_what_is_asked_of_a_buyer_is_asked_by_both(
    stocked: Shop, monkeypatch: pytest.MonkeyPatch, bounds: dict[str, Any]
) -> None:
    await settings.change(stocked, bounds, CLI)

    async def ask(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/checkout", content=body(quantity="2", turn="1"), headers=HERE)

    direct, routed = await asked_both_ways(stocked, monkeypatch, ask)
    assert direct.status_code == routed.status_code == (428 if "risk.captcha" in bounds else 409)
    assert lasting(direct) == lasting(routed)


async def test_an_order_form_does_not_reach_the_framework(stocked: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(stocked)

    async def unreachable(*given: Any) -> None:
        raise AssertionError("it reached the framework")

    direct: Any = app._inward._app  # type: ignore[attr-defined]
    monkeypatch.setattr(type(direct._app), "__call__", unreachable)
    transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        answer = await client.post("/checkout", content=body(), headers=HERE)
        sold_out = await client.post("/checkout", content=body(product="empty", sku="empty"), headers=HERE)
    assert (answer.status_code, sold_out.status_code) == (303, 409)
    assert answer.headers["location"].startswith("/o/K")


COOKIES = [
    Cookie(key="a", value="K1.K2:x-y_z", path="/", max_age=60, httponly=True, samesite="lax", secure=True),
    Cookie(key="a", value="", path="/checkout", max_age=0, httponly=True, samesite="lax", secure=False),
    Cookie(key="a", value='with "quotes"; and more', path="/", max_age=60, httponly=True, samesite="lax"),
    Cookie(key="a", value="x", path="/", httponly=False),
    Cookie(key="a", value="x", path="/", max_age=1, domain="shop.example", httponly=True),
]


@pytest.mark.parametrize("cookie", COOKIES)
def test_a_response_is_sent_as_the_framework_sends_it(cookie: Cookie) -> None:
    ours = Response(b"text", status_code=201, media_type="text/html", headers={"x-a": "b"}, cookies=[cookie])
    sent = ASGIResponse(body=b"text", status_code=201, media_type="text/html", headers={"x-a": "b"}, cookies=[cookie])
    status, headers, content = answers.answer_of(ours)
    assert (status, content) == (sent.status_code, sent.body)
    assert sorted(headers) == sorted(sent.encode_headers())
