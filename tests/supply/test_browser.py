"""The suppliers' page in a real browser: it makes a key, seals, and the shop opens it (interoperability)."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from kashop.supply import sealedbatch
from kashop.vault import boxes
from tests.canary.scanner import Scanner
from tests.chromium import at_each_width, launched, shoot
from tests.serving import Served, here, kashop

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("supply")
    shutil.copytree(founded, place / "shop")
    shutil.copy2(founded.with_name("shop.key"), place / "shop.key")
    kashop("product", "add", "--data", place / "shop", "--slug", "steam", "--name", "Steam 50", "--price", "12.50")
    with Served(place / "shop") as served:
        yield served


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


class Watched:
    """A page whose requests and complaints are kept."""

    def __init__(self, chromium: Browser, served: Served, *, width: int = 360, language: str = "zh-CN"):
        self.context = chromium.new_context(viewport={"width": width, "height": 800}, locale=language, accept_downloads=True)
        self.page = self.context.new_page()
        self.requests: list[tuple[str, bytes]] = []
        self.said: list[str] = []
        self.page.on("request", lambda r: self.requests.append((r.url, r.post_data_buffer or b"")))
        self.page.on("console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.said.append(str(e)))

    def sealed(self) -> bytes:
        """The last file that was sent."""
        return next(body for url, body in reversed(self.requests) if url.endswith("/supply/batches"))


def invited(served: Served, name: str, *more: str) -> str:
    return kashop("supplier", "add", name, "--data", served.data, "--product", "steam", *more).strip()


def confirm(served: Served, page: Page, name: str) -> None:
    mark = page.locator("#offered .fingerprint")
    expect(mark).to_have_text(re.compile("^([0-9a-f]{4} ){5}[0-9a-f]{4}$"))
    kashop("supplier", "confirm", name, mark.inner_text(), "--data", served.data)
    page.locator("[data-check]").click()
    expect(page.locator("#send")).to_be_visible()


def told(served: Served) -> list[dict[str, Any]]:
    return json.loads(kashop("supplier", "batches", "--json", "--data", served.data))


def test_a_key_is_made_confirmed_and_codes_leave_the_browser_only_sealed(chromium: Browser, served: Served) -> None:
    watched = Watched(chromium, served)
    page, link = watched.page, invited(served, "browser", "--trusted")
    page.goto(link)
    expect(page).to_have_url(f"{served.url}/supply")
    page.locator("#make").click()
    confirm(served, page, "browser")
    codes = [f"KANARI-BROWSER-{n:04}-密=/+?" for n in range(30)]
    page.locator("#codes").fill("\n".join([*codes, codes[0], "", "  "]))
    expect(page.locator("#found b")).to_have_text("31")
    page.locator("#go").click()
    expect(page.locator("#result h2")).to_have_text("已入库")
    expect(page.locator("#result .tile b")).to_have_text(["30", "1", "0"])
    expect(page.locator("#codes")).to_have_value("")
    assert [(b["status"], b["added"], b["duplicates"]) for b in told(served)] == [("done", 30, 1)]
    seed = page.evaluate("JSON.parse(localStorage[Object.keys(localStorage)[0]]).seed")
    scanner = Scanner({**{f"code {n}": code for n, code in enumerate(codes)}, "seed": seed, "link": link.partition("=")[2]})
    assert scanner.texts([(url, url.encode()) for url, _ in watched.requests]) == []
    assert scanner.texts([(url, body) for url, body in watched.requests if "/supply/keys" not in url]) == []
    assert scanner.files(served.data) == []
    assert list(scanner.hits(served.told().encode(), "log")) == []
    assert {url.partition("/supply")[0].partition("/api")[0] for url, _ in watched.requests} == {served.url}
    assert watched.said == []
    watched.context.close()


def test_what_the_browser_seals_python_opens_and_a_key_file_moves(chromium: Browser, served: Served, tmp_path: Path) -> None:
    watched = Watched(chromium, served, width=1280, language="en-US")
    page = watched.page
    page.goto(invited(served, "moves"))
    page.locator("#make").click()
    confirm(served, page, "moves")
    with page.expect_download() as download:
        page.locator("#key [data-save]").click()
    download.value.save_as(tmp_path / "supplier.key")
    file = tmp_path / "cards.csv"
    file.write_bytes('序号,卡号,密码\n1,A-0001,"P,1"\n2,A-0002,P2\n'.encode("gb18030"))
    page.locator("#file").set_input_files(file)
    page.get_by_label("序号").uncheck()
    expect(page.locator("#found b")).to_have_text("2")
    page.locator("#go").click()
    expect(page.locator("#result h2")).to_have_text("Received, the shop has still to agree")
    sent = watched.sealed()
    head = sealedbatch.parse_head(sent)
    key = json.loads((tmp_path / "supplier.key").read_text())
    public = boxes.public_of(sealedbatch.unbase64(key["seed"], 32))
    assert boxes.is_signed(public, sealedbatch.signed_text(head.line), head.signature)
    (tmp_path / "again.sealed").write_bytes(sent)
    assert (head.manifest.count, head.manifest.product, head.manifest.supplier) == (2, "steam", key["supplier"])
    page.locator("#forget").click()  # the question is dismissed by default
    expect(page.locator("#send")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#forget").click()
    expect(page.locator("#no-key")).to_be_visible()
    assert page.evaluate("localStorage.length") == 0
    page.locator("#no-key [data-load]").set_input_files(tmp_path / "supplier.key")
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator("#sent tbody tr")).to_have_count(1)
    assert watched.said == []
    watched.context.close()
    by_hand(served, tmp_path)


def by_hand(served: Served, place: Path) -> None:
    """The browser's key file seals at the terminal too, and a batch that was sent is not taken twice."""
    (place / "shop-key.json").write_text(kashop("supplier", "key", "moves", "--data", served.data), encoding="utf-8")
    (place / "more.txt").write_text("A-0003\n")
    keys = ("--to", place / "shop-key.json", "--key", place / "supplier.key")
    kashop("codes", "seal", place / "more.txt", *keys, "--product", "steam", "--out", place / "more.sealed")
    done = json.loads(kashop("codes", "open-sealed", place / "more.sealed", "--json", "--data", served.data))
    assert (done["status"], done["added"]) == ("done", 1)
    again = here("codes", "open-sealed", place / "again.sealed", "--data", served.data)
    assert again.returncode == 1
    assert b"sent before" in again.stderr


@pytest.mark.parametrize("language", ["zh-CN", "en-US"])
def test_every_state_of_the_page_fits_and_says_what_is_wrong(
    chromium: Browser, served: Served, tmp_path: Path, language: str
) -> None:
    watched = Watched(chromium, served, language=language)
    page, name = watched.page, f"fits-{language}"
    page.goto(f"{served.url}/supply")
    fits(page, "#no-key", language)
    (tmp_path / "bad.key").write_text("{}")
    page.locator("#no-key [data-load]").set_input_files(tmp_path / "bad.key")
    expect(page.locator("#trouble")).to_be_visible()
    page.goto(invited(served, name))
    fits(page, "#join", language)
    page.locator("#make").click()
    fits(page, "#offered", language)
    confirm(served, page, name)
    page.locator("#go").click()
    expect(page.locator("#trouble")).to_be_visible()
    page.locator("#codes").fill(f"{name}-0001\n{name}-0002")
    page.locator("#go").click()
    fits(page, "#result", language)
    expect(page.locator("#trouble")).to_be_hidden()
    kashop("supplier", "disable", name, "--data", served.data)
    page.locator("#codes").fill("X-1")
    page.locator("#go").click()
    expect(page.locator("#trouble")).to_contain_text("停止接收" if language == "zh-CN" else "takes no batches")
    expect(page.locator("#codes")).to_have_value("X-1")  # what was refused is still there
    assert [text for text in watched.said if "422" not in text] == []
    watched.context.close()


def fits(page: Page, part: str, language: str) -> None:
    expect(page.locator(part)).to_be_visible()
    wider = "[...document.querySelectorAll('.card')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.id)"
    for width in at_each_width(page):
        shoot(page, f"supply-{part[1:]}-{language}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (part, width)
        assert page.evaluate(wider) == [], (part, width)
    assert page.locator("html").get_attribute("lang") == ("zh-Hans" if language == "zh-CN" else "en")
    unnamed = "[...document.querySelectorAll('input, select, textarea')].filter(e => !e.labels?.length && !e.ariaLabel).length"
    assert page.evaluate(unnamed) == 0


def test_without_javascript_the_page_says_so(chromium: Browser, served: Served) -> None:
    context = chromium.new_context(java_script_enabled=False, locale="en-US")
    page = context.new_page()
    answer = page.goto(f"{served.url}/supply")
    assert answer is not None
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    expect(page.locator("noscript p")).to_be_visible()
    expect(page.locator("#send")).to_be_hidden()
    context.close()
