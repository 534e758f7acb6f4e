"""What a monitor is told."""

import asyncio

import httpx

from kashop.app import make_app
from kashop.jobs.runner import Runner
from kashop.shop import Shop
from kashop.web.health import Probes
from kashop.web.leaving import Leaving
from tests.cast import TestClock


def monitor(shop: Shop, runner: Runner | None = None, leaving: Leaving | None = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=make_app(shop, runner=runner, leaving=leaving))
    return httpx.AsyncClient(transport=transport, base_url="http://shop.example")


async def test_a_good_shop_is_ready_also_by_head(shop: Shop) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await monitor(shop).get(path)).status_code == 200
        assert (await monitor(shop).head(path)).status_code == 200


async def test_a_writer_that_stands_still_is_told(shop: Shop) -> None:
    shop.db.problem = "a commit could not be confirmed"  # type: ignore[attr-defined]
    answer = await monitor(shop).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "a commit could not be confirmed"
    assert (await monitor(shop).get("/healthz")).status_code == 200


async def test_jobs_that_stopped_are_told(shop: Shop, clock: TestClock) -> None:
    runner = Runner(shop)
    assert (await monitor(shop, runner).get("/readyz")).status_code == 200  # it has only just begun
    runner.last_run["expire_orders"] = clock.now()
    assert (await monitor(shop, runner).get("/readyz")).status_code == 200
    clock.pass_time(minutes=4)
    answer = await monitor(shop, runner).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["jobs"] == "late"


async def test_a_server_that_leaves_says_so_to_its_proxy_first(shop: Shop) -> None:
    leaving, hurry = Leaving(), asyncio.Event()
    client = monitor(shop, leaving=leaving)
    assert (await client.get("/readyz")).status_code == 200
    going = asyncio.create_task(leaving.begin(600, hurry))
    await asyncio.sleep(0)
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["server"]) == (503, "is leaving")
    assert (await client.get("/")).status_code == 200
    assert not going.done()
    hurry.set()
    await going


async def test_a_server_that_nobody_asks_whether_it_is_ready_ends_at_once(shop: Shop) -> None:
    leaving = Leaving()
    await monitor(shop, leaving=leaving).get("/healthz")
    await leaving.begin(600, asyncio.Event())


async def test_a_server_of_jobs_alone_answers_its_monitor_and_nobody_else(shop: Shop) -> None:
    transport = httpx.ASGITransport(app=Probes(make_app(shop)))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        answers = [
            (await client.get(path)).status_code for path in ("/healthz", "/readyz", "/", "/admin/log-in", "/api/v1/products")
        ]
    assert answers == [200, 200, 404, 404, 404]
