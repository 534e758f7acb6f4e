"""Buyers who speak raw HTTP to a served shop, and the gateway that pays for them."""

import json
from typing import Any

from tests.cast import EPAY
from tests.properties.notices import notice
from tests.serving import Reply, request


def order(slug: str, *, key: str, quantity: int = 1) -> bytes:
    """POST /api/v1/orders."""
    wish = {
        "lines": [{"sku": slug, "quantity": quantity}],
        "contact": {"type": "email", "value": f"{key}@example.com"},
        "gateway": "epay-main",
        "method": "alipay",
    }
    return request("POST", "/api/v1/orders", json.dumps(wish).encode(), idempotency_key=key)


def payment(placed: dict[str, Any], txn: str) -> bytes:
    """The gateway's callback for a placed order."""
    amount = int(placed["total"]["amount"].replace(".", ""))
    query = notice(placed["payment"]["attempt"], txn, amount, "alipay", key=EPAY["key"]).decode()
    return request("GET", f"/pay/epay-main/callback?{query}")


def reveal(placed: dict[str, Any]) -> bytes:
    """POST …/reveal."""
    return request("POST", f"/api/v1/orders/{placed['order_no']}/reveal", authorization=f"Bearer {placed['token']}")


def told(reply: Reply) -> dict[str, Any]:
    """An answer's JSON."""
    found: dict[str, Any] = json.loads(reply.body)
    return found


def codes(reply: Reply) -> list[str]:
    """The codes of a reveal."""
    return [code for line in told(reply)["lines"] for code in line["codes"]]
