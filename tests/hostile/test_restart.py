"""An idempotency key outlives the process that took it (I-36)."""

import asyncio
from typing import Any

import httpx

from tests.hostile.served import Served

WISH = {
    "lines": [{"sku": "steam-50", "quantity": 1}],
    "contact": {"type": "email", "value": "a@example.com"},
    "gateway": "practice",
}


async def place(client: httpx.AsyncClient, key: str) -> dict[str, Any]:
    answer = await client.post("/api/v1/orders", json=WISH, headers={"idempotency-key": key})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_key_survives_a_kill(served: Served) -> None:
    async with httpx.AsyncClient(base_url=served.url) as client:
        first = await place(client, "before-the-kill")
    before = served.rows()
    served.kill()
    served.restart()
    async with httpx.AsyncClient(base_url=served.url) as client:
        assert await place(client, "before-the-kill") == first
    assert served.rows()["orders"] == before["orders"]


async def test_who_heard_nothing_before_the_kill_asks_again_and_has_one_order(served: Served) -> None:
    """Requests are cut off by the kill at any point; asked again with their keys, each is one order."""
    orders = served.rows()["orders"]
    async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
        cut = [asyncio.create_task(place(client, f"cut-{n}")) for n in range(40)]
        await asyncio.wait(cut, timeout=0.05)
        served.kill()
        heard = await asyncio.gather(*cut, return_exceptions=True)
    known = {n: told["order_no"] for n, told in enumerate(heard) if isinstance(told, dict)}
    assert all(isinstance(told, dict | httpx.TransportError) for told in heard)
    served.restart()
    async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
        again = await asyncio.gather(*(place(client, f"cut-{n}") for n in range(40)))
    assert {n: again[n]["order_no"] for n in known} == known
    assert len({told["order_no"] for told in again}) == 40
    assert served.rows()["orders"] == orders + 40
    assert all(told["payment"]["kind"] == "redirect" for told in again)
