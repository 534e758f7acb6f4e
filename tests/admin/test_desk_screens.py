"""The exceptions desk and the inbox of callbacks in a real browser: on a phone and at a desk, in both languages."""

import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from kashop.flows import checkout
from kashop.flows import settings as settings_flow
from kashop.lib.actor import CLI, SYSTEM
from kashop.orders import writes
from kashop.orders.rules import EXCEPTIONS
from kashop.shop import Shop
from tests.admin.desk import add_staff
from tests.admin.test_screens import Served, Server, log_in
from tests.cast import PASSWORD, add_epay, add_product, call_back, epay_notice, let_a_crowd_in, order
from tests.chromium import at_each_width, follow, launched, shoot

pytestmark = pytest.mark.browser
BOTH = pytest.mark.parametrize("language", ["zh-CN", "en-US"])


async def _fill(shop: Shop) -> tuple[str, int]:
    """A shop with one order for every kind of trouble, the money of some of them real."""
    await let_a_crowd_in(shop)
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
        await shop.db.write(partial(writes.open_exception, **detail.get(kind, {})), placed.order.order_id, kind, SYSTEM)
    await order(shop, "steam", 1, contact="12345678", contact_type="qq")
    return late.order.order_no, 0


@pytest.fixture(scope="module")
def served(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("desk")
    shutil.copytree(founded, place / "shop")
    shutil.copy2(founded.with_name("shop.key"), place / "shop.key")
    server = Server(place / "shop", _fill)
    server.start()
    assert server.is_up.wait(120)
    assert server.served is not None
    yield server.served
    server.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


def fits(page: Page, where: str, *, shot: str = "") -> None:
    for width in at_each_width(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (where, width)
        if shot:
            shoot(page, f"{shot}-{width}")


@BOTH
def test_every_entry_tells_its_story_and_fits(chromium: Browser, served: Served, language: str) -> None:
    context = chromium.new_context(locale=language, java_script_enabled=False)
    page = context.new_page()
    log_in(page, served)
    page.goto(served.url + "/admin/exceptions")
    assert page.locator("section.desk").count() == len(EXCEPTIONS)
    fits(page, "the desk", shot=f"desk-{language}")
    ways = page.eval_on_selector_all("section.desk h2 a", "all => all.map(a => a.getAttribute('href'))")
    for n, way in enumerate(ways):
        answer = page.goto(served.url + way)
        assert answer is not None
        assert answer.status == 200
        fits(page, way, shot=f"entry-{n}-{language}" if n < 4 else "")
        text = page.locator("main").inner_text()
        assert not re.search(r"\{\w+\}", text), "a place that was not filled"
    for path in (
        "/admin/exceptions?owner=mine",
        "/admin/exceptions?kind=paid_late&age=day",
        "/admin/callbacks",
        "/admin/callbacks?verdict=rejected",
    ):
        page.goto(served.url + path)
        fits(page, path, shot=f"{re.sub('[^a-z]+', '-', path)}-{language}")
    follow(page.locator("table a").first)
    fits(page, "a callback", shot=f"callback-{language}")
    context.close()


def test_late_money_is_delivered_from_the_desk_without_javascript(chromium: Browser, served: Served) -> None:
    """On a phone: find it, take it on, note it, deliver it, and see it closed."""
    context = chromium.new_context(viewport={"width": 360, "height": 760}, locale="zh-CN", java_script_enabled=False)
    page = context.new_page()
    log_in(page, served)
    follow(page.get_by_role("link", name=re.compile("待处理异常|异常")).first)
    page.goto(served.url + "/admin/exceptions?kind=paid_late")
    follow(page.get_by_role("button", name="由我处理"))
    page.get_by_role("status").get_by_text("已由你接手。").wait_for()
    page.get_by_label("备注", exact=True).fill("买家催过一次")
    follow(page.get_by_role("button", name="添加备注"))
    page.get_by_text("买家催过一次").first.wait_for()
    follow(page.get_by_role("button", name="重新预占并发货"))
    page.get_by_role("status").get_by_text("已发货").wait_for()
    page.get_by_text("已关闭").first.wait_for()
    shoot(page, "delivered-zh-CN-360")
    context.close()


def test_a_payment_is_confirmed_with_evidence_by_two_people(chromium: Browser, served: Served, tmp_path: Path) -> None:
    """Finance asks with a screenshot, the owner looks at it and approves, finance does it."""
    slip = tmp_path / "slip.png"
    Image.new("RGB", (300, 200), "white").save(slip)
    finance = chromium.new_context(viewport={"width": 360, "height": 760}, locale="zh-CN").new_page()
    owner = chromium.new_context(viewport={"width": 1280, "height": 760}, locale="en-US").new_page()
    log_in(owner, served)
    log_in(finance, served, "finance@example.com")
    finance.goto(served.url + "/admin/exceptions?kind=gateway_unclear")
    follow(finance.get_by_role("link", name="补单"))
    finance.get_by_label(re.compile("支付流水号|流水号")).fill("BANK-1")
    finance.get_by_label("依据").fill("银行到账短信")
    finance.get_by_label(re.compile("付款凭证")).set_input_files(slip)
    shoot(finance, "confirm-zh-CN-360")
    follow(finance.get_by_role("button", name="提交审批"))
    prove(finance)
    finance.get_by_text("需要另一个人批准").or_(finance.get_by_text("已通知")).first.wait_for()
    shoot(finance, "asked-zh-CN-360")
    request = finance.url.partition("?")[0]
    owner.goto(request)
    if owner.get_by_role("link", name="Confirm that it is you").count():
        follow(owner.get_by_role("link", name="Confirm that it is you"))
        prove(owner)
        owner.goto(request)
    expect(owner.get_by_text("BANK-1")).to_be_visible()
    shown = owner.request.get(served.url + str(owner.get_by_role("link", name="Look at it").get_attribute("href")))
    assert (shown.status, shown.headers["content-type"]) == (200, "image/webp")
    shoot(owner, "approve-en-US-1280")
    follow(owner.get_by_role("button", name="Approve"))
    owner.get_by_role("status").get_by_text("Approved.").wait_for()
    finance.goto(request)
    follow(finance.get_by_role("button", name="确认已付款"))
    finance.get_by_role("status").wait_for()
    shoot(finance, "confirmed-zh-CN-360")
    expect(finance.get_by_text("已发货").first).to_be_visible()


def prove(page: Page) -> None:
    """Say again who one is, where that is asked."""
    if page.locator("input[type=password]").count():
        page.locator("input[type=password]").first.fill(PASSWORD)
        follow(page.locator("main form button").first)


def test_a_text_is_copied_and_an_entry_handed_over(chromium: Browser, served: Served) -> None:
    may = ["clipboard-read", "clipboard-write"]
    context = chromium.new_context(viewport={"width": 1280, "height": 760}, locale="en-US", permissions=may)
    page = context.new_page()
    log_in(page, served)
    page.goto(served.url + "/admin/exceptions?kind=short_of_stock")
    follow(page.get_by_role("link", name="Short of stock"))
    page.get_by_role("button", name="Copy the text").click()
    page.get_by_role("button", name="Copied.").wait_for()
    assert "Your payment for order" in page.evaluate("navigator.clipboard.readText()")
    assert str(page.get_by_role("link", name="Write an e-mail").get_attribute("href")).startswith("mailto:buyer.with.a.long.name")
    page.get_by_label("Hand over to").select_option(label="finance@example.com")
    follow(page.get_by_role("button", name="Hand over"))
    page.get_by_role("status").get_by_text("Handed over.").wait_for()
    page.get_by_label("Why it is settled").fill("done by hand")
    follow(page.get_by_role("button", name="Close", exact=True))
    page.get_by_role("status").get_by_text("The exception is closed.").wait_for()
    context.close()
