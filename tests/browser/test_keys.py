"""The key that makes one order of one form, as browsers treat it: a new one for each opening, the old one on the way back."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.test_buying import SAYS, fits

pytestmark = pytest.mark.browser

KEY = "input[name=idempotency_key]"
SIZES = "(({transferSize, encodedBodySize}) => [transferSize, encodedBodySize])(performance.getEntriesByType('navigation')[0])"


@pytest.mark.parametrize("javascript", [True, False])
def test_a_key_for_each_opening_and_the_same_on_the_way_back(served: str, open_page: OpenPage, javascript: bool) -> None:
    page = open_page(javascript=javascript)
    keys = []
    for _ in range(3):
        page.goto(served + "/p/steam")
        keys.append(page.locator(KEY).input_value())
    assert len(set(keys)) == 3
    assert {len(key) for key in keys} == {24}
    page.goto(served + "/")
    page.go_back()
    assert page.locator(KEY).input_value() == keys[-1]


def test_a_page_that_did_not_change_comes_out_of_the_browsers_memory(served: str, open_page: OpenPage) -> None:
    page = open_page()
    for path in ("/p/steam", "/"):
        page.goto(served + path)
        page.goto(served + path)
        sent, whole = page.evaluate(SIZES)
        assert sent < 1000 < whole


def test_the_way_back_to_a_form_is_the_way_to_its_order(served: str, open_page: OpenPage) -> None:
    """Sent again as it was it is the same order, changed it is another, opened anew it is another."""
    page = open_page()

    def sent(quantity: str) -> str:
        page.get_by_label(SAYS["zh-CN"]["contact"]).fill("keys@example.com")
        page.locator("#quantity").fill(quantity)
        page.get_by_role("button", name=SAYS["zh-CN"]["buy"]).click()
        page.wait_for_url("**/o/*")
        return page.url

    page.goto(served + "/p/steam")
    fits(page)
    first = sent("1")
    page.go_back()
    expect(page.get_by_role("button", name=SAYS["zh-CN"]["buy"])).to_be_enabled()
    assert sent("1") == first
    page.go_back()
    assert sent("2") != first
    page.goto(served + "/p/steam")
    assert sent("1") != first
