"""Which codes a page of the panel is about: the filter in its address, the same for looking, voiding and exporting.

Always true: what the filter names and the shop does not have is refused, never left out, for a filter that says less than was
meant would void or export more.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec

from kashop.catalog import reads as catalog
from kashop.db import Reader
from kashop.inventory import reads as inventory
from kashop.inventory.codelist.types import ANY_DAY, STATES, Sought
from kashop.lib.errors import Invalid
from kashop.shop import Shop
from kashop.web.admin import words

SOON = timedelta(days=30)
FIELDS = ("goods", "batch", "pool", "state", "expiry")


class Filter(msgspec.Struct, frozen=True):
    """What was chosen, as it stands in the address, and what it means. `goods` is a product's slug, or slug/SKU code."""

    chosen: dict[str, str]
    sought: Sought

    @property
    def query(self) -> str:
        """The filter for an address, without the question mark."""
        return urlencode(self.chosen)

    @property
    def is_narrow(self) -> bool:
        """Whether it says which goods or which batch."""
        return "goods" in self.chosen or "batch" in self.chosen


class Offer(msgspec.Struct, frozen=True):
    """What can be chosen: (value, name) of goods and pools."""

    goods: list[tuple[str, str]]
    pools: list[tuple[str, str]]


async def filter_of(shop: Shop, asked: Mapping[str, str]) -> Filter:
    """The filter that an address or a form names. Raises Invalid by field."""
    chosen = {name: value[:200] for name in FIELDS if (value := asked.get(name, "").strip())}
    today = datetime.fromtimestamp(shop.clock.now() / 1000, UTC).astimezone(ZoneInfo(shop.settings.text("shop.timezone"))).date()
    return Filter(chosen, await shop.db.read(_sought, chosen, today))


def offer(db: Reader) -> Offer:
    """Everything that can be chosen, in the catalogue's order."""
    goods = []
    for product in catalog.products(db):
        skus = catalog.skus(db, product.product_id)
        goods.append((product.slug, product.name))
        if len(skus) > 1:
            goods += [(f"{product.slug}/{s.sku_code}", f"{product.name} · {s.name or s.sku_code}") for s in skus]
    return Offer(goods, [(p.slug, p.name) for p in inventory.pools(db)])


def _sought(db: Reader, chosen: dict[str, str], today: date) -> Sought:
    slug, _, sku_code = chosen.get("goods", "").partition("/")
    product = catalog.find_product(db, slug) if slug else None
    sku = catalog.find_sku(db, sku_code) if sku_code else None
    if (slug and product is None) or (sku_code and (sku is None or product is None or sku.product_id != product.product_id)):
        raise Invalid.of("goods", "Choose one of the values on offer.")
    state, expiry, batch = chosen.get("state", ""), chosen.get("expiry", ""), chosen.get("batch", "")
    if state and state not in STATES:
        raise Invalid.of("state", "Choose one of the values on offer.")
    if expiry and expiry not in words.EXPIRY:
        raise Invalid.of("expiry", "Choose one of the values on offer.")
    if batch and not (batch.isascii() and batch.isdigit() and len(batch) <= 18):
        raise Invalid.of("batch", "Write the batch's number.")
    return Sought(
        product_id=product.product_id if product else None,
        sku_id=sku.sku_id if sku else None,
        batch_id=int(batch) if batch else None,
        pool_id=inventory.get_pool(db, chosen["pool"]).pool_id if "pool" in chosen else None,
        status=state,
        expires=_days(expiry, today),
    )


def _days(expiry: str, today: date) -> tuple[str, str]:
    """From when to when codes end, as text; a last day is meant to its last moment."""
    return {
        "none": ("", ""),
        "expired": ("0001-01-01", f"{today - timedelta(days=1)}T99"),
        "soon": (f"{today}", f"{today + SOON}T99"),
        "later": (f"{today + SOON + timedelta(days=1)}", ANY_DAY[1]),
    }.get(expiry, ANY_DAY)
