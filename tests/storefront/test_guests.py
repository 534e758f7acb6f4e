"""Pages that all guests share: kept while all that they are made of holds, never anybody's own, right at every door."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import msgspec
import pytest

from kashop.app import make_app
from kashop.catalog import writes as catalog
from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.settings import Settings
from kashop.shop import Shop
from kashop.web.cache import Cache, Content, Inputs
from kashop.web.drawn import GAP, Drawn
from kashop.web.storefront.guests import Guests
from tests.admin.conftest import Desk
from tests.cast import add_epay, add_product, order, stock
from tests.storefront.asking import key_of, shows
from tests.storefront.test_themes import make_theme

PAGES = ("/", "/c/games", "/p/steam")
WECHAT = "Mozilla/5.0 (Linux; Android 14) Chrome/126 Mobile Safari/537.36 MicroMessenger/8.0.49"
ASKED = ("path", "locale", "device")


class Site:
    """A browser without cookies of anybody, and what the shop keeps of what it is sent."""

    def __init__(self, shop: Shop):
        self.app = make_app(shop, is_strict=True)
        self.guests = self.app._ready.__self__  # type: ignore[attr-defined]
        assert isinstance(self.guests, Guests)
        self.cache = self.guests.cache
        transport = httpx.ASGITransport(app=self.app, client=("203.0.113.7", 50000))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://shop.example")
        self.drawn: list[str] = []
        draw = self.cache._draw
        self.cache._draw = lambda inputs, content: self.drawn.append(inputs.path) or draw(inputs, content)  # type: ignore[func-returns-value]

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def kept(self) -> bytes:
        """Every byte that is kept."""
        return b"".join(b"".join(each.page._parts) for each in self.cache._kept.values())


@pytest.fixture
async def site(shop: Shop) -> AsyncIterator[Site]:
    await add_epay(shop, methods="alipay")
    await add_epay(shop, "epay-two", methods="wxpay")
    games = await shop.db.write(catalog.add_category, slug="games", name="游戏", parent_id=None, actor=CLI)
    await add_product(shop, "steam", codes=50, stock_display="level", category_id=games)
    await add_product(shop, "video", codes=5)
    opened = Site(shop)
    async with opened.http:
        yield opened


Change = Callable[[Shop, Site], Awaitable[dict[str, str]]]
"""Changes one thing; what the browser that asks next says otherwise."""


async def another_product(shop: Shop, site: Site) -> dict[str, str]:
    return {"path": "/p/video"}


async def another_language(shop: Shop, site: Site) -> dict[str, str]:
    return {"accept_language": "en"}


async def another_device(shop: Shop, site: Site) -> dict[str, str]:
    return {"user_agent": WECHAT}


async def another_price(shop: Shop, site: Site) -> dict[str, str]:
    await shop.db.write(lambda tx: tx.run("UPDATE skus SET price_minor = 999 WHERE sku_code = 'steam'"))
    return {}


async def sold(shop: Shop, site: Site) -> dict[str, str]:
    await shop.db.write(lambda tx: tx.run("UPDATE stock_counts SET free = 3"))
    shop.shelf._until = 0
    return {}


async def closed_gateway(shop: Shop, site: Site) -> dict[str, str]:
    await shop.db.write(lambda tx: tx.run("UPDATE gateways SET is_enabled = 0 WHERE name = 'epay-main'"))
    return {}


async def new_name(shop: Shop, site: Site) -> dict[str, str]:
    await settings.change(shop, {"shop.name": "另一家"}, CLI)
    return {}


async def new_support(shop: Shop, site: Site) -> dict[str, str]:
    await settings.change(shop, {"shop.support": "QQ 1"}, CLI)
    return {}


async def opened(shop: Shop, site: Site) -> dict[str, str]:
    shop.settings = Settings({"shop.name": '"测试小店"', "shop.practice": "false"})
    return {}


async def new_theme(shop: Shop, site: Site) -> dict[str, str]:
    make_theme(shop.config.data, "night", assets__app_dot_css="body{}")
    shop.settings._values["shop.theme"] = "night"  # a change of settings would be an input of its own
    return {}


async def edited_template(shop: Shop, site: Site) -> dict[str, str]:
    file = shop.config.data / "themes/mine/templates/product.html"
    file.write_text('{% extends "default/product.html" %}{% block product_cover %}two two{% endblock %}', "utf-8")
    site.guests._pages._look_again_at = 0
    return {}


async def failing_gateway(shop: Shop, site: Site) -> dict[str, str]:
    for _ in range(3):
        shop.failures.note(await shop.db.read(lambda db: db.value("SELECT MIN(gateway_id) FROM gateways")))
    return {}


CHANGES: list[tuple[str, Change]] = [
    ("path", another_product),
    ("locale", another_language),
    ("device", another_device),
    ("snapshot", another_price),
    ("snapshot", sold),
    ("snapshot", closed_gateway),
    ("settings", new_name),
    ("settings", new_support),
    ("settings", opened),
    ("theme", new_theme),
    ("templates", edited_template),
    ("resting", failing_gateway),
]


def test_every_input_is_walked() -> None:
    assert {name for name, _ in CHANGES} == set(Inputs.__struct_fields__)


async def before_and_after(shop: Shop, site: Site, change: Change) -> tuple[httpx.Response, httpx.Response]:
    if change is edited_template:
        make_theme(shop.config.data, "mine", templates__product_dot_html='{% extends "default/product.html" %}')
        await settings.change(shop, {"shop.theme": "mine"}, CLI)
    before = await site.get("/p/steam", accept_language="zh-CN", user_agent="Mozilla/5.0")
    again = await site.get("/p/steam", accept_language="zh-CN", user_agent="Mozilla/5.0")
    assert site.drawn == ["/p/steam"]
    assert before.headers["etag"] == again.headers["etag"]
    asked = {"path": "/p/steam", "accept_language": "zh-CN", "user_agent": "Mozilla/5.0", **(await change(shop, site))}
    return before, await site.get(asked.pop("path"), **asked)


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=lambda value: getattr(value, "__name__", value))
async def test_whatever_a_page_is_made_of_changes_it(shop: Shop, site: Site, name: str, change: Change) -> None:
    before, after = await before_and_after(shop, site, change)
    assert after.status_code == 200
    assert before.headers["etag"] != after.headers["etag"]
    assert before.text.replace(key_of(before), "") != after.text.replace(key_of(after), "")


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=lambda value: getattr(value, "__name__", value))
async def test_an_input_that_is_left_out_is_missed(
    shop: Shop, site: Site, monkeypatch: pytest.MonkeyPatch, name: str, change: Change
) -> None:
    """The control: the walk above sees what the cache would forget."""
    asked = [n for n in ASKED if n != name]
    state = [n for n in Inputs.__struct_fields__ if n not in (*ASKED, name)]
    looks = [n for n in state if n not in ("snapshot", "resting")]

    def same(names: list[str]) -> Callable[[Inputs, Inputs], bool]:
        return lambda kept, now: all(getattr(kept, n) is getattr(now, n) or getattr(kept, n) == getattr(now, n) for n in names)

    monkeypatch.setattr(Inputs, "asked", property(lambda self: tuple(getattr(self, n) for n in asked)))
    monkeypatch.setattr(Inputs, "holds", same(state))
    monkeypatch.setattr(Inputs, "looks_alike", same(looks))
    before, after = await before_and_after(shop, site, change)
    assert before.headers["etag"] == after.headers["etag"]


async def test_a_sale_draws_only_what_shows_it(shop: Shop, site: Site) -> None:
    """`steam` shows a level, `video` its count; both stand in the list, one in the category."""
    paths = [*PAGES, "/p/video"]
    for path in paths:
        await site.get(path)
    site.drawn.clear()
    await order(shop, "steam", 3)
    shop.shelf._until = 0
    assert [(await site.get(path)).status_code for path in paths] == [200] * 4
    assert site.drawn == []
    await order(shop, "video", 2)
    shop.shelf._until = 0
    assert "库存 3" in (await site.get("/p/video")).text
    assert "库存 3" in (await site.get("/")).text
    for path in paths:
        await site.get(path)
    assert sorted(site.drawn) == ["/", "/p/video"]


async def test_stock_and_prices_are_shown_without_being_asked_twice(shop: Shop, site: Site) -> None:
    await site.get("/p/video")
    await stock(shop, "video", [f"MORE-{n}" for n in range(7)])
    await shows(site.http, "/p/video", "库存 12")
    await shop.db.write(lambda tx: tx.run("UPDATE skus SET price_minor = 888 WHERE sku_code = 'video'"))
    assert "¥8.88" in (await site.get("/p/video")).text, "a commit of this process is seen at once"
    assert "¥8.88" in (await site.get("/")).text


@pytest.mark.parametrize("most_bytes", [None, 0])
async def test_a_crowd_is_drawn_for_once(shop: Shop, site: Site, most_bytes: int | None) -> None:
    """The control keeps nothing."""
    if most_bytes is not None:
        site.cache._most_bytes = most_bytes
    answers = await asyncio.gather(*(site.get("/p/steam") for _ in range(40)))
    assert len({key_of(a) for a in answers}) == 40
    assert len({a.headers["etag"] for a in answers}) == 1
    assert (site.drawn == ["/p/steam"]) is (most_bytes is None)


@pytest.mark.parametrize("path", PAGES)
async def test_the_door_and_the_long_way_answer_alike(site: Site, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    await site.get(path)
    for headers in ({}, {"accept_encoding": "gzip"}, {"if_none_match": (await site.get(path)).headers["etag"]}):
        quick = await site.get(path, **headers)
        with monkeypatch.context() as patch:
            patch.setattr(site.app, "_ready", lambda scope: None)
            slow = await site.get(path, **headers)
        assert quick.status_code == slow.status_code
        varies = ("x-request-id",)
        assert {n: v for n, v in quick.headers.items() if n not in varies} == {
            n: v for n, v in slow.headers.items() if n not in varies
        }
        assert quick.text.replace(key_of(quick), "") == slow.text.replace(key_of(slow), "")


@pytest.mark.parametrize("path", PAGES)
async def test_how_a_page_is_told(site: Site, path: str) -> None:
    answer = await site.get(path)
    assert answer.headers["cache-control"] == "private, no-cache"
    told = {"Accept-Encoding", "Accept-Language", "Cookie"} | ({"User-Agent"} if path.startswith("/p/") else set())
    assert set(answer.headers["vary"].split(", ")) == told
    packed = await site.get(path, accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text.replace(key_of(packed), "") == answer.text.replace(key_of(answer), "")
    assert int(packed.headers["content-length"]) < len(answer.content) / 2
    head = await site.http.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", answer.headers["content-length"])
    known = {"if_none_match": answer.headers["etag"]}
    makes_keys = {**known, "cookie": "kashop_keys=1"}
    assert (await site.get(path, **makes_keys)).status_code == 304
    assert (await site.get(path, **known)).status_code == (200 if path.startswith("/p/") else 304)
    assert "content-security-policy" in (await site.get(path, **makes_keys)).headers


async def test_two_openings_are_two_orders_and_one_form_is_one(shop: Shop, site: Site) -> None:
    first, second = await site.get("/p/steam"), await site.get("/p/steam")
    assert site.drawn == ["/p/steam"]
    form = {"product": "steam", "sku": "steam", "quantity": "1", "contact": "a@example.com", "payment": "epay-main:alipay"}
    places = [
        (await site.http.post("/checkout", data={**form, "idempotency_key": key_of(page)})).headers["location"]
        for page in (first, first, second, second)
    ]
    assert places[0] == places[1]
    assert places[2] == places[3]
    assert len(set(places)) == 2


async def test_nothing_of_anybody_is_kept(shop: Shop, site: Site) -> None:
    """Every page that a buyer and a member of staff come by, with all that their browsers carry."""
    placed = await order(shop, "steam", contact="someone@example.com")
    buyer = {"product": "steam", "sku": "steam", "quantity": "1", "contact": "me@example.com", "payment": "epay-main:alipay"}
    form = {**buyer, "idempotency_key": key_of(await site.get("/p/steam"))}
    place = (await site.http.post("/checkout", data=form)).headers["location"]
    assert "kashop_orders" in site.http.cookies
    told = [await site.get(path) for path in (*PAGES, "/lookup", place, "/nothing", "/p/none", "/c/none", "/?x=secretword")]
    told.append(await site.http.post("/checkout", data={**form, "quantity": "0", "contact": "wrong@example.com"}))
    told.append(await site.http.post("/checkout", data={**form, "sku": "video", "product": "video", "quantity": "9"}))
    for answer in told:
        assert "public" not in answer.headers["cache-control"]
        own = answer.status_code != 200 or not re.fullmatch(r"/(c/.*|p/.*)?", answer.url.path)
        assert not own or "no-store" in answer.headers["cache-control"]
        assert not own or "etag" not in answer.headers
    secrets = (
        place,
        placed.order.order_no,
        placed.token,
        *site.http.cookies.values(),
        "example.com",
        "secretword",
        form["idempotency_key"],
    )
    kept = site.kept()
    assert kept.count(b"<html") == 3
    assert not [secret for secret in secrets if secret.encode() in kept]


async def test_staff_have_pages_of_their_own(shop: Shop, site: Site) -> None:
    desk = Desk(site.app)
    assert (await desk.log_in()).status_code == 303
    await site.get("/p/steam")
    kept = site.kept()
    await shop.db.write(lambda tx: tx.run("""UPDATE gateways SET rules = '{"audience":"staff"}' WHERE name = 'epay-two'"""))
    mine = await desk.get("/p/steam")
    assert "epay-two" in mine.text
    assert mine.headers["cache-control"] == "no-store"
    assert "etag" not in mine.headers
    theirs = await site.get("/p/steam")
    assert "epay-two" not in theirs.text
    assert b"epay-two" in kept
    assert b"epay-two" not in site.kept()


async def test_a_theme_that_cuts_the_key_up_is_drawn_for_each(shop: Shop, site: Site) -> None:
    text = '{% extends "default/product.html" %}{% block product_cover %}<i>{{ idempotency_key[:12] }}</i>{% endblock %}'
    make_theme(shop.config.data, "torn", templates__product_dot_html=text)
    await settings.change(shop, {"shop.theme": "torn"}, CLI)
    pages = [await site.get("/p/steam") for _ in range(2)]
    cut = [re.search(r"<i>(.*)</i>", page.text)[1] for page in pages]  # type: ignore[index]
    assert [key_of(page)[:12] for page in pages] == cut
    assert cut[0] != cut[1]
    assert "/p/steam" not in {each.inputs.path for each in site.cache._kept.values()}


class View(msgspec.Struct, frozen=True):
    text: str


def inputs(path: str) -> Inputs:
    return Inputs(path=path, locale="", device="", snapshot=0, settings=0, theme=0, templates=0, resting=frozenset())  # type: ignore[arg-type]


def test_what_is_kept_is_bounded_in_bytes() -> None:
    drawn: list[str] = []

    def draw(now: Inputs, content: Content) -> Drawn:
        drawn.append(now.path)
        return Drawn(now.path * 1000, vary="x")

    cache = Cache(lambda now: Content("x", View(now.path)) if now.path != "gone" else None, draw, most_bytes=100_000)
    for n in range(100):
        assert cache.find(inputs(f"/{n:03}")) is not None
        assert cache.find(inputs("/000")) is not None
        assert cache.bytes <= 100_000
        assert cache.bytes == sum(each.page.size + 4096 for each in cache._kept.values())
    assert drawn.count("/000") == 1, "what is asked for stays"
    assert cache.find(inputs("/050")) is not None
    assert drawn.count("/050") == 2, "what nobody asked for went"
    assert cache.find(inputs("gone")) is None
    big = Cache(lambda now: Content("x", View(now.path)), lambda now, content: Drawn("é" * 200_000, vary="x"), most_bytes=100_000)
    assert big.find(inputs("/big")) is not None, "a page that is too large to keep is drawn all the same"
    assert big.bytes == 0
    assert GAP not in "".join(drawn)
