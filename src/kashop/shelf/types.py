"""What the shelf shows."""

from collections.abc import Mapping

import msgspec

from kashop.catalog.types import Category, Offer, Product, Sku, Tier
from kashop.payments.rows import GatewayAccount


class Goods(msgspec.Struct, frozen=True):
    """A product, hidden or not, with all its SKUs in the order they are shown and the tiers of each, lowest quantity first."""

    product: Product
    skus: tuple[Sku, ...]
    tiers: Mapping[int, tuple[Tier, ...]]


class Free(msgspec.Struct, frozen=True):
    """How many codes of a SKU are free in a pool."""

    sku_id: int
    pool_id: int
    free: int


class Standing(msgspec.Struct, frozen=True):
    """How often what is for sale has changed, and what an idempotency key did before: None when it is new."""

    version: int
    request_digest: bytes | None
    order_id: int | None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What changes only with `version`: goods by slug in the order they are shown, offers (nothing hidden) by SKU code, every
    product by id, every category and gateway account in their order, and the pool of each channel that has one of its own."""

    version: int
    goods: Mapping[str, Goods]
    products: Mapping[int, Product]
    offers: Mapping[str, Offer]
    categories: tuple[Category, ...]
    accounts: tuple[GatewayAccount, ...]
    pools: Mapping[str, int]
    default_pool: int

    def pool_of(self, channel: str) -> int:
        """The pool that a channel sells from."""
        return self.pools.get(channel, self.default_pool)


class Snapshot(msgspec.Struct, frozen=True):
    """One moment of what is for sale: the listing, what was free at `counted_at` by (SKU, pool), and how often something had come
    back into sale by then."""

    listing: Listing
    free: Mapping[tuple[int, int], int]
    counted_at: int
    restocked: int

    @property
    def version(self) -> int:
        """The listing's."""
        return self.listing.version

    def count_free(self, sku_id: int, channel: str) -> int:
        """How many codes of a SKU a channel could sell at that moment."""
        return self.free.get((sku_id, self.listing.pool_of(channel)), 0)
