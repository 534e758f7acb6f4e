"""Files that pages refer to, kept for ever by whoever has them once: a theme's, the panel's, the supplier's page's, pictures."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from kashop.app import make_app
from kashop.shop import Shop
from kashop.web.answers import has, takes_gzip

PAGES = {"/": "app.css", "/admin/login": "admin.css", "/supply": "admin.css"}


@pytest.fixture
async def site(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=make_app(shop, is_strict=True))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        yield client


async def address_on(site: httpx.AsyncClient, page: str, name: str) -> str:
    text = (await site.get(page)).text
    found = re.search(rf'"(/[\w/]+/[0-9a-f]{{8}}/{re.escape(name)})"', text)
    assert found, text
    return found[1]


@pytest.mark.parametrize("page", PAGES)
async def test_one_address_one_content_for_ever(site: httpx.AsyncClient, page: str) -> None:
    address = await address_on(site, page, PAGES[page])
    plain = await site.get(address, headers={"accept-encoding": "identity"})
    packed = await site.get(address, headers={"accept-encoding": "br, gzip"})
    assert plain.content == packed.content
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) == len(plain.content)
    assert plain.headers["etag"] != packed.headers["etag"]
    for answer in (plain, packed):
        assert answer.headers["vary"] == "Accept-Encoding"
        again = await site.get(address, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        if page == "/":
            assert answer.headers["cache-control"] == again.headers["cache-control"] == "public, max-age=31536000, immutable"
    head = await site.head(address, headers={"accept-encoding": "gzip"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == packed.headers["content-length"]


@pytest.mark.parametrize("page", PAGES)
async def test_an_address_of_another_version_is_not_kept(site: httpx.AsyncClient, page: str) -> None:
    address = await address_on(site, page, PAGES[page])
    old = await site.get(re.sub(r"/[0-9a-f]{8}/", "/00000000/", address))
    assert old.status_code == 200
    assert "immutable" not in old.headers["cache-control"]
    assert (await site.get(address + "x")).status_code == 404


async def test_a_picture_is_sent_once(site: httpx.AsyncClient, shop: Shop) -> None:
    (shop.config.data / "uploads" / "a1.png").write_bytes(b"\x89PNG")
    first = await site.get("/uploads/a1.png")
    assert first.content == b"\x89PNG"
    again = await site.get("/uploads/a1.png", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for answer in (first, again):
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("said", "takes"),
    [
        (b"gzip", True),
        (b"gzip, deflate, br", True),
        (b"br;q=1.0, GZIP;q=0.5", True),
        (b"x-gzip", True),
        (b"", False),
        (b"identity", False),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000, br", False),
        (b"notgzip", False),
        (b"*", False),
    ],
)
def test_who_takes_gzip(said: bytes, takes: bool) -> None:
    assert takes_gzip(said) is takes


def test_what_is_known() -> None:
    assert has({b"if-none-match": b'W/"abc", "def"'}, b"def")
    assert not has({b"if-none-match": b'"abc"'}, b"def")
    assert not has({}, b"def")
