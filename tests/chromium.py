"""The system's Chromium, driven by Playwright; a test that needs it and does not find it fails."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect, sync_playwright

WAIT = 60_000
"""Milliseconds; a guard against hanging, not a judgement: two busy cores are slow."""

expect.set_options(timeout=WAIT)

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless browser, closed at the end."""
    path = os.environ.get("KASHOP_TEST_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.fail("There is no Chromium: install it, or name one in KASHOP_TEST_CHROMIUM.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        with suppress(Error):
            browser.close()


def at_each_width(page: Page) -> Iterator[int]:
    """A page on a phone and at a desk, without asking for it twice: the width that it has while this waits."""
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 760})
        yield width


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the whole page where somebody asked for them: set KASHOP_SHOTS to a folder."""
    if folder := os.environ.get("KASHOP_SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def follow(link: Locator) -> None:
    """Click what leads to another page, and wait until that page is there: a click alone does not, nor does a look at it."""
    with link.page.expect_navigation():
        link.click()
