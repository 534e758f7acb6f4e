"""A new order is answered without the framework, and alike by it; what is read fast is refused as what is read slowly."""

import json
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kashop.app import make_app
from kashop.lib.errors import Invalid
from kashop.shop import Shop
from kashop.web import api
from kashop.web.api import shapes
from kashop.web.api.check import checked
from kashop.web.api.door import taken_body

GOOD: dict[str, Any] = {
    "lines": [{"sku": "steam-50", "quantity": 1}],
    "contact": {"type": "email", "value": "a@example.com"},
    "gateway": "epay-main",
    "method": "alipay",
    "expected_total": {"amount": "12.50", "currency": "CNY"},
}
SCOPE = {"headers": [(b"content-type", b"application/json")]}

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2000),
    st.floats(0, 3),
    st.text(max_size=5),
    st.sampled_from(["CNY", "any"]),
)
trees = st.recursive(
    leaves, lambda t: st.one_of(st.lists(t, max_size=3), st.dictionaries(st.sampled_from([*GOOD, "sku", "x"]), t))
)


@given(st.dictionaries(st.sampled_from([*GOOD, "device", "fields", "lookup_password", "odd"]), trees), st.booleans())
def test_what_is_taken_fast_is_taken_slowly(odd: dict[str, Any], is_ascii: bool) -> None:
    value = {**GOOD, **odd}
    body = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    try:
        slow: object = checked(json.loads(body), shapes.NewOrder)
    except Invalid as refused:
        slow = refused.fields
    try:
        fast: object = taken_body(SCOPE, body, shapes.NewOrder)
    except Invalid as refused:
        fast = refused.fields
    assert fast == slow


@pytest.mark.parametrize("text", ["CNY\n", "a\x00b"])
def test_what_an_escape_hides_is_found(text: str) -> None:
    body = json.dumps({**GOOD, "expected_total": {"amount": "12.50", "currency": text}}).encode()
    with pytest.raises(Invalid):
        taken_body(SCOPE, body, shapes.NewOrder)


def test_control_without_the_look_for_escapes_it_is_not() -> None:
    value = {**GOOD, "expected_total": {"amount": "12.50", "currency": "CNY\n"}}
    assert msgspec.convert(value, shapes.NewOrder)
    with pytest.raises(Invalid):
        checked(value, shapes.NewOrder)


REQUESTS: list[tuple[dict[str, Any], dict[str, str], str]] = [
    (GOOD, {"idempotency-key": "placed-before-by-one-of-the-ways"}, ""),
    (GOOD, {}, ""),
    (GOOD, {"idempotency-key": "two words"}, ""),
    (GOOD, {"idempotency-key": "k1", "content-type": "text/plain"}, ""),
    (GOOD, {"idempotency-key": "k2"}, "?a=1"),
    (GOOD | {"lines": [{"sku": "nothing", "quantity": 1}]}, {"idempotency-key": "k3"}, ""),
    (GOOD | {"lines": [{"sku": "steam-50", "quantity": "1"}]}, {"idempotency-key": "k4"}, ""),
    (GOOD | {"lines": [{"sku": "steam-50", "quantity": 9}]}, {"idempotency-key": "k5"}, ""),
    (GOOD | {"expected_total": {"amount": "1.00", "currency": "CNY"}}, {"idempotency-key": "k6"}, ""),
    (GOOD | {"expected_total": {"amount": "12.50", "currency": "USD"}}, {"idempotency-key": "k7"}, ""),
    (GOOD | {"gateway": "nobody"}, {"idempotency-key": "k8"}, ""),
    (GOOD | {"odd": 1}, {"idempotency-key": "placed-before-by-one-of-the-ways"}, ""),
    (GOOD | {"method": "wxpay"}, {"idempotency-key": "placed-before-by-one-of-the-ways"}, ""),
]


@pytest.mark.parametrize(("body", "headers", "query"), REQUESTS)
async def test_both_ways_answer_alike(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], headers: dict[str, str], query: str
) -> None:
    direct = make_app(shop)
    monkeypatch.setattr(api, "ways", [])
    routed = make_app(shop)
    answers = []
    for app in (direct, routed):
        transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            first = {"idempotency-key": "placed-before-by-one-of-the-ways", "content-type": "application/json"}
            assert (await client.post("/api/v1/orders", content=json.dumps(GOOD), headers=first)).status_code == 201
            sent = {"content-type": "application/json", **headers}
            answers.append(await client.post(f"/api/v1/orders{query}", content=json.dumps(body), headers=sent))
    one, other = answers
    assert one.status_code == other.status_code
    assert without_id(one) == without_id(other)


def without_id(answer: httpx.Response) -> tuple[dict[str, str], dict[str, Any]]:
    """What does not differ from one request to the next."""
    told = {n: v for n, v in answer.headers.items() if n not in ("x-request-id", "content-length")}
    return told, {n: v for n, v in answer.json().items() if n != "request_id"}


async def test_an_order_does_not_reach_the_framework(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(shop)

    async def unreachable(*given: Any) -> None:
        raise AssertionError("it reached the framework")

    direct: Any = app._inward._app  # type: ignore[attr-defined]
    monkeypatch.setattr(direct, "_app", unreachable)
    transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        answer = await client.post("/api/v1/orders", json=GOOD, headers={"idempotency-key": "one"})
    assert answer.status_code == 201
