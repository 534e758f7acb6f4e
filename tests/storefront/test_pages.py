"""The pages themselves: lists, languages, assets, images, and pages that say no."""

import re

import httpx
import pytest

from kashop.catalog import writes
from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.web.storefront import files
from tests.cast import add_product


async def test_an_empty_shop_says_so(site: httpx.AsyncClient) -> None:
    page = await site.get("/")
    assert page.status_code == 200
    assert "暂无商品" in page.text


async def test_categories_of_two_levels(site: httpx.AsyncClient, shop: Shop) -> None:
    games = await shop.db.write(writes.add_category, slug="games", name="游戏", parent_id=None, actor=CLI)
    steam = await shop.db.write(writes.add_category, slug="steam", name="平台", actor=CLI, parent_id=games)
    away = await shop.db.write(writes.add_category, slug="away", name="藏起来", parent_id=None, actor=CLI)
    hiding = {"name": "藏起来", "parent_id": None, "position": 0, "is_hidden": True, "actor": CLI}
    await shop.db.write(writes.edit_category, away, **hiding)
    await add_product(shop, "in-games", category_id=games)
    await add_product(shop, "in-steam", category_id=steam)
    await add_product(shop, "elsewhere")
    await add_product(shop, "in-hidden", category_id=away)
    await add_product(shop, "hidden", is_hidden=True)
    shown = {path: set(re.findall(r'href="/p/([\w-]+)"', (await site.get(path)).text)) for path in ("/", "/c/games", "/c/steam")}
    assert shown == {
        "/": {"in-games", "in-steam", "elsewhere"},
        "/c/games": {"in-games", "in-steam"},
        "/c/steam": {"in-steam"},
    }
    assert (await site.get("/c/away")).status_code == 404
    assert (await site.get("/p/hidden")).status_code == 404
    assert "藏起来" not in (await site.get("/")).text


@pytest.mark.parametrize(
    ("display", "codes", "said"),
    [
        ("exact", 50, "库存 50"),
        ("exact", 0, "已售罄"),
        ("level", 50, "库存充足"),
        ("level", 3, "库存紧张"),
        ("hidden", 50, ""),
        ("hidden", 0, "已售罄"),
    ],
)
async def test_how_much_of_the_stock_is_told(site: httpx.AsyncClient, shop: Shop, display: str, codes: int, said: str) -> None:
    await add_product(shop, "x", codes=codes, stock_display=display)
    for path in ("/", "/p/x"):
        page = (await site.get(path)).text
        told = {word for word in ("库存 50", "库存充足", "库存紧张", "已售罄") if word in page}
        assert told == ({said} if said else set())
    assert ("提交订单" in (await site.get("/p/x")).text) is bool(codes)


async def test_hand_delivery_never_runs_out(site: httpx.AsyncClient, shop: Shop) -> None:
    await add_product(shop, "topup", delivery="manual")
    page = (await site.get("/p/topup")).text
    assert "人工发货" in page
    assert "提交订单" in page


async def test_a_language_is_chosen_and_kept(site: httpx.AsyncClient, shop: Shop) -> None:
    await add_product(shop, "x", codes=1)
    assert '<html lang="en">' in (await site.get("/", headers={"accept-language": "en-GB"})).text
    first = await site.get("/", headers={"accept-language": "fr"})
    assert '<html lang="zh-Hans">' in first.text
    assert "set-cookie" not in first.headers
    assert "Accept-Language" in first.headers["vary"]
    assert 'href="/?x=1&amp;lang=en"' in (await site.get("/?x=1&lang=zh_Hans")).text
    chosen = await site.get("/p/x?lang=en")
    assert "Place the order" in chosen.text
    assert 'href="/p/x?lang=zh_Hans"' in chosen.text
    assert "Place the order" in (await site.get("/p/x")).text
    assert (await site.get("/?lang=../../etc")).status_code == 200


async def test_assets_for_ever_and_never_from_elsewhere(site: httpx.AsyncClient) -> None:
    home = (await site.get("/")).text
    addresses = re.findall(r'(?:href|src)="(/t/[^"]+)"', home)
    assert len(set(addresses)) == 3
    for address in set(addresses):
        answer = await site.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        again = await site.get(address, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    css = next(a for a in addresses if a.endswith("app.css"))
    assert (await site.get(css, headers={"accept-encoding": "gzip"})).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in (await site.get(css, headers={"accept-encoding": "identity"})).headers
    old = await site.get(re.sub(r"/[0-9a-f]{8}/", "/00000000/", css))
    assert old.headers["cache-control"] == "no-cache"
    for bad in ("/t/default/1/../theme.toml", "/t/default/1/theme.toml", "/t/other/1/app.css", "/t/default/1/%2e%2e/x", "/t/"):
        assert (await site.get(bad)).status_code in (400, 404)


async def test_a_page_that_names_no_icon_gets_the_shops(site: httpx.AsyncClient, shop: Shop) -> None:
    icon = await site.get("/favicon.ico")
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")
    assert icon.headers["cache-control"] == "public, max-age=86400"
    assert icon.text.startswith("<svg")
    again = await site.get("/favicon.ico", headers={"if-none-match": icon.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_theme_without_an_icon_is_no_error(site: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ICONS", ("icon.nowhere",))
    icon = await site.get("/favicon.ico")
    assert (icon.status_code, icon.content) == (204, b"")


async def test_a_list_that_did_not_change_is_not_sent_again(site: httpx.AsyncClient, shop: Shop) -> None:
    await add_product(shop, "x", codes=2)
    first = await site.get("/")
    known = {"if-none-match": first.headers["etag"]}
    again = await site.get("/", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert (await site.get("/", headers={**known, "accept-language": "en"})).status_code == 200
    await add_product(shop, "y", codes=1)
    assert "商品 y" in (await site.get("/", headers=known)).text


async def test_images(site: httpx.AsyncClient, shop: Shop) -> None:
    folder = shop.config.data / "uploads"
    (folder / "a1.png").write_bytes(b"\x89PNG")
    (folder / "evil.svg").write_text("<svg/>")
    (folder / "link.png").symlink_to(shop.config.file)
    good = await site.get("/uploads/a1.png")
    assert (good.content, good.headers["content-type"]) == (b"\x89PNG", "image/png")
    assert good.headers["x-content-type-options"] == "nosniff"
    for bad in ("evil.svg", "link.png", "..%2fkashop.db", "%2e%2e", ".png", "none.png", "a1.png%00"):
        assert (await site.get(f"/uploads/{bad}")).status_code in (400, 404)


async def test_pages_that_say_no(site: httpx.AsyncClient) -> None:
    missing = await site.get("/nothing-here")
    assert missing.status_code == 404
    assert "没有找到" in missing.text
    assert 'href="/lookup"' in missing.text
    assert missing.headers["x-request-id"] in missing.text
    assert (await site.post("/", data={})).status_code == 405
    assert (await site.get("/checkout")).status_code == 405
    english = await site.get("/nothing-here", headers={"accept-language": "en"})
    assert "There is no such page." in english.text


async def test_broken_forms(site: httpx.AsyncClient, shop: Shop) -> None:
    await add_product(shop, "x", codes=1)
    form = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"product=%ff", b"product=%zz", b"&" * 200 + b"a=b&" * 200, b"product=x&quantity=1&quantity=2", b"\x00" * 50):
        assert 400 <= (await site.post("/checkout", content=body, headers=form)).status_code < 500
    for kind in ("application/json", "text/plain", "multipart/form-data", "multipart/form-data; boundary=x"):
        assert 400 <= (await site.post("/checkout", content=b"{}", headers={"content-type": kind})).status_code < 500
    for path in ("/lookup", "/o/K1/reveal", "/o/K1/cancel"):
        assert 400 <= (await site.post(path, content=b"k=%ff", headers=form)).status_code < 500


@pytest.mark.parametrize("path", ["/", "/c/none", "/p/none", "/p/x", "/lookup", "/o/K1?k=x", "/o/K1/status?k=x", "/pay/e/return"])
async def test_every_page_answers_head_and_carries_the_headers(site: httpx.AsyncClient, shop: Shop, path: str) -> None:
    await add_product(shop, "x", codes=1)
    got, head = await site.get(path), await site.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    for answer in (got, head):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "referrer-policy" in answer.headers


@pytest.mark.parametrize("tail", ["%00", "%ff", "a" * 3000, "'%20or%201=1", "<script>", "{{7*7}}", str(2**70)])
async def test_strange_addresses(site: httpx.AsyncClient, tail: str) -> None:
    for start in ("/p/", "/c/", "/o/", "/uploads/", "/t/default/", "/pay/"):
        answer = await site.get(start + tail)
        assert 400 <= answer.status_code < 500
        assert "<script>" not in answer.text
        assert "49" not in re.sub(r"[0-9a-f]{8,}", "", answer.text) or tail != "{{7*7}}"


async def test_a_shop_sells_without_its_theme(site: httpx.AsyncClient, shop: Shop) -> None:
    assert (await site.get("/")).status_code == 200
    await settings.change(shop, {"shop.theme": "gone", "shop.name": "新名字"}, CLI)
    page = await site.get("/")
    assert page.status_code == 200
    assert "新名字" in page.text
