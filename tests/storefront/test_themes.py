"""Themes: inheritance, the sandbox, assets; and the words."""

from pathlib import Path

import pytest
from jinja2 import pass_context
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context
from markupsafe import Markup

from kashop.lib.errors import FieldError, TooMany
from kashop.lib.money import Money
from kashop.web.text import choose_locale, marked, money_text, time_mark, translations
from kashop.web.themes import ThemeBroken, load_theme
from kashop.web.urls import url
from tests.storefront.gallery import STATES, frame

MANIFEST = 'id = "{id}"\nname = "x"\nversion = "1"\ntheme_api = {api}\nextends = "{extends}"\n'


def make_theme(data: Path, name: str, *, extends: str = "default", api: int = 1, **files: str) -> None:
    root = data / "themes" / name
    for folder in ("templates", "assets", "locales"):
        (root / folder).mkdir(parents=True)
    (root / "theme.toml").write_text(MANIFEST.format(id=name, api=api, extends=extends))
    for path, text in files.items():
        target = root / path.replace("__", "/").replace("_dot_", ".")
        target.write_text(text, "utf-8")


def test_a_child_changes_a_block_and_keeps_the_rest(tmp_path: Path) -> None:
    make_theme(
        tmp_path,
        "night",
        templates__error_dot_html='{% extends "default/error.html" %}{% block error_ways_out %}<p>nowhere</p>{% endblock %}',
        assets__app_dot_css="body{}",
    )
    theme = load_theme("night", data=tmp_path)
    assert theme.assets.files["app.css"].body == b"body{}"
    assert theme.assets.files["kashop.js"].body == load_theme("default").assets.files["kashop.js"].body
    environment = theme.environment("en")
    environment.globals["url"] = url
    _, view = STATES["error-404"]
    values = {name: getattr(view, name) for name in view.__struct_fields__}
    page = environment.get_template("error.html").render(values, frame=frame("en", "/"))
    assert "<p>nowhere</p>" in page
    assert "没有找到" in page
    assert theme.catalogues["zh_Hans"].gettext("Pay now") == "去支付"


@pytest.mark.parametrize(
    "text",
    ["{{ ''.__class__.__mro__ }}", "{{ frame.__init__.__globals__ }}", "{{ values.append(1) }}", "{{ _.__globals__.x }}"],
)
def test_a_template_cannot_leave_the_sandbox(text: str) -> None:
    environment = load_theme("default").environment("en")
    with pytest.raises((SecurityError, UndefinedError)):
        environment.from_string(text).render(frame=object(), values=[])


def test_what_is_marked_unsafe_or_asks_for_the_context_goes_the_long_way() -> None:
    def forbidden() -> str:
        raise AssertionError

    @pass_context
    def told(context: Context, name: str) -> object:
        return context[name]

    forbidden.unsafe_callable = True  # type: ignore[attr-defined]
    environment = load_theme("default").environment("en")
    with pytest.raises(SecurityError):
        environment.from_string("{{ f() }}").render(f=forbidden)
    macro = "{% macro m(a, b='2') %}{{ a }}{{ b }}{{ caller() if caller }}{% endmacro %}"
    calls = "{% for n in '13' %}{{ m(told('x'), b=n) }}{% endfor %}{% call m(1) %}<i>{% endcall %}"
    assert environment.from_string(macro + calls).render(told=told, x="<") == "&lt;1&lt;312<i>"


def test_a_misspelt_name_is_an_error_when_strict() -> None:
    with pytest.raises(UndefinedError):
        load_theme("default", is_strict=True).environment("en").from_string("{{ prodcut }}").render()


@pytest.mark.parametrize("name", ["missing", "../default", "default/templates", "."])
def test_a_theme_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(ThemeBroken):
        load_theme(name, data=tmp_path)


def test_themes_that_cannot_work(tmp_path: Path) -> None:
    make_theme(tmp_path, "old", api=99)
    make_theme(tmp_path, "ring", extends="round")
    make_theme(tmp_path, "round", extends="ring")
    for name in ("old", "ring"):
        with pytest.raises(ThemeBroken):
            load_theme(name, data=tmp_path)


def test_only_plain_files_of_known_kinds_are_assets(tmp_path: Path) -> None:
    make_theme(tmp_path, "odd", extends="", assets__notes_dot_txt="no", assets__x_dot_css="a{}")
    (tmp_path / "secret.css").write_text("secret")
    (tmp_path / "themes/odd/assets/link.css").symlink_to(tmp_path / "secret.css")
    assert set(load_theme("odd", data=tmp_path).assets.files) == {"x.css"}


def test_an_address_follows_the_content(tmp_path: Path) -> None:
    make_theme(tmp_path, "one", extends="", assets__x_dot_css="a{}")
    before = load_theme("one", data=tmp_path).assets.url("x.css")
    (tmp_path / "themes/one/assets/x.css").write_text("b{}")
    assert load_theme("one", data=tmp_path).assets.url("x.css") != before


@pytest.mark.parametrize(
    ("wanted", "accepted", "said"),
    [
        ("", "", "zh_Hans"),
        ("en", "zh-CN", "en"),
        ("xx", "en-GB,en;q=0.9", "en"),
        ("", "zh-TW,zh;q=0.9,en;q=0.8", "zh_Hans"),
        ("", "fr,en;q=0.5", "en"),
        ("", "en;q=0,zh", "zh_Hans"),
        ("", "en;q=nonsense,;;,*", "zh_Hans"),
        ("", "x" * 10_000, "zh_Hans"),
    ],
)
def test_the_language(wanted: str, accepted: str, said: str) -> None:
    assert choose_locale(wanted=wanted, accepted=accepted, offered=["en", "zh_Hans"], default="zh_Hans") == said


def test_words() -> None:
    chinese = translations("zh_Hans")
    assert (
        chinese.refusal(TooMany("Too many tries. Please wait {seconds} seconds.", retry_after=3, seconds=3))
        == "操作太频繁，请 3 秒后再试。"
    )
    assert chinese.field_error(FieldError("x", "At least {n} characters.", (("n", "4"),))) == "至少 4 个字符。"
    assert translations("en").say("{name} and {other}", {"name": "a"}) == "a and {other}"
    assert translations("xx").gettext("Pay") == "Pay"


def test_money_and_times() -> None:
    assert money_text(Money(123456, "CNY"), "zh_Hans") == "¥1,234.56"
    assert money_text(Money(500, "JPY"), "en") == "¥500"
    assert "2023-11-15 06:13 " in time_mark(1_700_000_000_000, "Asia/Shanghai")
    assert "UTC+5:30" in time_mark(1_700_000_000_000, "Asia/Kolkata")
    assert 'datetime="2023-11-14T22:13:20Z"' in time_mark(1_700_000_000_000, "America/New_York")
    assert "UTC−5" in time_mark(1_700_000_000_000, "America/New_York")
    assert ">2023-11-14 17:13:20 <" in time_mark(1_700_000_000_000, "America/New_York", is_exact=True)


def test_what_is_put_into_a_sentence_is_escaped_once() -> None:
    said = marked("{a} & {b}", {"a": "<i>", "b": Markup("<b>{c}</b>")})
    assert (said, type(said)) == ("&lt;i&gt; &amp; <b>{c}</b>", Markup)
    assert marked("{a}", {}) == "{a}"
    with pytest.raises(KeyError):
        marked("{a} {b}", {"a": 1})


def test_values_in_a_message_are_escaped() -> None:
    page = load_theme("default").environment("en").from_string("{{ _('{n} in stock', n=n) }}").render(n="<b>")
    assert page == "&lt;b&gt; in stock"


def test_markdown_is_harmless() -> None:
    text = "<script>x</script> [a](javascript:alert(1)) ![r](http://evil.example/x.png) ![o](/uploads/a.png) **b**"
    page = load_theme("default").environment("en").from_string("{{ markdown(t) }}").render(t=text)
    assert "<script" not in page
    assert 'href="javascript' not in page
    assert "evil.example" not in page
    assert '<img src="/uploads/a.png" alt="o">' in page
    assert "<strong>b</strong>" in page
