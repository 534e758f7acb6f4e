"""Pages that wait for their order: told over one open connection, within bounds, at the cost of one look for all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from kashop.app import Running, running
from kashop.db import engine
from kashop.flows import checkout
from kashop.flows.checkout import Placed
from kashop.lib.actor import CLI
from kashop.orders import writes as orders
from kashop.settings.config import load
from kashop.web import live
from kashop.web.storefront import waiting
from tests.cast import BUYER, TestClock, add_epay, add_product, call_back, epay_notice, let_a_crowd_in, order
from tests.serving import free_port


@dataclass
class Site:
    """A shop that is served, and a browser's connections to it."""

    work: Running
    http: httpx.AsyncClient

    async def buy(self) -> tuple[Placed, str]:
        """An order, and the state of its cashier."""
        placed = await order(self.work.shop, "steam")
        page = (await self.http.get(f"/o/{placed.order.order_no}?k={placed.token}")).text
        return placed, page.split("&amp;was=")[1].split('"')[0]

    def events(self, placed: Placed, was: str) -> "Events":
        return Events(self.http, f"/o/{placed.order.order_no}/events?k={placed.token}&was={was}")


class Events:
    """One open connection, as a browser's EventSource has it."""

    def __init__(self, http: httpx.AsyncClient, url: str):
        self._http, self._url = http, url
        self.status, self.headers = 0, httpx.Headers()

    async def __aenter__(self) -> "Events":
        self._stream = self._http.stream("GET", self._url, timeout=60)
        reply = await self._stream.__aenter__()
        self.status, self.headers, self._lines = reply.status_code, reply.headers, reply.aiter_lines()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stream.__aexit__(*error)  # type: ignore[arg-type]

    async def next(self) -> tuple[str, str]:
        """The next event: name and data; two empty texts at the end."""
        name = ""
        async for line in self._lines:
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: ") and name:
                return name, line[6:]
        return "", ""


@pytest.fixture
async def site(data: Path, clock: TestClock) -> AsyncIterator[Site]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with running(load(data, {}, base_url=url, port=port), clock=clock, with_jobs=False, is_strict=True) as work:
        await add_epay(work.shop)
        await let_a_crowd_in(work.shop)
        await add_product(work.shop, "steam", codes=30)
        config = uvicorn.Config(work.app, port=port, log_config=None, lifespan="off", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event to wait for
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=url) as http:
            yield Site(work, http)
        work.live.close()
        server.should_exit = True
        await serving


async def test_a_page_is_told_when_its_order_is_paid_and_no_other(site: Site) -> None:
    bought = [await site.buy() for _ in range(10)]
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(site.events(*one)) for one in bought]
        assert [await page.next() for page in pages] == [("left", "900")] * 10
        assert pages[0].headers["content-type"].startswith("text/event-stream")
        assert pages[0].headers["x-accel-buffering"] == "no"
        assert pages[0].headers["cache-control"] == "no-store, no-transform"
        assert "content-encoding" not in pages[0].headers
        looks = site.work.live.looks
        await call_back(site.work.shop, epay_notice(bought[3][0]))
        assert await asyncio.wait_for(pages[3].next(), 30) == ("moved", "")
        assert await asyncio.wait_for(pages[3].next(), 30) == ("", ""), "the line ends"
        assert site.work.live.looks - looks <= 5, "a look follows a commit, not a page"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pages[4].next(), 0.5)


async def test_what_happened_before_listening_is_told_at_once(site: Site) -> None:
    placed, was = await site.buy()
    await call_back(site.work.shop, epay_notice(placed))
    async with site.events(placed, was) as page:
        assert await asyncio.wait_for(page.next(), 30) == ("moved", "")


async def test_a_part_of_the_money_and_another_way_to_pay_are_told(site: Site) -> None:
    placed, was = await site.buy()
    async with site.events(placed, was) as page:
        await page.next()
        await call_back(site.work.shop, epay_notice(placed, money="2.00"))
        assert await asyncio.wait_for(page.next(), 30) == ("moved", "")


async def test_the_deadline_is_told(site: Site, clock: TestClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "HEARTBEAT", 0.1)
    placed, was = await site.buy()
    async with site.events(placed, was) as page:
        assert await page.next() == ("left", "900")
        clock.pass_time(seconds=60)
        while (told := await asyncio.wait_for(page.next(), 30)) == ("left", "900"):
            pass  # said before
        assert told == ("left", "840"), "on the server's clock"
        clock.pass_time(minutes=15)
        while (told := await asyncio.wait_for(page.next(), 30))[0] == "left":
            assert told in (("left", "840"), ("left", "0"))
        assert told == ("moved", "")


async def test_another_process_is_noticed_with_the_heartbeat(
    site: Site, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "HEARTBEAT", 0.2)
    placed, was = await site.buy()
    async with site.events(placed, was) as page:
        await page.next()
        other = await engine.open_db(site.work.shop.config.place, clock, readers=1)
        await other.write(orders.cancel, placed.order.order_id, CLI, reason="elsewhere")
        await other.close()
        while (told := await asyncio.wait_for(page.next(), 30))[0] == "left":
            pass
        assert told == ("moved", "")


async def test_listeners_are_bounded_and_places_come_free(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    placed, was = await site.buy()
    async with AsyncExitStack() as stack:
        for _ in range(live.MOST_OF_ORDER):
            await (await stack.enter_async_context(site.events(placed, was))).next()
        async with site.events(placed, was) as one_more:
            assert one_more.status == 204, "ask instead"
        assert site.work.live.count == live.MOST_OF_ORDER
    await until_nobody_waits(site)
    async with site.events(placed, was) as page:
        assert page.status == 200
        await page.next()
        site.work.live.most = 1
        other, as_it_was = await site.buy()
        async with site.events(other, as_it_was) as crowded:
            assert crowded.status == 204
    await until_nobody_waits(site)
    looks = site.work.live.looks
    await checkout.cancel(site.work.shop, placed.order, BUYER)
    await asyncio.sleep(0.3)
    assert site.work.live.looks == looks, "nobody waits, nobody looks"


async def until_nobody_waits(site: Site) -> None:
    async with asyncio.timeout(30):
        while site.work.live.count:  # noqa: ASYNC110  # the server notices a closed connection in its own time
            await asyncio.sleep(0.02)


async def test_a_stranger_is_told_nothing(site: Site) -> None:
    placed, was = await site.buy()
    for path in (f"/o/{placed.order.order_no}/events?k=wrong&was={was}", f"/o/KNOTHING/events?k={placed.token}&was={was}"):
        assert (await site.http.get(path)).status_code == 404
    assert (await site.http.head(f"/o/{placed.order.order_no}/events?k={placed.token}&was={was}")).status_code == 204


async def test_when_the_server_stops_every_line_ends(site: Site) -> None:
    placed, was = await site.buy()
    async with site.events(placed, was) as page:
        await page.next()
        site.work.live.close()
        assert await asyncio.wait_for(page.next(), 30) == ("", "")
    async with site.events(placed, was) as late:
        assert late.status == 204


async def test_asking_says_the_same(site: Site, clock: TestClock) -> None:
    placed, was = await site.buy()
    path = f"/o/{placed.order.order_no}/status?k={placed.token}&was={was}"
    clock.pass_time(minutes=1)
    waits = await site.http.get(path)
    assert (waits.status_code, waits.headers["kashop-left"]) == (204, "840")
    await call_back(site.work.shop, epay_notice(placed))
    moved = await site.http.get(path)
    assert (moved.status_code, moved.headers["hx-redirect"]) == (200, f"/o/{placed.order.order_no}?k={placed.token}")
