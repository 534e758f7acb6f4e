"""Whole sales through a served shop: real HTTP from the simulated Epay server and the practice cashier to the shop's door."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from kashop.app import running
from kashop.flows import attempts, gateways
from kashop.flows.checkout import Placed
from kashop.lib.actor import CLI, SYSTEM
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.plugins.kit.simulators.epay import EpaySimulator
from kashop.settings.config import load
from kashop.shop import Shop
from tests.cast import EPAY, add_product, codes_of, order
from tests.serving import free_port


@dataclass
class Street:
    """A shop that is served, and an Epay server."""

    shop: Shop
    url: str
    epay: EpaySimulator

    async def buy(self, gateway: str, method: str) -> Placed:
        return await order(self.shop, "steam", gateway=gateway, method=method)

    async def pay(self, placed: Placed, **how: object) -> list[tuple[int, str]]:
        """Let the Epay server pay; what the shop answered it."""
        assert placed.attempt is not None
        heard = await asyncio.to_thread(self.epay.pay, placed.attempt.attempt_no, **how)
        return [(answer.status, answer.body) for answer in heard]

    async def status(self, placed: Placed) -> str:
        return (await self.shop.db.read(orders.get, placed.order.order_id)).status

    async def begun_url(self, placed: Placed) -> str:
        attempt = (await self.shop.db.read(payments.attempts, placed.order.order_id))[-1]
        assert attempt.kind == "redirect"
        return attempt.url


@pytest.fixture
async def street(data: Path) -> AsyncIterator[Street]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with EpaySimulator(pid=EPAY["pid"], key=EPAY["key"]) as epay:
        async with running(load(data, {}, base_url=url, port=port), with_jobs=False) as work:
            await add_product(work.shop, "steam", codes=5)
            for mode in ("page", "api"):
                options = {**EPAY, "url": epay.url, "mode": mode}
                await gateways.configure(work.shop, f"epay-{mode}", type="epay", options=options, actor=CLI)
            await gateways.configure(work.shop, "practice", type="practice", options={}, actor=CLI)
            server = uvicorn.Server(uvicorn.Config(work.app, port=port, log_config=None, lifespan="off"))
            server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
            serving = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110  # uvicorn has no event to wait for
                await asyncio.sleep(0.01)
            yield Street(work.shop, url, epay)
            server.should_exit = True
            await serving


@pytest.mark.parametrize("mode", ["page", "api"])
async def test_epay_sells(street: Street, mode: str) -> None:
    placed = await street.buy(f"epay-{mode}", "alipay")
    async with httpx.AsyncClient(follow_redirects=True) as browser:
        page = await browser.get(await street.begun_url(placed))
    assert "12.50 CNY" in page.text
    assert await street.pay(placed) == [(200, "success")]
    assert await street.status(placed) == "delivered"
    assert await codes_of(street.shop, placed) == ["STEAM-00000"]


async def test_a_notification_thirty_times_at_once_delivers_once(street: Street) -> None:
    placed = await street.buy("epay-api", "alipay")
    assert await street.pay(placed, times=30, parallel=True) == [(200, "success")] * 30
    assert await codes_of(street.shop, placed) == ["STEAM-00000"]


async def test_what_is_not_ours_or_not_paid_changes_nothing(street: Street) -> None:
    placed = await street.buy("epay-api", "alipay")
    for lie in (*({"forge": f} for f in ("signature", "key", "merchant", "amount")), {"amount": "1e9"}, {"amount": "-12.5"}):
        assert await street.pay(placed, **lie) == [(400, "fail")], lie
    assert await street.pay(placed, state="WAIT_BUYER_PAY") == [(200, "success")]
    assert await street.status(placed) == "pending"


async def test_a_part_does_not_deliver(street: Street) -> None:
    placed = await street.buy("epay-api", "alipay")
    assert await street.pay(placed, amount="0.01") == [(200, "success")]
    assert await street.status(placed) == "pending"


async def test_a_lost_notification_is_found_by_asking(street: Street) -> None:
    placed = await street.buy("epay-api", "alipay")
    assert placed.attempt is not None
    assert await attempts.query(street.shop, placed.attempt.attempt_id, SYSTEM) == "pending"
    assert await street.pay(placed, lose=True) == []
    assert await street.status(placed) == "pending"
    assert await attempts.query(street.shop, placed.attempt.attempt_id, SYSTEM) == "paid"
    assert await codes_of(street.shop, placed) == ["STEAM-00000"]
    assert await street.pay(placed) == [(200, "success")], "the late notification finds it settled"
    assert await street.status(placed) == "delivered"


async def test_the_practice_cashier_sells_over_its_own_page(street: Street) -> None:
    placed = await street.buy("practice", "practice")
    url = await street.begun_url(placed)
    assert url.startswith(f"{street.url}/x/practice/pay/")
    async with httpx.AsyncClient(headers={"origin": street.url}) as browser:
        page = await browser.get(url, headers={"accept-language": "zh-CN"})
        style = await browser.get(f"{street.url}/x/practice/practice.css")
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
        forged = await browser.post(url, data={**fields, "act": "forge"})
        assert await street.status(placed) == "pending"
        answer = await browser.post(url, data={**fields, "act": "pay"})
    assert page.status_code == 200
    assert "练习收银台" in page.text
    assert style.headers["content-type"].startswith("text/css")
    assert (forged.status_code, answer.status_code) == (303, 303)
    assert answer.headers["location"].startswith(f"{street.url}/pay/practice/return")
    assert await street.status(placed) == "delivered"
    assert await codes_of(street.shop, placed) == ["STEAM-00000"]


async def test_no_gateway_key_is_in_the_data_directory(street: Street, data: Path) -> None:
    placed = await street.buy("practice", "practice")
    await street.buy("epay-api", "alipay")
    account = await street.shop.db.read(payments.find_gateway, "practice")
    assert account is not None
    key = gateways.made(street.shop, account)._gateway._key  # type: ignore[attr-defined]
    assert len(key) >= 24, "drawn by the shop"
    assert key not in await street.begun_url(placed)
    files = await asyncio.to_thread(lambda: [path.read_bytes() for path in data.rglob("*") if path.is_file()])
    assert files
    assert not [file for file in files if key.encode() in file or EPAY["key"].encode() in file]
