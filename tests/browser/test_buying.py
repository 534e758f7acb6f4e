"""A buyer's whole way in a real browser: phone and desk, with and without JavaScript, in both languages."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.chromium import follow

pytestmark = pytest.mark.browser

SAYS = {
    "zh-CN": {
        "buy": "提交订单", "contact": "联系方式（邮箱 / 手机 / QQ）", "password": "查询密码", "pay": "去支付", "done": "支付成功",
        "delivered": "已发货", "show": "显示卡密", "paid": "我已支付", "find": "查询",
    },
    "en-US": {
        "buy": "Place the order", "contact": "Contact (e-mail, phone or QQ)", "password": "Look-up password", "pay": "Pay now",
        "done": "Pay", "delivered": "Delivered", "show": "Show the codes", "paid": "I have paid", "find": "Find",
    },
}  # fmt: skip


def place_order(
    page: Page, served: str, says: dict[str, str], *, quantity: str = "1", password: str = "", contact: str = "buyer@example.com"
) -> None:
    page.goto(served + "/")
    page.get_by_role("link", name="商品 steam").click()
    page.get_by_label(says["contact"]).fill(contact)
    page.get_by_label(says["password"]).fill(password)
    page.locator("#quantity").fill(quantity)
    page.get_by_role("button", name=says["buy"]).click()
    expect(page).to_have_url(re.compile(r"/o/K[0-9A-Z]+\?k="))


def fits(page: Page) -> None:
    """Nothing is wider than the phone."""
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_on_a_phone(served: str, open_page: OpenPage, locale: str) -> None:
    page, says = open_page(locale=locale), SAYS[locale]
    place_order(page, served, says, quantity="2")
    fits(page)
    expect(page.locator(".countdown")).to_have_text(re.compile(r"1[45]:\d\d"))
    page.get_by_role("link", name=says["pay"]).click()
    page.get_by_role("button", name=says["done"], exact=True).click()
    expect(page.get_by_role("heading", name=says["delivered"])).to_be_visible()
    fits(page)
    assert "STEAM-" not in page.content()
    follow(page.get_by_role("button", name=says["show"]))
    expect(page.locator("pre.code")).to_have_text([re.compile(r"^STEAM-\d{5}$")] * 2)
    fits(page)


def test_without_javascript(served: str, open_page: OpenPage) -> None:
    page, says = open_page(javascript=False), SAYS["zh-CN"]
    place_order(page, served, says, password="swordfish")
    link = page.url
    expect(page.get_by_role("button", name="复制")).to_have_count(0)
    page.get_by_role("button", name=says["paid"]).click()
    expect(page.get_by_text("还没有收到款项")).to_be_visible()
    page.get_by_role("link", name=says["pay"]).click()
    page.get_by_role("button", name=says["done"], exact=True).click()
    expect(page.get_by_role("heading", name=says["delivered"])).to_be_visible()
    page.get_by_role("button", name=says["show"]).click()
    expect(page.locator("pre.code")).to_have_text(re.compile(r"STEAM-\d{5}"))
    page.goto(served + "/lookup")
    page.get_by_label("订单号或联系方式").fill("buyer@example.com")
    page.get_by_label("查询密码").fill("swordfish")
    page.get_by_role("button", name=says["find"]).click()
    page.locator(f'a[href="{link.removeprefix(served)}"]').click()
    expect(page.get_by_role("button", name=says["show"])).to_be_visible()


def pay_elsewhere(page: Page, open_page: OpenPage, says: dict[str, str]) -> None:
    """The buyer pays on another device."""
    elsewhere = open_page()
    elsewhere.goto(page.get_by_role("link", name=says["pay"]).get_attribute("href") or "")
    follow(elsewhere.get_by_role("button", name=says["done"], exact=True))


def asked_for(page: Page) -> list[str]:
    """The ways by which the page looks for news, as it takes them."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.partition("?")[0].rpartition("/")[2]))
    return asked


def wait_times(page: Page, factor: float) -> None:
    """Let the page's own patience last so many times as long."""
    page.add_init_script(f"{{ const wait = setTimeout; window.setTimeout = (then, ms) => wait(then, ms * {factor}); }}")


def test_the_cashier_turns_over_when_it_is_told(served: str, open_page: OpenPage) -> None:
    page, says = open_page(width=1280), SAYS["zh-CN"]
    wait_times(page, 10)  # a slow machine is no proxy that holds back
    asked = asked_for(page)
    place_order(page, served, says)
    pay_elsewhere(page, open_page, says)
    expect(page.get_by_role("heading", name=says["delivered"])).to_be_visible()
    assert "events" in asked
    assert "status" not in asked, "it was told and never asked"


@pytest.mark.parametrize("cut", ["refused", "held back"])
def test_the_cashier_asks_when_it_cannot_be_told(served: str, open_page: OpenPage, cut: str) -> None:
    """The line is refused, or a proxy in between opens it and lets nothing through."""
    page, says = open_page(), SAYS["zh-CN"]
    answers = {"refused": {"status": 204}, "held back": {"status": 200, "content_type": "text/event-stream", "body": ": \n\n"}}
    page.route("**/events?*", lambda route: route.fulfill(**answers[cut]))  # type: ignore[arg-type]
    wait_times(page, 0.1)
    asked = asked_for(page)
    place_order(page, served, says)
    pay_elsewhere(page, open_page, says)
    expect(page.get_by_role("heading", name=says["delivered"])).to_be_visible()
    assert "status" in asked


def test_the_cashier_turns_over_by_a_refresh_without_javascript(served: str, open_page: OpenPage) -> None:
    page, says = open_page(javascript=False), SAYS["zh-CN"]
    place_order(page, served, says)
    pay_elsewhere(page, open_page, says)
    expect(page.get_by_role("heading", name=says["delivered"])).to_be_visible()


def test_a_page_that_slept_is_up_to_date_when_it_wakes(served: str, open_page: OpenPage) -> None:
    """While the page was out of sight its line was cut, and its clock ran on wrongly."""
    page, says = open_page(), SAYS["zh-CN"]
    page.route("**/events?*", lambda route: route.fulfill(status=204))
    place_order(page, served, says)
    page.unroute("**/events?*")
    page.evaluate("performance.now = () => 0")  # the clock stands, as it may while a phone sleeps
    expect(page.locator(".countdown")).to_have_text(re.compile(r"\d\d:\d\d"))
    with page.expect_response("**/status?*") as answered:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    left = int(answered.value.headers["kashop-left"])
    assert 800 < left < 900
    expect(page.locator(".countdown")).to_have_text(f"{left // 60}:{left % 60:02}")


def test_a_lost_callback_costs_a_press(served: str, open_page: OpenPage) -> None:
    page, says = open_page(), SAYS["zh-CN"]
    place_order(page, served, says)
    page.get_by_role("link", name=says["pay"]).click()
    page.get_by_role("button", name=re.compile("回调丢失")).click()
    expect(page.get_by_role("heading", name=says["delivered"])).to_be_visible()  # the way back asked the gateway


def test_what_is_wrong_is_marked_and_kept(served: str, open_page: OpenPage) -> None:
    page = open_page(javascript=False)
    page.goto(served + "/p/steam")
    page.locator("#quantity").fill("7")
    page.locator("#contact").fill("   ")
    page.locator("#lookup_password").fill("swordfish")
    page.get_by_role("button", name="提交订单").click()
    expect(page.locator("#complaints")).to_be_visible()
    expect(page.locator("#contact")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#quantity")).to_have_value("7")
    expect(page.locator("#lookup_password")).to_have_value("")
    page.locator("#contact").fill("corrected@example.com")
    page.get_by_role("button", name="提交订单").click()
    expect(page).to_have_url(re.compile(r"/o/K"))


def test_the_total_follows_the_quantity(served: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(served + "/p/steam")
    total = page.locator("[data-total-text]")
    expect(total).to_have_text("¥52.80")
    page.get_by_role("button", name="加一").click()
    expect(total).to_have_text("¥105.60")
    page.locator("#quantity").fill("10")
    expect(total).to_have_text("¥110.00")
    expect(page.locator("tr.is-reached")).to_have_count(1)


def test_the_fee_is_counted_in_before_the_order(served: str, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(served + "/p/steam")
    dear = page.locator('input[value="epay-fee:wxpay"]')
    expect(dear).to_be_disabled()  # it takes orders from 60 on
    page.get_by_role("button", name="加一").click()
    expect(page.locator("[data-total-text]")).to_have_text("¥105.60")
    dear.check()
    expect(page.locator("[data-total-text]")).to_have_text("¥107.72")
    expect(page.locator("[data-total-fee]")).to_have_text("含手续费 ¥2.12")
    page.get_by_label(SAYS["zh-CN"]["contact"]).fill("fee@example.com")
    page.get_by_role("button", name="提交订单").click()
    expect(page.locator(".cashier-amount .price")).to_have_text("¥107.72")
    fits(page)


def test_copying(served: str, open_page: OpenPage) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    place_order(page, served, SAYS["zh-CN"], contact="copy@example.com")
    page.get_by_role("button", name="复制金额").click()
    expect(page.get_by_role("button", name="已复制")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "52.80"


SMALL = """() => [...document.querySelectorAll('a, button, input:not([type=hidden]), select, summary')]
  .filter(e => e.offsetParent && !e.matches('.prose *, .card a, .skip, li > a, [type=radio], [type=checkbox]'))
  .map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
  .filter(([, box]) => box.width && box.height < 43.5).map(([html]) => html)"""


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_pages_fit_a_phone_and_fingers(served: str, open_page: OpenPage, locale: str) -> None:
    page = open_page(locale=locale)
    for path in ("/", "/p/steam", "/p/topup", "/lookup", "/nothing"):
        page.goto(served + path)
        fits(page)
        assert page.evaluate(SMALL) == []
