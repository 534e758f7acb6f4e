"""How the catalogue and the stock become cards: what every list and the product page share.

Always true: how much of the stock is told is the product's own choice; nothing hidden is listed.
"""

import zlib

import msgspec

from kashop.catalog import reads as catalog
from kashop.catalog.types import Card, Category, Product, Sku
from kashop.db import Reader
from kashop.inventory import reads as inventory
from kashop.lib.money import Money
from kashop.web.context import CategoryLink, ProductCard, Stock

CHANNEL = "web"
FEW = 10
"""From here on "only a few left", unless the SKU has its own line."""

_TONES = 6


class Shelf(msgspec.Struct, frozen=True):
    """A card with what its stock is worth to a buyer."""

    card: Card
    stock: Stock


class Shelves(msgspec.Struct, frozen=True):
    """What a list page is made of."""

    categories: list[Category]
    shelves: list[Shelf]


def shelves(db: Reader) -> Shelves:
    """Every product that is listed, with its stock, and the categories."""
    categories = catalog.categories(db)
    hidden = {c.category_id for c in categories if c.is_hidden}
    hidden |= {c.category_id for c in categories if c.parent_id in hidden}
    free = inventory.count_free(db, inventory.pool_of(db, CHANNEL))
    listed = [card for card in catalog.cards(db) if card.category_id not in hidden]
    found = [Shelf(card, stock_of(card.delivery, card.stock_display, catalog.skus(db, card.product_id), free)) for card in listed]
    return Shelves([c for c in categories if c.category_id not in hidden], found)


def stock_of(delivery: str, display: str, skus: list[Sku], free: dict[int, int]) -> Stock:
    """What may be told of some SKUs' stock together. What is delivered by hand never runs out."""
    visible = [sku for sku in skus if not sku.is_hidden]
    if delivery == "manual":
        return Stock(level="plenty")
    counts = {sku.sku_id: free.get(sku.sku_id, 0) for sku in visible}
    total = sum(counts.values())
    if not any(counts[sku.sku_id] >= sku.min_quantity for sku in visible):
        return Stock(level="none")
    if display == "hidden":
        return Stock(level="")
    line = max((sku.low_stock_line for sku in visible), default=0) or FEW
    return Stock(level="few" if total <= line else "plenty", count=total if display == "exact" else None)


def card_of(card: Card, stock: Stock, currency: str) -> ProductCard:
    """A card as a theme sees it."""
    return ProductCard(
        slug=card.slug,
        name=card.name,
        summary=card.summary,
        image=card.image,
        tone=tone(card.slug),
        initial=initial(card.name),
        price=Money(card.price_minor, currency),
        is_from=card.sku_count > 1,
        is_manual=card.delivery == "manual",
        has_tiers=bool(card.has_tiers),
        stock=stock,
    )


def card_of_product(product: Product, skus: list[Sku], stock: Stock, currency: str) -> ProductCard:
    """The head of a product's own page; the tiers stand below it in full."""
    return ProductCard(
        slug=product.slug,
        name=product.name,
        summary=product.summary,
        image=product.image,
        tone=tone(product.slug),
        initial=initial(product.name),
        price=Money(min(sku.price_minor for sku in skus), currency),
        is_from=len(skus) > 1,
        is_manual=product.delivery == "manual",
        has_tiers=False,
        stock=stock,
    )


def tone(slug: str) -> int:
    """The colour of a cover without a picture: always the same for one product."""
    return zlib.crc32(slug.encode()) % _TONES


def initial(name: str) -> str:
    """What stands on a cover without a picture: two letters of a Latin name, one character of any other."""
    name = name.strip()
    return name[:2] if name[:2].isascii() and name[:2].isalnum() else name[:1]


def category_links(categories: list[Category], current: Category | None) -> tuple[CategoryLink, ...]:
    """The first level with its second, the current one marked."""
    here = current.category_id if current else None
    above = current.parent_id if current else None

    def link(category: Category) -> CategoryLink:
        children = tuple(link(c) for c in categories if c.parent_id == category.category_id)
        return CategoryLink(
            slug=category.slug,
            name=category.name,
            is_current=category.category_id == here,
            is_open=category.category_id == above,
            children=children,
        )

    return tuple(link(c) for c in categories if c.parent_id is None)
