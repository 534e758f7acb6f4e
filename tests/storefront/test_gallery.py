"""Every page in every state, in every language: whole, translated, safe under a strict CSP, and usable by all."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from kashop.web.context import PAGES
from kashop.web.themes import Theme, load_theme
from kashop.web.urls import url
from tests.storefront.gallery import STATES, frame

LOCALES = ("zh_Hans", "en")
VOID = {"meta", "link", "input", "img", "br", "hr", "path", "circle", "rect"}


@pytest.fixture(scope="module")
def theme() -> Theme:
    loaded = load_theme("default", timezone=lambda: "Asia/Shanghai", is_strict=True)
    for locale in loaded.catalogues:
        loaded.environment(locale).globals["url"] = url
    return loaded


def draw(theme: Theme, name: str, locale: str) -> str:
    template, view = STATES[name]
    values = {field: getattr(view, field) for field in view.__struct_fields__}
    return theme.environment(locale).get_template(template).render(values, frame=frame(locale, "/"))


class Page(HTMLParser):
    """What a page is made of, and every place where it is not well-formed."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag in tags]


@pytest.fixture(params=[(name, locale) for name in STATES for locale in LOCALES], ids="-".join)
def page(request: pytest.FixtureRequest, theme: Theme) -> Page:
    return Page(draw(theme, *request.param))


def test_every_page_has_a_state() -> None:
    assert {template for template, _ in STATES.values()} == set(PAGES)
    assert all(type(view) is PAGES[template] for template, view in STATES.values())


def test_it_is_well_formed_with_unique_ids(page: Page) -> None:
    assert not page.wrong
    assert not page.open
    ids = Counter(attrs["id"] for _, attrs in page.tags if "id" in attrs)
    assert not [name for name, count in ids.items() if count > 1]


def test_a_strict_policy_lets_all_of_it_through(page: Page) -> None:
    assert not page.all("style", "iframe", "base")
    for tag, attrs in page.tags:
        assert "style" not in attrs
        assert not [name for name in attrs if name.startswith("on")]
        assert tag != "script" or (attrs.get("src") or "").startswith(("/t/default/", "/x/captcha_altcha/"))
    for attrs in page.all("img", "link"):
        assert (attrs.get("src") or attrs.get("href") or "").startswith("/")


def test_every_field_says_what_it_is(page: Page) -> None:
    labels = {attrs.get("for") for attrs in page.all("label")}
    for attrs in page.all("input", "select"):
        if attrs.get("type") not in ("hidden", "radio", "checkbox"):
            assert attrs.get("id") in labels, attrs
    named = {attrs.get("id") for _, attrs in page.tags}
    for _, attrs in page.tags:
        for pointed in (attrs.get("aria-describedby") or "").split():
            assert pointed in named, attrs
    assert all("alt" in attrs for attrs in page.all("img"))
    assert len(page.all("h1")) == 1
    assert page.all("html")[0]["lang"] in ("zh-Hans", "en")


def test_it_speaks_one_language(theme: Theme) -> None:
    """In English no Chinese but the fixtures' own; in Chinese no msgid at all."""
    msgids = {m for m in theme.catalogues["zh_Hans"].messages if re.search(r"[a-z]{3} [a-z]", m) and "{" not in m}
    for name in STATES:
        chinese = draw(theme, name, "zh_Hans")
        assert not [m for m in msgids if f">{m}<" in chinese], name
    empty = draw(theme, "lookup", "en").replace("小卡铺", "").replace("中文", "")
    assert not re.search(r"[\u4e00-\u9fff]", empty)


def test_what_people_typed_is_text(theme: Theme) -> None:
    html = draw(theme, "product-wrong", "zh_Hans")
    assert "<script>alert" not in html
    assert 'value="&lt;script&gt;alert(1)&lt;/script&gt;"' in html


def test_codes_stand_only_where_they_were_asked_for(theme: Theme) -> None:
    code = "7KQ2M-XW8ZR-4LK1S"
    assert {name for name in STATES if code in draw(theme, name, "en")} == {"order-shown"}


def test_a_code_keeps_its_lines(theme: Theme) -> None:
    html = draw(theme, "order-shown", "zh_Hans")
    assert '<pre class="code">卡号：0062 1483 0097 1120\n密码：00718823\n有效期：2027-11-30</pre>' in html


def test_the_first_view_is_small(theme: Theme) -> None:
    needed = ("app.css", "kashop.js", "mark.svg")
    sizes = [len(theme.assets.files[name].gzipped or theme.assets.files[name].body) for name in needed]
    assert sum(sizes) + len(draw(theme, "home", "zh_Hans").encode()) < 50 * 1024
