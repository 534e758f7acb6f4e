"""The price list that a product page showed, as text in its form: `steam-50=5280;10:5190;50:5150|…`.

It guards the buyer against a price that changed meanwhile, also without JavaScript; it decides no price (abuse case C08).
"""

import re
from collections.abc import Mapping, Sequence

from kashop.catalog.rules import unit_price
from kashop.catalog.types import Sku, Tier

_LIST = re.compile(r"[0-9]{1,15}(?:;[0-9]{1,6}:[0-9]{1,15}){0,50}", re.ASCII)


def seen_prices(skus: Sequence[Sku], tiers: Mapping[int, Sequence[Tier]]) -> str:
    """What a page shows of its SKUs' prices."""
    return "|".join(
        f"{sku.sku_code}={sku.price_minor}" + "".join(f";{t.min_quantity}:{t.price_minor}" for t in tiers.get(sku.sku_id, ()))
        for sku in skus
    )


def expected_total(seen: str, sku_code: str, quantity: int) -> int | None:
    """What the buyer expects to pay by what he saw; None when the form does not say."""
    lists = dict(part.partition("=")[::2] for part in seen.split("|"))
    prices = lists.get(sku_code, "")
    if not _LIST.fullmatch(prices):
        return None
    base, *rest = prices.split(";")
    pairs = [pair.partition(":") for pair in rest]
    tiers = [Tier(sku_id=0, min_quantity=int(least), price_minor=int(price)) for least, _, price in pairs]
    return unit_price(int(base), tiers, quantity) * quantity
