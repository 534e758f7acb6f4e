"""The document says what the handlers do: every route, every field, every refusal."""

import re

import httpx
import msgspec
from jsonschema_rs import validator_for

from kashop.app import make_app
from kashop.shop import Shop
from kashop.web.api import handlers
from kashop.web.api.door import KEY
from tests.api.conftest import Api, usual


async def document(api: Api) -> dict[str, object]:
    answer = await api.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def test_every_route_of_the_api_is_in_it_and_nothing_else(api: Api, shop: Shop) -> None:
    told = {(path, method.upper()) for path, methods in (await document(api))["paths"].items() for method in methods}
    routes = [r for r in make_app(shop)._app.routes if r.path.startswith("/api/")]
    real = {(re.sub(r":\w+}", "}", r.path), m) for r in routes for m in r.methods - {"OPTIONS"}}
    assert told == real
    assert len(real) == 13


async def test_every_handler_carries_its_operation() -> None:
    assert len({h.opt[KEY].name for h in handlers}) == len(handlers)


async def test_it_leads_nowhere_else(api: Api) -> None:
    told = await document(api)
    assert told["openapi"] == "3.1.0"
    assert told["servers"] == [{"url": "http://shop.example"}]
    assert set(re.findall(r"https?://[^\s\"]+", msgspec.json.encode(told).decode())) == {"http://shop.example"}


async def test_answers_fit_it(api: Api, shop: Shop) -> None:
    told = await document(api)
    placed = (await api.order()).json()
    token = {"authorization": f"Bearer {placed['token']}"}
    here = f"/orders/{placed['order_no']}"
    seen = [
        ("/api/v1/products", "get", await api.get("/products")),
        ("/api/v1/products", "get", await api.get("/products?limit=x")),
        ("/api/v1/products/{slug}", "get", await api.get("/products/game-card")),
        ("/api/v1/products/{slug}", "get", await api.get("/products/nothing")),
        ("/api/v1/orders", "post", await api.order()),
        ("/api/v1/orders", "post", await api.order(key="\x7f")),
        ("/api/v1/orders", "post", await api.order(lines=[{"sku": "steam-50", "quantity": 9}])),
        ("/api/v1/orders", "post", await api.order(expected_total={"amount": "1.00", "currency": "CNY"})),
        ("/api/v1/orders", "post", await api.post("/orders", json=usual(), headers={"content-encoding": "gzip"})),
        ("/api/v1/orders/{no}", "get", await api.get(here, headers=token)),
        ("/api/v1/orders/{no}", "get", await api.get(here)),
        ("/api/v1/orders/{no}", "get", await api.get("/orders/K0", headers=token)),
        ("/api/v1/orders/{no}/reveal", "post", await api.post(f"{here}/reveal", headers=token)),
        (
            "/api/v1/orders/{no}/attempts",
            "post",
            await api.post(f"{here}/attempts", headers=token, json={"gateway": "epay-main"}),
        ),
        ("/api/v1/orders/{no}/cancel", "post", await api.post(f"{here}/cancel", headers=token)),
        ("/api/v1/orders/{no}/cancel", "post", await api.post(f"{here}/cancel", headers=token)),
    ]
    statuses = [_check(told, path, method, answer) for path, method, answer in seen]
    assert statuses == [200, 422, 200, 404, 201, 400, 409, 409, 415, 200, 401, 404, 409, 201, 200, 409]


def _check(told: dict, path: str, method: str, answer: httpx.Response) -> int:
    """The answer's status, kind and form are what the document says of it; its code is one of those named."""
    declared = told["paths"][path][method]["responses"][str(answer.status_code)]
    schema = declared["content"][answer.headers["content-type"]]["schema"]
    whole = {**schema, "components": told["components"]}
    errors = [e.message for e in validator_for(whole).iter_errors(answer.json())]
    assert not errors, (path, answer.status_code, errors)
    if answer.status_code >= 400:
        assert f"`{answer.json()['code']}`" in declared["description"], (path, answer.text)
    return answer.status_code
