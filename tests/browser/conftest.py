"""A real shop on a real port, and a real Chromium: nothing between them but loopback."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page

from kashop.app import running
from kashop.flows import gateways
from kashop.lib.actor import CLI
from kashop.payments.rules import AccountRules
from kashop.settings.config import load
from kashop.shop import Shop
from tests.cast import add_epay, add_product
from tests.chromium import WAIT, launched
from tests.serving import free_port


@dataclass
class Served:
    """A shop at work in a thread of its own."""

    url: str
    ready: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    problem: BaseException | None = None


async def _goods(shop: Shop) -> None:
    await gateways.configure(shop, "practice", type="practice", options={}, actor=CLI)
    fee = AccountRules(fee="added", fee_bp=200, least_minor=6000)
    await add_epay(shop, "epay-fee", methods="wxpay")
    await gateways.configure(shop, "epay-fee", type="epay", options={}, actor=CLI, rules=fee)
    await add_product(shop, "steam", codes=40, tiers=((10, 1100),), instructions="打开 **Steam**", price=5280)
    await add_product(shop, "topup", delivery="manual", price=9800)


async def _serve(served: Served, data: Path, port: int) -> None:
    config = load(data, {}, base_url=served.url, port=port)
    async with running(config, is_strict=True) as work:
        await _goods(work.shop)
        server = uvicorn.Server(uvicorn.Config(work.app, port=port, log_config=None, lifespan="off"))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():  # noqa: ASYNC110  # uvicorn has no event to wait for
            await asyncio.sleep(0.01)
        served.ready.set()
        await asyncio.to_thread(served.stop.wait)
        server.should_exit = True
        await serving


@pytest.fixture(scope="module")
def served(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a practice shop with goods."""
    data = tmp_path_factory.mktemp("served") / "shop"
    shutil.copytree(founded, data)
    shutil.copy2(founded.with_name("shop.key"), data.with_name("shop.key"))
    port = free_port()
    served = Served(f"http://127.0.0.1:{port}")

    def work() -> None:
        try:
            asyncio.run(_serve(served, data, port))
        except BaseException as problem:  # noqa: BLE001  # told to the test that waits
            served.problem = problem
        finally:
            served.ready.set()

    thread = threading.Thread(target=work, name="served shop")
    thread.start()
    served.ready.wait(120)
    try:
        if served.problem is not None:
            raise served.problem
        yield served.url
    finally:
        served.stop.set()
        thread.join(60)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for a module whose tests are all synchronous: its driver's event loop stands in no asynchronous test's way."""
    with launched() as browser:
        yield browser


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Opens pages; fails the test at its end when a page complained in its console."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def open_one(*, width: int = 360, javascript: bool = True, locale: str = "zh-CN") -> Page:
        context = chromium.new_context(viewport={"width": width, "height": 740}, java_script_enabled=javascript, locale=locale)
        contexts.append(context)
        context.set_default_timeout(WAIT)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_one
    for context in contexts:
        context.close()
    unexpected = [said for said in complaints if "status of 4" not in said]
    assert not unexpected
