"""The doors that open to a real order's token, against hostile input from its holder: the order stays as it is."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.hostile.served import Served
from tests.hostile.test_restart import WISH
from tests.hostile.test_routes import FORM, JSON, NAMES, bodies, hold, target
from tests.hostile.wire import request

QUIET = {"/o/{order_no:str}/cancel", "/o/{order_no:str}/check", "/api/v1/orders/{no:str}/cancel"}
"""What they are asked to do, they do, whatever else is sent along."""


@pytest.fixture
def placed(served: Served) -> dict[str, Any]:
    """A real, unpaid order."""
    answer = httpx.post(f"{served.url}/api/v1/orders", json=WISH, headers={"idempotency-key": str(uuid4())})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize(("name", "headers", "body"), [pytest.param(*b, id=b[0]) for b in bodies()])
async def test_odd_bodies_with_a_good_token(
    served: Served, placed: dict[str, Any], name: str, headers: list[bytes], body: bytes
) -> None:
    token = b"Authorization: Bearer " + placed["token"].encode()
    asked = []
    for route in served.routes:
        if "POST" not in route.methods or route.path in QUIET or not route.path.startswith(("/o/", "/api/v1/orders/{")):
            continue
        path = target(route.path, placed["order_no"].encode())
        query = b"?k=" + placed["token"].encode() if route.path.startswith("/o/") else b""
        asked.append((f"POST {route.path}", request(served, "POST", path + query, *headers, token, body=body)))
    assert len(asked) == 5
    await hold(served, asked)
    await _is_as_before(served, placed)


@pytest.mark.parametrize("value", [b"9" * 3000, b"-1", b"9223372036854775808", b"%ff", b"%00", b"%E2%80%AE", b"<script>", b""])
async def test_odd_fields_beside_a_good_token(served: Served, placed: dict[str, Any], value: bytes) -> None:
    form = b"&".join([b"k=" + placed["token"].encode(), *(n + b"=" + value for n in NAMES if n not in (b"k", b"token"))])
    paths = [r.path for r in served.routes if r.path.startswith("/o/") and "POST" in r.methods and r.path not in QUIET]
    asked = [(f"POST {p}", request(served, "POST", target(p, placed["order_no"].encode()), FORM, body=form)) for p in paths]
    await hold(served, asked)
    await _is_as_before(served, placed)


ODD_VALUES = [
    *(b"null", b"true", b"-1", b"1.5", b"1e2", b'""', b"[]", b"{}", b"9223372036854775808", b'"\\u0000"', b'"\\u202e"'),
    *(b"9" * 60, b'"' + b"x" * 5000 + b'"', b'"\\r\\nBcc: x"', b'"\xef\xbc\x91"', b'["a"]', b'{"a":1}'),
]
GOOD = {
    b"lines": b'[{"sku":"steam-50","quantity":1}]',
    b"contact": b'{"type":"email","value":"a@example.com"}',
    b"gateway": b'"practice"',
    b"method": b'""',
    b"lookup_password": b'"secret"',
    b"fields": b"{}",
    b"expected_total": b'{"amount":"12.50","currency":"CNY"}',
}
INSIDE = {
    b"lines": [b'[{"sku":%s,"quantity":1}]', b'[{"sku":"steam-50","quantity":%s}]'],
    b"contact": [b'{"type":%s,"value":"a@example.com"}', b'{"type":"email","value":%s}'],
    b"expected_total": [b'{"amount":%s,"currency":"CNY"}', b'{"amount":"12.50","currency":%s}'],
    b"fields": [b'{"x":%s}'],
}
NOT_ODD = {(b"method", b'""'), (b"fields", b"{}"), (b"expected_total", b"null"), (b"lookup_password", b'""')}
ANYTHING_TYPED = {b'"\\r\\nBcc: x"', b'"\\u202e"'}
"""A password may be whatever can be typed."""


async def test_an_order_that_is_odd_in_one_field(served: Served) -> None:
    asked = []
    for name in GOOD:
        for place in (b"%s", *INSIDE.get(name, [])):
            for value in ODD_VALUES:
                if (name, place % value) in NOT_ODD or (name == b"lookup_password" and value in ANYTHING_TYPED):
                    continue
                body = b",".join(b'"%s":%s' % (n, place % value if n == name else v) for n, v in GOOD.items())
                data = request(
                    served, "POST", b"/api/v1/orders", JSON, b"Idempotency-Key: odd-%d" % len(asked), body=b"{%s}" % body
                )
                asked.append((f"{name!r} {place % value!r}"[:90], data))
    assert len(asked) > 200
    assert not [name for name, answer in await hold(served, asked) if answer.status < 400]


async def _is_as_before(served: Served, placed: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=served.url) as client:
        seen = await client.get(f"/api/v1/orders/{placed['order_no']}", headers={"authorization": f"Bearer {placed['token']}"})
    assert seen.json() == {name: value for name, value in placed.items() if name != "token"}
