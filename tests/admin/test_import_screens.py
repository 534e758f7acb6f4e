"""The whole wizard in a real browser, on a phone and at a desk, in both languages; screenshots where KASHOP_SHOTS says."""

import re
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from kashop.flows.restock import run
from kashop.flows.restock.pace import CHUNK
from tests.admin.test_screens import Served, chromium, log_in, served
from tests.chromium import follow, shoot

__all__ = ["chromium", "served"]
CARDS = "卡号,密码,成本\n" + "".join(f"62170000{n:04},PASS-{n:04},1.50\n" for n in range(30))

pytestmark = pytest.mark.browser


class Look:
    """Every step fits the width and is kept as a picture."""

    def __init__(self, page: Page, language: str, width: int):
        self.page, self.language, self.width, self.count = page, language, width, 0

    def at(self, name: str) -> None:
        self.count += 1
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width, name
        assert self.page.locator("h1").count() == 1
        shoot(self.page, f"import-{self.count:02}-{name}-{self.language}-{self.width}")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("language", ["zh-CN", "en-US"])
def test_the_whole_wizard(chromium: Browser, served: Served, tmp_path: Path, language: str, width: int) -> None:
    mark = f"{language}-{width}"
    context = chromium.new_context(viewport={"width": width, "height": 760}, locale=language)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith(served.url) else said.append(request.url))
    log_in(page, served)
    look = Look(page, language, width)
    page.goto(f"{served.url}/admin/codes/import")
    look.at("source")
    cards, lines, program = tmp_path / "游戏点卡.csv", tmp_path / "more.txt", tmp_path / "setup.exe"
    cards.write_bytes(CARDS.replace("PASS", mark).encode("gbk"))
    lines.write_text(f"LINE-{mark}-0001\nLINE-{mark}-0001\nbad\x01row-number\nLINE-{mark}-0002\n")
    program.write_bytes(b"MZ\x90\x00" + b"\x00" * 200)
    page.locator("input[type=file]").set_input_files([cards, lines, program])
    page.get_by_role("button", name=re.compile("^(下一步|Go on)$")).click()
    page.wait_for_url(re.compile("/rules$"))
    look.at("rules")
    page.get_by_text(re.compile("换一种方式解析|Read it another way")).first.click()
    look.at("rules-open")
    follow(page.get_by_role("button", name=re.compile("^(预览|Preview)$")))
    page.locator(".tile b").first.wait_for()
    look.at("preview")
    follow(page.get_by_role("link", name=re.compile("^(选项|Options)$")).first)
    look.at("options")
    page.get_by_label(re.compile("批次名称|Name of the batch")).fill(f"七月补货 {mark}")
    page.get_by_role("button", name=re.compile("导入 32 个卡密|Import 32 codes")).click()
    page.wait_for_url(re.compile("/batches/"))
    look.at("batch")
    page.get_by_label(re.compile("^(原因|Reason)")).fill("wrong product")
    follow(page.get_by_role("button", name=re.compile("^(撤销|Undo)$")))
    page.get_by_role("status").get_by_text(re.compile("导入已撤销|The import is undone")).wait_for()
    look.at("undone")
    page.goto(f"{served.url}/admin/codes")
    look.at("imports")
    assert said == []
    context.close()


@pytest.fixture
def gates(monkeypatch: pytest.MonkeyPatch) -> dict[str, threading.Event]:
    """Behind its first chunk an import stands, until the gate of its phase opens."""
    gates, original = {"judging": threading.Event(), "storing": threading.Event()}, run.Run._prepare

    def prepare(self: run.Run, *rest: object) -> object:
        if self.notes.read >= CHUNK:
            gates[self._progress.phase].wait(120)
        return original(self, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(run.Run, "_prepare", prepare)
    return gates


def test_an_import_is_watched_and_stopped_in_two_tabs(
    chromium: Browser, served: Served, tmp_path: Path, gates: dict[str, threading.Event]
) -> None:
    context = chromium.new_context(viewport={"width": 360, "height": 760}, locale="zh-CN")
    page = context.new_page()
    log_in(page, served)
    page.goto(f"{served.url}/admin/codes/import")
    big = tmp_path / "big.txt"
    big.write_text("".join(f"BIG-{n:08}-{n * 7919 % 1000003:06}\n" for n in range(4 * CHUNK)))
    page.locator("input[type=file]").set_input_files(big)
    follow(page.get_by_role("button", name="下一步"))
    follow(page.get_by_role("button", name="预览"))
    page.locator("progress").wait_for()
    look = Look(page, "zh-CN", 360)
    look.at("looking")
    gates["judging"].set()
    page.locator(".tile b").first.wait_for()
    follow(page.get_by_role("link", name="选项", exact=True).first)
    follow(page.get_by_role("button", name=re.compile(f"导入 {4 * CHUNK:,} 个卡密|导入 {4 * CHUNK} 个卡密")))
    page.wait_for_url(re.compile("/run$"))
    look.at("running")
    other = context.new_page()
    other.goto(page.url)
    other.locator("progress").wait_for()
    page.reload()
    page.get_by_text("加密入库").wait_for()
    follow(page.get_by_role("button", name="停止"))
    gates["storing"].set()
    page.wait_for_url(re.compile("/batches/"))
    other.wait_for_url(re.compile("/batches/"))  # the other tab follows by itself
    look.at("stopped")
    expect(page.locator("main")).to_contain_text("已停止")
    context.close()
