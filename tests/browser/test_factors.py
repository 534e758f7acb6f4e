"""Two-step log-in in a real browser at a really served shop: enrol, log out, log in, confirm, recover; no JavaScript."""

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.cast import PASSWORD
from tests.chromium import WAIT, follow, launched, shoot
from tests.serving import Served, kashop

pytestmark = pytest.mark.browser

STEP = 30
TEXTS = {
    "zh-CN": {
        "log_in": "登录",
        "email": "邮箱",
        "password": "密码",
        "code": "动态验证码",
        "turn_on": "启用",
        "set_up": "去启用",
        "log_out": "退出登录",
        "menu": "菜单",
        "recovery": "恢复码",
        "use_recovery": "改用恢复码",
        "go_on": "确认并继续",
        "save": "保存",
        "saved": "已保存。",
        "kept": "我已保存好",
        "file": "保存为文件",
        "left": "恢复码还剩 9 个。",
        "name": "店铺名称",
    },
    "en-US": {
        "log_in": "Log in",
        "email": "E-mail",
        "password": "Password",
        "code": "Code from your app",
        "turn_on": "Turn on",
        "set_up": "Set it up",
        "log_out": "Log out",
        "menu": "Menu",
        "recovery": "Recovery code",
        "use_recovery": "Use a recovery code instead",
        "go_on": "Confirm and go on",
        "save": "Save",
        "saved": "Saved.",
        "kept": "I have kept them",
        "file": "Save as a file",
        "left": "9 recovery codes are left.",
        "name": "Shop name",
    },
}


@dataclass
class Journey:
    """One browser on its way; `say` are the words of its language."""

    page: Page
    url: str
    width: int
    say: dict[str, str]
    name: str
    seed: str = ""
    codes: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)

    def button(self, word: str) -> Locator:
        return self.page.get_by_role("button", name=self.say[word], exact=True).locator("visible=true").first

    def press(self, word: str) -> None:
        follow(self.button(word))

    def type(self, word: str, text: str) -> None:
        self.page.get_by_label(re.compile("^" + re.escape(self.say[word]))).first.fill(text)

    def look(self, what: str) -> None:
        """Let nothing be wider than the screen, and keep a picture where they are asked for."""
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width, what
        shoot(self.page, f"factors-{what}-{self.name}")

    def code(self, step: int) -> str:
        """The code of so many half minutes from now: each is taken from half a minute early to half a minute late."""
        return pyotp.TOTP(self.seed).at(int(time.time()) + STEP * step)


@pytest.fixture(scope="module")
def served(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("factors") / "shop"
    shutil.copytree(founded, data)
    shutil.copy2(founded.with_name("shop.key"), data.with_name("shop.key"))
    with Served(data) as served:
        yield served


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


def age_proofs(served: Served) -> None:
    """Let five minutes pass for everybody's proof."""
    with sqlite3.connect(served.data / "kashop.db", timeout=10) as con:
        con.execute("UPDATE sessions SET stepped_up_at = 0")


def log_in(on: Journey, email: str) -> None:
    on.go("/admin")
    on.type("email", email)
    on.type("password", PASSWORD)
    on.press("log_in")


def enrol(on: Journey) -> None:
    on.go("/admin/account")
    on.look("account-off")
    follow(on.page.get_by_role("link", name=on.say["set_up"], exact=True))
    on.seed = on.page.locator(".secret").inner_text().replace(" ", "")
    assert on.page.locator("svg.qr").bounding_box()["width"] >= 160  # type: ignore[index]
    on.look("enrol")
    on.type("code", "000000" if on.code(0) != "000000" else "000001")
    on.press("turn_on")
    assert on.page.locator(".secret").inner_text().replace(" ", "") == on.seed
    on.look("enrol-wrong")
    on.type("code", on.code(0))
    on.press("turn_on")
    on.codes = on.page.locator(".own-codes li").all_inner_texts()
    assert len(on.codes) == 10
    on.look("recovery-codes")
    with on.page.expect_download() as download:
        on.button("file").click()
    assert all(code in download.value.path().read_text(encoding="utf-8-sig") for code in on.codes)
    follow(on.page.get_by_role("link", name=on.say["kept"]))
    on.look("account-on")


def log_out(on: Journey) -> None:
    if on.width < 900:
        on.page.get_by_text(on.say["menu"], exact=True).click()
    on.press("log_out")
    on.page.wait_for_url("**/admin/login**")


def log_in_twice(on: Journey, email: str) -> None:
    """By password, and then by the app's code."""
    log_in(on, email)
    on.page.wait_for_url("**/admin/login/code")
    on.look("login-code")
    on.type("code", on.code(1))
    on.press("log_in")
    on.page.wait_for_url(on.url + "/admin")


def go_on_with_a_form(on: Journey) -> None:
    """The proof is asked for when the form is sent, and the form goes on with it."""
    on.go("/admin/settings")
    on.type("name", "两步验证的小店")
    on.press("save")
    on.look("step-up-of-a-form")
    on.type("code", "000000" if on.code(0) != "000000" else "000001")
    on.press("go_on")
    on.look("step-up-wrong")
    on.type("code", on.codes[0].upper())
    on.press("go_on")
    on.page.get_by_role("status").get_by_text(on.say["saved"]).wait_for()
    assert on.page.get_by_label(re.compile("^" + on.say["name"])).first.input_value() == "两步验证的小店"


def recover(on: Journey, email: str) -> None:
    """Without the phone."""
    log_in(on, email)
    follow(on.page.get_by_role("link", name=on.say["use_recovery"]))
    on.look("login-recovery")
    on.type("recovery", on.codes[1])
    on.press("log_in")
    on.page.wait_for_url(on.url + "/admin")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_an_owner_uses_two_step_log_in(chromium: Browser, served: Served, tmp_path: Path, locale: str, width: int) -> None:
    email = f"{locale.lower()}{width}@example.com"
    (tmp_path / "password").write_text(PASSWORD)
    kashop("admin", "create", email, "--role", "owner", "--password-file", tmp_path / "password", "--data", served.data)
    scheme = "dark" if (locale == "zh-CN") == (width == 360) else "light"
    context = chromium.new_context(
        viewport={"width": width, "height": 760}, locale=locale, java_script_enabled=False, color_scheme=scheme
    )
    context.set_default_timeout(WAIT)
    on = Journey(context.new_page(), served.url, width, TEXTS[locale], f"{locale}-{width}-{scheme}")
    said: list[str] = []
    on.page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    log_in(on, email)
    enrol(on)
    log_out(on)
    on.look("login")
    log_in_twice(on, email)
    age_proofs(served)
    go_on_with_a_form(on)
    age_proofs(served)
    on.go("/admin/account/totp")
    on.page.wait_for_url("**/admin/step-up?next=**")
    on.look("step-up")
    follow(on.page.get_by_role("link", name=on.say["use_recovery"]))
    on.look("step-up-recovery")
    on.go("/admin/account")
    on.page.get_by_text(on.say["left"]).wait_for()
    log_out(on)
    recover(on, email)
    assert [text for text in said if "status of 4" not in text] == []
    context.close()
