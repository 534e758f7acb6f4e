"""The state table, and what a line costs. Pure."""

import hashlib
from collections.abc import Sequence

import msgspec

from kashop.catalog.rules import unit_price
from kashop.catalog.types import Offer
from kashop.orders.types import LineDraft

MOVES: dict[str, frozenset[str]] = {
    "pending": frozenset({"paid", "expired", "cancelled"}),
    "expired": frozenset({"paid"}),  # late money, when the policy delivers it (docs/decisions/0008)
    "cancelled": frozenset({"paid"}),
    "paid": frozenset({"delivering", "delivered", "refunded"}),
    "delivering": frozenset({"delivered", "refunded"}),
    "delivered": frozenset({"refunded"}),
    "refunded": frozenset(),
}

EXCEPTIONS = (
    *("paid_late", "paid_partly", "paid_over", "paid_twice", "mismatch"),  # money that does not fit
    *("short_of_stock", "sealed", "delivery_failed"),  # goods that could not be handed over
    *("gateway_unclear", "refund_failed", "refunded_elsewhere", "disputed", "statement"),  # what the gateway says of it
)
"""Why an order may be on the desk."""

PAID = ("paid", "delivering", "delivered", "refunded")


class PriceList(msgspec.Struct, frozen=True):
    """What a line's price was taken from: the base price and (from quantity, price each)."""

    price: int
    tiers: tuple[tuple[int, int], ...] = ()


def priced(offer: Offer, quantity: int, fields: dict[str, str]) -> LineDraft:
    """A line of an offer, with the price list kept beside the price."""
    unit = unit_price(offer.sku.price_minor, offer.tiers, quantity)
    prices = PriceList(offer.sku.price_minor, tuple((t.min_quantity, t.price_minor) for t in offer.tiers))
    return LineDraft(
        product_id=offer.product.product_id,
        sku_id=offer.sku.sku_id,
        sku_code=offer.sku.sku_code,
        product_name=offer.product.name,
        sku_name=offer.sku.name,
        delivery=offer.product.delivery,
        quantity=quantity,
        unit_minor=unit,
        total_minor=unit * quantity,
        is_free=bool(offer.sku.is_free),
        prices=msgspec.json.encode(prices).decode(),
        fields=msgspec.json.encode(fields).decode(),
    )


def recomputed(prices: str, quantity: int) -> int:
    """A line's total from its kept price list alone: the second opinion of I-14, written apart from `priced` on purpose."""
    kept = msgspec.json.decode(prices, type=PriceList)
    each = kept.price
    for least, price in sorted(kept.tiers):
        if quantity >= least:
            each = price
    return each * quantity


def total(lines: Sequence[LineDraft]) -> int:
    """What an order costs."""
    return sum(line.total_minor for line in lines)


def key_hash(key: str) -> bytes:
    """How an idempotency key is stored."""
    return hashlib.blake2b(key.encode(), digest_size=32).digest()
