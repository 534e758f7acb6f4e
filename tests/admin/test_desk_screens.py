"""The exceptions desk and the inbox of callbacks in a real browser: on a phone and at a desk, in both languages."""

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page

from kashop.flows import checkout, vault
from kashop.flows import settings as settings_flow
from kashop.lib.actor import CLI, SYSTEM
from kashop.orders import reads as orders
from kashop.orders import writes
from kashop.orders.rules import EXCEPTIONS
from kashop.shop import Shop
from tests.admin.desk import add_staff
from tests.admin.test_screens import Served, Server, log_in
from tests.cast import OWNER, PASSWORD, add_epay, add_product, call_back, epay_notice, order
from tests.chromium import launched

pytestmark = pytest.mark.browser
BOTH = pytest.mark.parametrize("language", ["zh-CN", "en-US"])
WIDTHS = pytest.mark.parametrize("width", [360, 1280])


async def _fill(shop: Shop) -> tuple[str, int]:
    """A shop with one order for every kind of trouble, the money of some of them real."""
    await add_epay(shop)
    await add_epay(shop, "epay-two")
    await add_product(shop, "steam", codes=60)
    await add_product(shop, "rare", codes=1)
    await add_staff(shop, "finance@example.com", "finance")
    await settings_flow.change(shop, {"orders.late_payment": "hold", "orders.confirm_alone_most": 1000}, CLI)
    late = await order(shop, "steam", 2, contact="buyer@example.com", locale="zh_Hans")
    await checkout.cancel(shop, late.order, CLI)
    await call_back(shop, epay_notice(late, money="25.00", txn="TLATE"))
    partly = await order(shop, "steam", 1, contact="13800138000", contact_type="phone", locale="en")
    await call_back(shop, epay_notice(partly, money="5.00", txn="TPART"))
    for n, kind in enumerate(k for k in EXCEPTIONS if k not in ("paid_late", "paid_partly")):
        placed = await order(shop, "steam", 1, contact=f"buyer.with.a.long.name.{n}@subdomain.example.com", locale="en")
        await call_back(shop, epay_notice(placed, txn=f"T{n}", sign_key="another key"))
        detail = {"mismatch": {"why": "currency", "txn": "T" * 40}, "paid_over": {"over": 500}, "paid_twice": {"txn": "T9"}}
        await shop.db.write(
            lambda tx, o=placed.order.order_id, k=kind, d=detail.get(kind, {}): writes.open_exception(tx, o, k, SYSTEM, **d)
        )
    await order(shop, "steam", 1, contact="12345678", contact_type="qq")
    return late.order.order_no, 0


@pytest.fixture(scope="module")
def served(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("desk")
    shutil.copytree(founded, place / "shop")
    shutil.copy2(founded.with_name("shop.key"), place / "shop.key")
    server = Server(place / "shop", _fill)
    server.start()
    assert server.is_up.wait(30)
    assert server.served is not None
    yield server.served
    server.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


def shoot(page: Page, name: str) -> None:
    """Keep a picture where somebody asked for them."""
    if folder := os.environ.get("KASHOP_SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def fits(page: Page, width: int, where: str) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width, where


@BOTH
@WIDTHS
def test_every_entry_tells_its_story_and_fits(chromium: Browser, served: Served, language: str, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 760}, locale=language, java_script_enabled=False)
    page = context.new_page()
    log_in(page, served)
    page.goto(served.url + "/admin/exceptions")
    assert page.locator("section.desk").count() == len(EXCEPTIONS)
    fits(page, width, "the desk")
    shoot(page, f"desk-{language}-{width}")
    ways = page.eval_on_selector_all("section.desk h2 a", "all => all.map(a => a.getAttribute('href'))")
    for n, way in enumerate(ways):
        answer = page.goto(served.url + way)
        assert answer is not None
        assert answer.status == 200
        fits(page, width, way)
        text = page.locator("main").inner_text()
        assert not re.search(r"\{\w+\}", text), "a place that was not filled"
        if n < 4:
            shoot(page, f"entry-{n}-{language}-{width}")
    for path in (
        "/admin/exceptions?owner=mine",
        "/admin/exceptions?kind=paid_late&age=day",
        "/admin/callbacks",
        "/admin/callbacks?verdict=rejected",
    ):
        page.goto(served.url + path)
        fits(page, width, path)
        shoot(page, f"{re.sub('[^a-z]+', '-', path)}-{language}-{width}")
    page.locator("table a").first.click()
    fits(page, width, "a callback")
    shoot(page, f"callback-{language}-{width}")
    context.close()
