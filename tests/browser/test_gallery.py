"""Every state of every page in Chromium under the strict policy: nothing too wide, nothing refused, pictures to look at."""

import pytest
from playwright.sync_api import Browser, Route

from kashop.web.themes import Theme, load_theme
from kashop.web.urls import url
from tests.chromium import at_each_width, shoot
from tests.storefront.gallery import STATES, frame

pytestmark = pytest.mark.browser

POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self'; object-src 'none'; frame-ancestors 'none'"
HOME = "http://gallery.example"


def answer(theme: Theme, route: Route) -> None:
    _, kind, *rest = route.request.url.removeprefix(HOME).partition("?")[0].split("/")
    if kind == "t":
        asset = theme.assets.files["/".join(rest[2:])]
        route.fulfill(body=asset.body, content_type=asset.content_type)
    elif kind == "gallery":
        locale, name = rest
        template, view = STATES[name]
        values = {field: getattr(view, field) for field in view.__struct_fields__}
        html = theme.environment(locale).get_template(template).render(values, frame=frame(locale, "/"))
        headers = {"content-security-policy": POLICY}
        route.fulfill(body=html, content_type="text/html; charset=utf-8", headers=headers)
    else:
        route.fulfill(status=204)


@pytest.mark.parametrize(("locale", "scheme"), [("en", "light"), ("zh_Hans", "dark")])
def test_every_state(chromium: Browser, locale: str, scheme: str) -> None:
    theme = load_theme("default", timezone=lambda: "Asia/Shanghai", is_strict=True)
    theme.environment(locale).globals["url"] = url
    context = chromium.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page, wrong = context.new_page(), []
    page.on("console", lambda said: wrong.append(f"{page.url}: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
    page.route("**/*", lambda route: answer(theme, route))
    for name in STATES:
        page.goto(f"{HOME}/gallery/{locale}/{name}")
        for width in at_each_width(page):
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                wrong.append(f"{page.url}: {wide} pixels wide, not {width}")
            shoot(page, f"{name}-{locale}-{width}-{scheme}")
    assert not wrong
