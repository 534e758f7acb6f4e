"""Codes in a real browser: revealed after proof and reason, copied, and exported with a second person's approval."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from kashop.inventory.codelist import reads as codelist
from kashop.inventory.codelist.types import Sought
from kashop.shop import Shop
from tests import beside
from tests.admin.desk import MANAGER, add_staff
from tests.admin.test_screens import Served, Server, chromium, log_in  # noqa: F401  # the fixture
from tests.cast import OWNER, PASSWORD, add_product, config
from tests.chromium import follow, shoot
from tests.workbooks import codes as codes_in

pytestmark = pytest.mark.browser
SIZES = [("zh-CN", 360), ("en-US", 1280)]


async def _fill(shop: Shop) -> tuple[str, int]:
    await add_product(shop, "steam", codes=60)
    await add_staff(shop, MANAGER, "manager")
    (code,) = await shop.db.read(codelist.oldest, Sought(), limit=1)
    return "", code.code_id


class Place:
    """The served shop and its data."""

    def __init__(self, served: Served, data: Path):
        self.url, self.code_id, self.data = served.url, served.code_id, data

    def run(self, sql: str) -> list[tuple[object, ...]]:
        return beside.rows(config(self.data).place, sql)


@pytest.fixture
def place(data: Path) -> Iterator[Place]:
    server = Server(data, _fill)
    server.start()
    assert server.is_up.wait(120)
    assert server.served is not None
    yield Place(server.served, data)
    server.stop()


def come_in(browser: Browser, place: Place, language: str, width: int, email: str = OWNER) -> tuple[BrowserContext, Page]:
    context = browser.new_context(viewport={"width": width, "height": 760}, locale=language)
    page = context.new_page()
    log_in(page, place, email)
    place.run("UPDATE sessions SET stepped_up_at = 0")
    return context, page


def prove(page: Page) -> None:
    page.wait_for_url(re.compile("/admin/step-up"))
    page.locator("input[type=password]").fill(PASSWORD)
    follow(page.locator("main").get_by_role("button").first)


def button(page: Page, chinese: str, english: str) -> Locator:
    return page.locator("main").get_by_role("button", name=re.compile(f"^({chinese}|{english})"))


def press(page: Page, chinese: str, english: str) -> None:
    follow(button(page, chinese, english))


def fits(page: Page, width: int) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth") <= width)


@pytest.mark.parametrize(("language", "width"), SIZES)
def test_a_code_is_revealed_after_proof_and_reason_and_copied(
    chromium: Browser,  # noqa: F811
    place: Place,
    language: str,
    width: int,
) -> None:
    context, page = come_in(chromium, place, language, width)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{place.url}/admin/codes/list?goods=steam")
    follow(page.get_by_role("link", name=re.compile("^(更早|较早|上一页|Older)")))
    page.locator(f"input[name=code][value='{place.code_id}']").check()
    press(page, "查看所选明文", "Reveal the chosen")
    prove(page)
    page.wait_for_url(re.compile(f"/admin/codes/reveal\\?code={place.code_id}"))
    shoot(page, f"codes-reveal-{language}-{width}")
    page.get_by_label(re.compile("^(原因|Why)")).fill("买家说无法兑换")
    press(page, "查看明文", "Reveal")
    page.get_by_text("STEAM-00000").wait_for()
    assert fits(page, width)
    button(page, "复制", "Copy").click()
    page.get_by_role("button", name=re.compile("已复制|Copied.")).wait_for()
    shoot(page, f"codes-revealed-{language}-{width}")
    assert page.evaluate("navigator.clipboard.readText()") == "STEAM-00000"
    told = place.run("SELECT name, object_id, reason FROM events WHERE name LIKE 'code.%' ORDER BY seq")
    assert told == [("code.viewed", place.code_id, "买家说无法兑换"), ("code.copied", place.code_id, "")]
    page.goto(f"{place.url}/admin/codes/{place.code_id}")
    page.get_by_text("买家说无法兑换").wait_for()
    context.close()


def approve(browser: Browser, place: Place, language: str, width: int) -> None:
    """A second person finds the request, proves who they are, and approves."""
    theirs, other = come_in(browser, place, language, width, MANAGER)
    other.goto(f"{place.url}/admin/approvals")
    if width > 1000:
        expect(other.locator(".waiting").first).to_have_text("1")
    follow(other.locator("main").get_by_role("link", name=re.compile("#1")))
    follow(other.locator("main").get_by_role("link", name=re.compile("确认|Confirm")))
    prove(other)
    other.wait_for_url(re.compile("/admin/approvals/1"))
    press(other, "批准", "Approve")
    other.get_by_role("status").wait_for()
    shoot(other, f"codes-approved-{language}-{width}")
    theirs.close()


@pytest.mark.parametrize(("language", "width"), SIZES)
def test_an_export_above_the_bound_is_approved_by_a_second_person_and_fetched(
    chromium: Browser,  # noqa: F811
    place: Place,
    language: str,
    width: int,
) -> None:
    mine, page = come_in(chromium, place, language, width)
    page.goto(f"{place.url}/admin/codes/export?goods=steam")
    prove(page)
    page.wait_for_url(re.compile(r"/admin/codes/export\?goods=steam"))
    page.get_by_label(re.compile("^(原因|Why)")).fill("转给合作店铺")
    shoot(page, f"codes-ask-{language}-{width}")
    press(page, "提交审批", "Ask for approval")
    page.wait_for_url(re.compile("/admin/approvals/1"))
    approve(chromium, place, language, width)
    page.goto(f"{place.url}/admin/approvals/1")
    follow(page.locator("main").get_by_role("link", name=re.compile("确认|Confirm")))
    prove(page)
    page.wait_for_url(re.compile("/admin/approvals/1"))
    shoot(page, f"codes-run-{language}-{width}")
    press(page, "导出 60 个卡密", "Export 60 codes")
    page.wait_for_url(re.compile("/admin/codes/export/"))
    passphrase = page.locator("pre.secret").inner_text()
    shoot(page, f"codes-ready-{language}-{width}")
    assert fits(page, width)
    with page.expect_download() as waiting:
        button(page, "下载", "Download").click()
    file = Path(waiting.value.path()).read_bytes()
    assert codes_in(file, passphrase) == [f"STEAM-{n:05}" for n in range(60)]
    names = [name for (name,) in place.run("SELECT name FROM events WHERE name LIKE 'export.%' ORDER BY seq")]
    assert [n for n in names if n != "export.unusual"] == ["export.begun", "export.made", "export.fetched"]
    mine.close()
