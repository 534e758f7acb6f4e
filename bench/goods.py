"""What the bench sells, and the requests that buy it: a founded shop in a directory of its own, thrown away afterwards."""

import hashlib
import io
import json
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from kashop.catalog import writes as catalog
from kashop.catalog.types import ProductDraft, SkuDraft
from kashop.flows import gateways, restock
from kashop.flows.found import Charter, found
from kashop.lib.actor import CLI
from kashop.settings.config import Config
from kashop.shop import Shop
from kashop.stress.crowd import get, post

SLUG, GATEWAY, PRICE = "steam-50", "epay-main", "12.50"
PID, KEY = "1001", "KEYepayV1bench0001"
ORDERS, PAGE = "/api/v1/orders", f"/p/{SLUG}"
CALLBACK = f"/pay/{GATEWAY}/callback"


async def make_shop(config: Config, *, codes: int) -> None:
    """A shop with one product, its codes and an Epay account; nobody answers at that account's address."""
    await found(config, Charter(owner="owner@example.com", owner_password="a long enough Secret 7", shop_name="Bench"))
    shop = await Shop.open(config)
    try:
        tiers = ((10, 1200), (50, 1150))
        draft = ProductDraft(
            slug=SLUG, name="Steam 钱包充值码 50 元", summary="即时发货", description="**测试** 商品", hold_minutes=60
        )
        await shop.db.write(catalog.add_product, draft, [SkuDraft(price_minor=1250, tiers=tiers)], CLI)
        text = "\n".join(f"BENCH-{n:08}-{n * 7919 % 99991:05}" for n in range(codes)).encode()
        await restock.import_codes(shop, restock.Source(file=io.BytesIO(text), name="bench.txt", product=SLUG), CLI)
        options = {"pid": PID, "key": KEY, "url": "http://127.0.0.1:9/"}
        await gateways.configure(shop, GATEWAY, type="epay", options=options, actor=CLI)
    finally:
        await shop.close()


def orders(port: int, count: int, *, salt: str) -> list[bytes]:
    """So many different orders for one code each."""
    wish = {
        "lines": [{"sku": SLUG, "quantity": 1}],
        "contact": {"type": "email", "value": "buyer@example.com"},
        "gateway": GATEWAY,
        "method": "alipay",
        "expected_total": {"amount": PRICE, "currency": "CNY"},
    }
    body = json.dumps(wish).encode()
    return [post(ORDERS, port, body, idempotency_key=f"{salt}-{n}") for n in range(count)]


def callbacks(port: int, placed: list[bytes], *, salt: str) -> list[bytes]:
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


def statuses(port: int, placed: list[bytes]) -> list[bytes]:
    """Each placed order, asked by API as its buyer may."""
    told = [msgspec.json.decode(body) for body in placed]
    return [get(f"{ORDERS}/{o['order_no']}", port, authorization=f"Bearer {o['token']}") for o in told]


def pages(port: int, count: int) -> list[bytes]:
    """A guest's look at the product, again and again."""
    return [get(PAGE, port)] * count


def data_of(folder: Path) -> Path:
    """The data directory within the bench's folder."""
    return folder / "shop"
