"""The cast known to all tests: a clock that is set, a founded shop, a buyer, and an Epay gateway's words as its sheet says."""

import hashlib
import io
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from kashop.catalog import writes as catalog
from kashop.catalog.types import ProductDraft, SkuDraft
from kashop.flows import checkout, deliver, gateways, inbox, offers, restock, settings
from kashop.flows.checkout import Checkout, Placed, Want
from kashop.lib.actor import CLI, Actor
from kashop.payments import reads as payments
from kashop.payments.types import Answer, CallbackRequest
from kashop.settings.config import Config, load
from kashop.shop import Shop

OWNER = "owner@example.com"
PASSWORD = "a long enough Secret 7"
BUYER = Actor("buyer", ip="203.0.113.7")
EPAY = {"pid": "1001", "key": "KEYepayV1test0001", "url": "http://127.0.0.1:9"}

CopyOf = Callable[[Path, Path], AbstractContextManager[Path]]
"""Copies the shop of a data directory, which must not change any more, into a folder that is there, its key beside it; away with
its database after the block."""

NewShop = Callable[[Path], AbstractContextManager[Path]]
"""The same of the practice shop."""


@dataclass
class TestClock:
    """A clock that stands until it is moved."""

    __test__ = False
    ms: int = 1_793_505_600_000

    def now(self) -> int:
        return self.ms

    def pass_time(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        self.ms += int((seconds + 60 * minutes + 3600 * hours) * 1000)


def config(data: Path) -> Config:
    return load(data, {}, base_url="http://shop.example")


def copied(founded: Path, folder: Path) -> Path:
    """A copy of a founded shop in a folder that is there, its key beside it."""
    shutil.copy2(founded.with_name("shop.key"), folder / "shop.key")
    return Path(shutil.copytree(founded, folder / "shop"))


async def add_product(shop: Shop, slug: str, *, codes: int = 0, price: int = 1250, **more: object) -> int:
    """A product with one SKU of the same name, and codes `SLUG-00001` and so on."""
    sku_fields = {"tiers", "min_quantity", "max_quantity", "is_free"} & more.keys()
    sku = SkuDraft(price_minor=price, **{name: more.pop(name) for name in sku_fields})
    draft = ProductDraft(slug=slug, name=f"商品 {slug}", **more)
    product_id = await shop.db.write(catalog.add_product, draft, [sku], CLI)
    if codes:
        await stock(shop, slug, [f"{slug.upper()}-{n:05}" for n in range(codes)])
    return product_id


async def stock(shop: Shop, slug: str, codes: list[str]) -> restock.Report:
    source = restock.Source(file=io.BytesIO("\n".join(codes).encode()), name="codes.txt", product=slug)
    return await restock.import_codes(shop, source, CLI)


async def let_a_crowd_in(shop: Shop) -> None:
    """For tests whose buyers share an address or a contact and do not pay: what a merchant sets for his own servers."""
    names = ("orders_per_buyer", "codes_per_buyer", "orders_per_buyer_pressed", "codes_per_buyer_pressed")
    bounds = {f"risk.{name}": 0 for name in names}
    await settings.change(shop, {"risk.free_networks": "127.0.0.0/8, 203.0.113.0/24", **bounds}, CLI)


async def add_epay(shop: Shop, name: str = "epay-main", **options: str) -> None:
    await gateways.configure(shop, name, type="epay", options={**EPAY, **options}, actor=CLI)


async def ways_to_pay(shop: Shop) -> list[offers.Choice]:
    """What is offered for an order of 12.50."""
    wanted = offers.Basket(products=(), categories=(), least_minor=1250, most_minor=1250)
    return offers.on_offer(shop, await shop.db.read(payments.gateways), wanted, offers.NOBODY)


def wish(slug: str, quantity: int = 1, **more: object) -> Checkout:
    values = {
        "contact_type": "email",
        "contact": "a@example.com",
        "gateway": "epay-main",
        "method": "alipay",
        **more,
    }
    return Checkout(lines=(Want(slug, quantity),), **values)


async def order(shop: Shop, slug: str, quantity: int = 1, **more: object) -> Placed:
    key = str(more.pop("key", ""))
    return await checkout.place(shop, wish(slug, quantity, **more), BUYER, key=key)


def epay_sign(params: dict[str, str], key: str = EPAY["key"]) -> str:
    """The V1 signature, written from the sheet."""
    kept = sorted((k, v) for k, v in params.items() if k not in ("sign", "sign_type") and v.strip())
    return hashlib.md5(("&".join(f"{k}={v}" for k, v in kept) + key).encode()).hexdigest()


def epay_notice(placed: Placed, *, money: str = "12.50", txn: str = "T1", sign_key: str = EPAY["key"], **over: str) -> bytes:
    """The query string of a notification for an order's newest attempt."""
    assert placed.attempt is not None
    params = {
        "pid": EPAY["pid"],
        "trade_no": txn,
        "out_trade_no": placed.attempt.attempt_no,
        "type": placed.attempt.method or "alipay",
        "name": "product",
        "money": money,
        "trade_status": "TRADE_SUCCESS",
        **over,
    }
    return urlencode({**params, "sign_type": "MD5", "sign": epay_sign(params, sign_key)}).encode()


async def call_back(shop: Shop, query: bytes, *, account: str = "epay-main") -> Answer:
    request = CallbackRequest(method="GET", query=query, headers={}, body=b"")
    return await inbox.receive_callback(shop, account, request, ip="198.51.100.1")


async def codes_of(shop: Shop, placed: Placed) -> list[str]:
    """What the buyer holds after looking."""
    opened = await deliver.order_of_link(shop, placed.order.order_no, placed.token)
    return [code for line in await deliver.reveal(shop, opened, BUYER, how="page") for code in line.codes]
