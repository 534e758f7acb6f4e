"""What the bench sells, and the requests that buy it: a founded shop in a directory of its own, thrown away afterwards.

Every buyer has an address and a contact of his own, as a crowd has: the requests tell the address as a trusted proxy would.
"""

import hashlib
import io
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from kashop.catalog import writes as catalog
from kashop.catalog.types import ProductDraft, SkuDraft
from kashop.flows import gateways, restock, settings
from kashop.flows.found import Charter, found
from kashop.lib.actor import CLI
from kashop.settings.config import Config
from kashop.shop import Shop
from kashop.stress.crowd import get, post

OWNER, PASSWORD = "owner@example.com", "a long enough Secret 7"
SLUG, SHELF, GATEWAY, PRICE = "steam-50", "cards", "epay-main", "12.50"
PID, KEY = "1001", "KEYepayV1bench0001"
ORDERS, HOME, LIST, PAGE = "/api/v1/orders", "/", f"/c/{SHELF}", f"/p/{SLUG}"
CALLBACK = f"/pay/{GATEWAY}/callback"
HOLD_MINUTES = 60
BESIDE = 29
"""Further products, so that a list has thirty."""
BROWSER = {
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "accept_encoding": "gzip, deflate, br",
}
OWN_KEYS = "kashop_keys=1"
"""What a browser says whose script makes the keys of forms: only to such a one is a page with a form ever unchanged."""


async def make_shop(config: Config, *, codes: int, crowds: Sequence[int] = (), beside: int = 0) -> None:
    """A shop with one product, its codes and an Epay account; nobody answers at that account's address.

    For each of `crowds` one more product with so many codes; `beside` products that fill the shelf.
    """
    await found(config, Charter(owner=OWNER, owner_password=PASSWORD, shop_name="Bench"))
    shop = await Shop.open(config)
    try:
        shelf = await shop.db.write(catalog.add_category, slug=SHELF, name="充值卡", parent_id=None, actor=CLI)
        await _add(shop, SLUG, codes, category_id=shelf, tiers=((10, 1200), (50, 1150)))
        for n in range(beside):
            await _add(shop, f"beside-{n}", 5, category_id=shelf)
        for n, stock in enumerate(crowds):
            await _add(shop, crowd_slug(n), stock)
        # what is measured is the order's path: nobody here pays for minutes, so that a proof of work would be asked for
        bounds = {"risk.captcha": "off", "risk.free_networks": "127.0.0.0/8"}
        await settings.change(shop, bounds, CLI)
        options = {"pid": PID, "key": KEY, "url": "http://127.0.0.1:9/"}
        await gateways.configure(shop, GATEWAY, type="epay", options=options, actor=CLI)
    finally:
        await shop.close()


def crowd_slug(number: int) -> str:
    """The product that one crowd wants."""
    return f"crowd-{number}"


async def _add(
    shop: Shop, slug: str, codes: int, *, category_id: int | None = None, tiers: tuple[tuple[int, int], ...] = ()
) -> None:
    draft = ProductDraft(
        slug=slug,
        name=f"Steam 钱包充值码 50 元 {slug}",
        category_id=category_id,
        summary="即时发货",
        description="**测试** 商品",
        hold_minutes=HOLD_MINUTES,
    )
    await shop.db.write(catalog.add_product, draft, [SkuDraft(price_minor=1250, tiers=tiers)], CLI)
    await restock.import_codes(shop, restock.Source(file=io.BytesIO(stock(slug, codes)), name="bench.txt", product=slug), CLI)


def stock(salt: str, count: int) -> bytes:
    """A stock file of so many codes."""
    return "\n".join(f"BENCH-{salt}-{n:08}-{n * 7919 % 99991:05}" for n in range(count)).encode()


def orders(port: int, count: int, *, salt: str, sku: str = SLUG, lookup_password: str = "") -> list[bytes]:
    """So many different orders for one code each."""
    return [order(port, f"{salt}-{n}", sku=sku, lookup_password=lookup_password) for n in range(count)]


def order(port: int, key: str, *, sku: str = SLUG, lookup_password: str = "", **headers: str) -> bytes:
    """One order under a key of its own, by a buyer of its own."""
    wish = {
        "lines": [{"sku": sku, "quantity": 1}],
        "contact": {"type": "email", "value": f"{key.lower()}@example.com"},
        "gateway": GATEWAY,
        "method": "alipay",
        "expected_total": {"amount": PRICE, "currency": "CNY"},
    }
    if lookup_password:
        wish["lookup_password"] = lookup_password
    return post(ORDERS, port, json.dumps(wish).encode(), idempotency_key=key, x_forwarded_for=address(key), **headers)


def address(buyer: str) -> str:
    """Where a buyer comes from."""
    return "10.{}.{}.{}".format(*zlib.crc32(buyer.encode()).to_bytes(4, "big")[:3])


def callbacks(port: int, placed: Sequence[bytes], *, salt: str) -> list[bytes]:
    """The gateway's word that each of these placed orders (the API's answers) was paid."""
    attempts = [msgspec.json.decode(body)["payment"]["attempt"] for body in placed]
    return [get(f"{CALLBACK}?{notice(no, f'{salt}{n:06}')}", port) for n, no in enumerate(attempts)]


def notice(attempt: str, txn: str) -> str:
    """A signed notification, as the Epay sheet has it."""
    told = {
        "pid": PID,
        "trade_no": txn,
        "out_trade_no": attempt,
        "type": "alipay",
        "name": "Bench",
        "money": PRICE,
        "trade_status": "TRADE_SUCCESS",
    }
    return urlencode({**told, "sign": signature(told), "sign_type": "MD5"})


def signature(told: dict[str, str]) -> str:
    """Sorted, raw, key appended, MD5: written from the sheet."""
    kept = "&".join(f"{k}={told[k]}" for k in sorted(told) if told[k] and k not in ("sign", "sign_type"))
    return hashlib.md5((kept + KEY).encode()).hexdigest()


def statuses(port: int, placed: Sequence[bytes]) -> list[bytes]:
    """Each placed order, asked by API as its buyer may."""
    told = [msgspec.json.decode(body) for body in placed]
    return [_status(port, o["order_no"], o["token"]) for o in told]


def _status(port: int, number: str, token: str) -> bytes:
    return get(f"{ORDERS}/{number}", port, authorization=f"Bearer {token}", x_forwarded_for=address(number))


def order_pages(port: int, placed: Sequence[bytes]) -> list[bytes]:
    """Each placed order's page, by its link."""
    links = [msgspec.json.decode(body)["links"]["page"].split("/", 3)[3] for body in placed]
    return [get(f"/{link}", port, x_forwarded_for=address(link), **BROWSER) for link in links]


def lookups(port: int, placed: Sequence[bytes], *, password: str, salt: str) -> list[bytes]:
    """Each placed order, found by its number and password, by a buyer of its own."""
    numbers = [msgspec.json.decode(body)["order_no"] for body in placed]
    forms = [urlencode({"query": number, "password": password}).encode() for number in numbers]
    kind = "application/x-www-form-urlencoded"
    return [post("/lookup", port, form, kind, x_forwarded_for=address(f"{salt}{n}"), **BROWSER) for n, form in enumerate(forms)]


def pages(port: int, count: int, path: str = PAGE, **headers: str) -> list[bytes]:
    """A guest's look at a page, again and again."""
    return [get(path, port, **BROWSER, **headers)] * count


def data_of(folder: Path) -> Path:
    """The data directory within the bench's folder."""
    return folder / "shop"
