"""Every door against another site's page and against a mere look (B09, B10): from the routes, so that none is forgotten."""

import hashlib
import re
from collections.abc import Iterator

import pytest
from litestar.routes import HTTPRoute

from kashop.catalog import reads as catalog
from kashop.flows import login, settings
from kashop.inventory import reads as inventory
from kashop.lib.actor import CLI
from kashop.notices import reads as notices
from kashop.notices.rules import opened_facts
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests import beside
from tests.admin.desk import SUPPORT, Desk, add_staff, app_of
from tests.cast import OWNER, TestClock, add_epay, add_product, call_back, epay_notice, order

ELSEWHERE = ("/pay/", "/api/", "/x/")
"""Doors where no cookie counts: gateways, scripts with a token, plugins' pages."""


@pytest.fixture
def app(shop: Shop) -> Edge:
    return app_of(shop)


@pytest.fixture
async def owner(app: Edge) -> Desk:
    desk = Desk(app)
    await desk.log_in()
    return desk


@pytest.fixture
async def filled(shop: Shop) -> dict[str, str]:
    """A shop in which every kind of thing is there, and what stands in a path for each."""
    await add_epay(shop)
    product = await add_product(shop, "steam", codes=3)
    await add_staff(shop, SUPPORT, "support")
    placed = await order(shop, "steam")
    await call_back(shop, epay_notice(placed))
    waiting = await order(shop, "steam")
    batch = (await shop.db.read(inventory.batches))[0].batch_id
    assert await shop.db.read(catalog.get_product, product)
    names = {"order_no": waiting.order.order_no, "product": "1", "name": "epay-main", "gateway": "epay-main", "batch": str(batch)}
    return {**names, "staff": "2", "slug": "steam", "kind": "practice", "token": waiting.token}


def routes(app: Edge) -> Iterator[tuple[str, set[str]]]:
    """Every path and the methods it knows."""
    for route in app._app.routes:  # type: ignore[attr-defined]
        if isinstance(route, HTTPRoute):
            yield re.sub(r":\w+}", "}", route.path_format), {str(m) for m in route.methods}


def posts(app: Edge) -> list[str]:
    return sorted(path for path, methods in routes(app) if "POST" in methods and not path.startswith(ELSEWHERE))


def path_of(route: str, names: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda found: names.get(found[1], "1"), route)


def digest(shop: Shop) -> str:
    """All that the database holds."""
    return hashlib.sha256(beside.dump(shop.config.place)).hexdigest()


FOREIGN: dict[str, dict[str, str]] = {
    "another origin": {"origin": "https://evil.example"},
    "no origin": {"origin": "null"},
    "the same host by another scheme and port": {"origin": "http://shop.example:81"},
    "a name that ends like ours": {"origin": "http://evil-shop.example"},
    "fetch metadata, cross-site": {"sec-fetch-site": "cross-site", "origin": "http://shop.example"},
    "fetch metadata, a sister site": {"sec-fetch-site": "same-site"},
    "text that is JSON": {"origin": "https://evil.example", "content-type": "text/plain"},
}


@pytest.mark.parametrize("how", FOREIGN)
async def test_b09_another_sites_page_moves_nothing_even_with_the_right_token(
    shop: Shop, app: Edge, owner: Desk, filled: dict[str, str], how: str
) -> None:
    before, doors = digest(shop), posts(app)
    assert len(doors) > 30
    for door in doors:
        headers = {"accept": "application/json", "x-csrf-token": owner.csrf, **FOREIGN[how]}
        body = {"content": b'{"_csrf": "x"}'} if "content-type" in FOREIGN[how] else {"data": {"_csrf": owner.csrf}}
        answer = await owner.http.post(path_of(door, filled), headers=headers, **body)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site"), door
    assert digest(shop) == before


@pytest.mark.parametrize("token", ["", "stale", "theirs"])
async def test_b09_without_the_sessions_own_token_nothing_moves(
    shop: Shop, app: Edge, owner: Desk, filled: dict[str, str], token: str
) -> None:
    other = Desk(app)
    await other.log_in()
    given = other.csrf if token == "theirs" else token
    before = digest(shop)
    doors = [door for door in posts(app) if door.startswith("/admin") and not door.startswith("/admin/login")]
    assert len(doors) > 30
    for door in doors:
        answer = await owner.post(path_of(door, filled), {}, csrf=given, headers={"accept": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (403, "stale_page"), door
    assert digest(shop) == before


async def test_b10_a_look_changes_nothing(shop: Shop, app: Edge, owner: Desk, filled: dict[str, str], clock: TestClock) -> None:
    """GET and HEAD of every address, as the owner and as a stranger; of what only POST may do, 405."""
    before, seen = digest(shop), 0
    for door, methods in routes(app):
        if door == "/pay/{gateway}/callback":  # a gateway's protocol calls by GET, and proves itself by its signature
            continue
        query = {"k": filled["token"], "q": "x", "token": "x", "said": "saved"}
        for desk in (owner, Desk(app)):
            for method in ("GET", "HEAD"):
                answer = await desk.http.request(method, path_of(door, filled), params=query)
                assert answer.status_code < 500, door
                assert "GET" in methods or answer.status_code == 405, door
                seen += 1
    assert seen > 200
    assert digest(shop) == before


async def test_b10_links_out_of_a_mail_spend_nothing_by_being_looked_at(shop: Shop, app: Edge) -> None:
    await settings.change(shop, {"mail.host": "mail.example.com", "mail.from": "shop@example.com"}, CLI)
    await Desk(app).http.post("/admin/login/forgot", data={"email": OWNER})
    (mailed,) = [n for n in await shop.db.read(notices.page, 2**62, limit=9) if n.about == "password.reset"]
    links = [await login.make_login_link(shop, 1, CLI), opened_facts(shop.keyring, mailed.about, mailed.sealed)["link"]]
    before = digest(shop)
    for link in links:
        scanner = Desk(app)
        for method in ("GET", "HEAD", "GET"):
            answer = await scanner.http.request(method, link, follow_redirects=True)
            assert answer.status_code == 200, link
    assert digest(shop) == before


async def test_b10_the_witness_sees_a_change(shop: Shop, owner: Desk) -> None:
    before = digest(shop)
    await owner.post("/admin/settings", {"shop.name": "Another"})
    assert digest(shop) != before
