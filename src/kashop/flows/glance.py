"""What memory alone says of an order before any work is done for it: whether it would be refused whatever the writer found.

Always true: nothing is decided here. Who asks in vain is spared the line that others stand in, and then hears so by the order's
own path, which gives whoever sent a known key the answer of before (docs/decisions/0036).
"""

from collections.abc import Sequence

from kashop.shelf.types import Snapshot
from kashop.shop import Shop


def is_vain(shop: Shop, shown: Snapshot, channel: str, wants: Sequence[tuple[str, int]]) -> bool:
    """Whether so many of these SKUs are surely not to be had: not for sale, not in that quantity, or sold out."""
    for sku_code, quantity in wants:
        offer = shown.listing.offers.get(sku_code)
        if offer is None or not offer.sku.min_quantity <= quantity <= offer.sku.max_quantity:
            return True
        if offer.product.delivery == "auto" and shop.shelf.is_sold_out(shown, offer.sku.sku_id, channel, quantity):
            return True
    return not wants
