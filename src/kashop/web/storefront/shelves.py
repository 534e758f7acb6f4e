"""How the catalogue and the stock become cards: what every list and the product page share.

Always true: how much of the stock is told is the product's own choice; nothing hidden is listed.
"""

import zlib
from collections.abc import Mapping, Sequence

from kashop.catalog.types import Category, Product, Sku
from kashop.lib.money import Money
from kashop.shelf.types import Goods, Snapshot
from kashop.web.context import CategoryLink, ProductCard, Stock

CHANNEL = "web"
FEW = 10
"""From here on "only a few left", unless the SKU has its own line."""

_TONES = 6


def listed(snapshot: Snapshot) -> tuple[list[Category], list[Goods]]:
    """The categories and the goods that are shown, in their order; of each only SKUs that are not hidden."""
    categories = snapshot.listing.categories
    hidden = {c.category_id for c in categories if c.is_hidden}
    hidden |= {c.category_id for c in categories if c.parent_id in hidden}
    found = [shown for goods in snapshot.listing.goods.values() if (shown := visible(goods))]
    return (
        [c for c in categories if c.category_id not in hidden],
        [goods for goods in found if goods.product.category_id not in hidden],
    )


def visible(goods: Goods) -> Goods | None:
    """A product with those of its SKUs that are shown; None when there is nothing to show."""
    skus = tuple(sku for sku in goods.skus if not sku.is_hidden)
    return Goods(goods.product, skus, goods.tiers) if skus and not goods.product.is_hidden else None


def stock_on(snapshot: Snapshot, product: Product, skus: Sequence[Sku]) -> Stock:
    """What may be told of some SKUs' stock together, at the moment of the snapshot."""
    free = {sku.sku_id: snapshot.count_free(sku.sku_id, CHANNEL) for sku in skus}
    return stock_of(product.delivery, product.stock_display, skus, free)


def stock_of(delivery: str, display: str, skus: Sequence[Sku], free: Mapping[int, int]) -> Stock:
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


def card_of(goods: Goods, stock: Stock, currency: str, *, has_tiers: bool = False) -> ProductCard:
    """Visible goods as a theme sees them in a list, and at the head of their own page, where the tiers stand below in full."""
    product, skus = goods.product, goods.skus
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
        has_tiers=has_tiers,
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
