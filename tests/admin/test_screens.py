"""The panel in a real browser: on a phone and at a desk, in both languages, without JavaScript."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page

from kashop.app import make_app
from kashop.flows import checkpoint, gateways, reconcile, second_person, supply
from kashop.lib.actor import CLI, SYSTEM, Actor
from kashop.orders import writes
from kashop.payments.statements import rules as statements
from kashop.payments.statements import writes as statement_writes
from kashop.payments.statements.types import Line
from kashop.settings.config import load
from kashop.shop import Shop
from kashop.supply import writes as supply_writes
from kashop.vault import boxes
from tests.admin.desk import add_staff
from tests.cast import OWNER, PASSWORD, add_epay, add_product, call_back, codes_of, epay_notice, order
from tests.chromium import at_each_width, follow, launched
from tests.supply.sender import join

PAGES = (
    "",
    "/orders",
    "/orders/{order}",
    "/orders/{order}/refund",
    "/exceptions",
    "/exceptions/1",
    "/callbacks",
    "/callbacks/1",
    "/products",
    "/products/new",
    "/products/1",
    "/categories",
    "/codes",
    "/codes/list",
    "/codes/{code}",
    "/codes/reveal?code={code}",
    "/codes/void?goods=steam",
    "/codes/export?goods=steam",
    "/approvals",
    "/approvals/1",
    "/codes/import",
    "/codes/batches/1",
    "/stock",
    "/suppliers",
    "/suppliers/1",
    "/gateways",
    "/gateways/epay-main",
    "/gateways/new/practice",
    "/statements",
    "/statements/epay-main/2026-10-31",
    "/statements/upload/epay-main",
    "/settings",
    "/notices",
    "/staff",
    "/vault",
    "/staff/1",
    "/staff/invite",
    "/roles",
    "/roles/new",
    "/jobs",
    "/audit",
    "/audit?actor=staff:1&group=staff",
    "/audit?group=nothing&kind=order&number=nothing",
    "/audit/code",
    "/audit/codes/{code}",
    "/audit/checkpoints",
    "/account",
    "/account/totp",
    "/step-up?next=/admin/settings",
    "/nothing",
)

pytestmark = pytest.mark.browser


@dataclass
class Served:
    url: str
    order_no: str
    code_id: int


class Server(threading.Thread):
    """A stocked shop on a loop and port of its own."""

    def __init__(self, data: Path, fill: Callable[[Shop], Awaitable[tuple[str, int]]] | None = None):
        super().__init__(name="panel server")
        self._data, self._fill = data, fill or _fill
        self.is_up = threading.Event()
        self.served: Served | None = None

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        shop = await Shop.open(load(self._data, {}), is_server=True)
        try:
            number, code_id = await self._fill(shop)
            config = uvicorn.Config(make_app(shop, is_strict=True), port=0, lifespan="off", log_level="warning")
            self._server = uvicorn.Server(config)
            serving = asyncio.create_task(self._server.serve())
            while not self._server.started:  # noqa: ASYNC110  # uvicorn has no event to wait for
                await asyncio.sleep(0.02)
            port = self._server.servers[0].sockets[0].getsockname()[1]
            self.served = Served(f"http://127.0.0.1:{port}", number, code_id)
            self.is_up.set()
            await serving
        finally:
            await shop.close()

    def stop(self) -> None:
        self._server.should_exit = True
        self.join(60)


async def _fill(shop: Shop) -> tuple[str, int]:
    await add_epay(shop)
    await gateways.configure(shop, "practice", type="practice", options={}, actor=CLI)
    await add_product(shop, "steam", codes=9, tiers=((3, 1100),))
    await add_product(shop, "a-very-long-name-for-a-product-that-nobody-would-type-twice-64")
    placed = await order(shop, "steam", 2, contact="somebody.with.a.long.address@subdomain.example.com")
    await call_back(shop, epay_notice(placed, money="25.00"))
    await shop.db.write(writes.open_exception, placed.order.order_id, "paid_twice", SYSTEM, txn="T" * 60, amount=2500)
    await order(shop, "steam", 1)
    await _supply(shop)
    await codes_of(shop, placed)
    await _state(shop)
    await checkpoint.make(shop)
    sold = await shop.db.read(lambda db: db.value("SELECT min(code_id) FROM codes WHERE status = 'sold'"))
    keeper = Actor("staff", str(await add_staff(shop, "colleague@example.com", "manager")))
    facts = {"goods": "steam", "status": "free", "most": 50, "take_out": True, "why": "count"}
    ask = {"value": 125_000, "reason": "moved to the partner's shop", "facts": facts}
    await shop.db.write(second_person.ask, "codes.export", [sold], keeper, **ask)
    return placed.order.order_no, sold


async def _state(shop: Shop) -> None:
    """A statement of a day with every kind of line."""
    account, kind = await reconcile.account_of(shop, "epay-main")
    bounds = statements.bounds(date(2026, 10, 31), kind.statement_zone)
    day = await shop.db.write(statement_writes.plan_now, account.gateway_id, bounds)
    at = day.begins_at + 43_200_000
    facts = (("T1", ""), ("4200009999202610310123456789", "A261031ZZZZZZZZZZZZZZ"), ("T3", "another-system-77"), ("T1", ""))
    stated = [Line(n, "payment", txn, no, "", "", 2400, "CNY", 14, at, "") for n, (txn, no) in enumerate(facts, 1)]
    refund = Line(9, "refund", "T9", "", "R261031ZZZZZZZZZZZZZZ", "", 700, "CNY", 0, at, "")
    await reconcile.take(shop, account, day, reconcile.Came(day=day.day, source="api", lines=[*stated, refund]), CLI)


async def _supply(shop: Shop) -> None:
    """A supplier with a key, another that offers one, batches in every state."""
    sender = await join(shop, "一个名字很长的供货商 Very Long Supplier Name GmbH", is_trusted=False)
    for n in range(3):
        sent = await sender.send(sender.sealed([f"SCREEN-{n}-{m:04}" for m in range(5 + n)]))
        if n == 0:
            await supply.accept(shop, sent.sealed_batch_id, CLI)
        if n == 1:
            await shop.db.write(supply_writes.decline, sent.sealed_batch_id, CLI, reason="not ordered")
    await shop.db.write(supply_writes.offer_key, sender.supplier.supplier_id, boxes.public_of(b"n" * 32), CLI)
    await join(shop, "Li", is_confirmed=False)


@pytest.fixture(scope="module")
def served(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    import shutil

    place = tmp_path_factory.mktemp("panel")
    shutil.copytree(founded, place / "shop")
    shutil.copy2(founded.with_name("shop.key"), place / "shop.key")
    server = Server(place / "shop")
    server.start()
    assert server.is_up.wait(120)
    assert server.served is not None
    yield server.served
    server.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


def log_in(page: Page, served: Served, email: str = OWNER) -> None:
    page.goto(served.url + "/admin")
    page.get_by_label(re.compile("邮箱|E-mail")).fill(email)
    page.get_by_label(re.compile("密码|Password")).fill(PASSWORD)
    page.get_by_role("button", name=re.compile("登录|Log in")).click()
    page.wait_for_url(served.url + "/admin")


@pytest.mark.parametrize("language", ["zh-CN", "en-US"])
def test_every_page_fits_and_loads_only_what_is_ours(chromium: Browser, served: Served, language: str) -> None:
    context = chromium.new_context(locale=language, java_script_enabled=False, color_scheme="dark")
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith(served.url) else said.append(request.url))
    log_in(page, served)
    for path in PAGES:
        answer = page.goto(served.url + "/admin" + path.format(order=served.order_no, code=served.code_id))
        assert answer is not None
        assert answer.status == {"/nothing": 404, "/audit?group=nothing&kind=order&number=nothing": 422}.get(path, 200), path
        for width in at_each_width(page):
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
        assert page.locator("html").get_attribute("lang") == ("zh-Hans" if language == "zh-CN" else "en")
        assert page.locator("h1").count() == 1
        unnamed = page.evaluate(
            """[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
               .filter(e => !e.labels?.length && !e.ariaLabel).map(e => e.name)"""
        )
        assert unnamed == [], path
    said = [text for text in said if "404" not in text and "422" not in text]  # the page that is not there
    assert said == []
    context.close()


def test_codes_are_imported_and_an_order_settled_on_a_phone_without_javascript(chromium: Browser, served: Served) -> None:
    context = chromium.new_context(viewport={"width": 360, "height": 760}, locale="zh-CN", java_script_enabled=False)
    page = context.new_page()
    log_in(page, served)
    page.get_by_text("菜单", exact=True).click()
    follow(page.locator(".sheet").get_by_role("link", name="导入记录"))
    follow(page.get_by_role("link", name="导入卡密"))
    page.get_by_label(re.compile("或粘贴卡密")).fill("PHONE-0001\nPHONE-0002\nPHONE-0001\n")
    follow(page.get_by_role("button", name="下一步"))
    follow(page.get_by_role("button", name="预览"))
    follow(page.get_by_role("link", name="选项", exact=True))
    follow(page.get_by_role("button", name="导入 2 个卡密"))
    page.get_by_role("status").get_by_text("导入完成。").wait_for()
    page.goto(served.url + "/admin/exceptions")
    follow(page.get_by_role("link", name="重复付款").first)
    page.get_by_label("处理说明").first.fill("已退款")
    follow(page.get_by_role("button", name="关闭").first)
    page.get_by_role("status").get_by_text("异常单已关闭。").wait_for()
    page.get_by_text("菜单", exact=True).click()
    follow(page.get_by_role("button", name="退出登录").first)
    page.get_by_role("status").get_by_text("已退出登录。").wait_for()
    page.goto(served.url + "/admin/orders")
    assert "/admin/login" in page.url
    context.close()
