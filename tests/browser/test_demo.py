"""What a newcomer does first: one command, a browser, a code in the hand."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/(?=\s|$)")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[str]:
    """`kashop demo` as a process of its own; the storefront's address as it says it."""
    command = [sys.executable, "-u", "-m", "kashop.cli", "demo", "--data", str(tmp_path / "shop"), "--port", "0"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KASHOP_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ) as process:
        assert process.stdout is not None
        said: list[str] = []
        try:
            for line in process.stdout:
                said.append(line)
                if found := ADDRESS.search(line):
                    yield found[0].rstrip("/")
                    break
            else:
                pytest.fail("kashop demo ended: " + "".join(said))
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)


def test_the_first_code(demo: str, open_page: OpenPage) -> None:
    page = open_page(javascript=False)
    page.goto(demo + "/")
    page.locator(".card:not(.is-out) h2 a").first.click()
    page.locator("#contact").fill("buyer@example.com")
    page.get_by_role("button", name="提交订单").click()
    page.get_by_role("link", name="去支付").click()
    page.get_by_role("button", name="支付成功", exact=True).click()
    page.get_by_role("button", name="显示卡密").click()
    expect(page.locator("pre.code")).to_have_text(re.compile(r"\S{8,}"))
