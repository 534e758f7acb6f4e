"""What a monitor is told."""

import httpx

from kashop.app import make_app
from kashop.jobs.runner import Runner
from kashop.shop import Shop
from tests.cast import TestClock


def monitor(shop: Shop, runner: Runner | None = None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=make_app(shop, runner=runner))
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
