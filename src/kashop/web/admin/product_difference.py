"""A product as its editor has it beside what another saved meanwhile, field by field in the words of the form."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from kashop.catalog.types import ProductDraft, SkuDraft
from kashop.flows.products import SkuRow
from kashop.lib import money
from kashop.web.admin.difference import Difference, Value, compared

_LABELS = {
    "name": "Name",
    "summary": "One line about it",
    "description": "Description",
    "instructions": "Instructions after delivery",
    "image": "Picture",
    "delivery": "Delivery",
    "contact_type": "Contact",
    "lookup_password": "Look-up password",
    "stock_display": "Stock shown",
    "hold_minutes": "Minutes to pay",
    "position": "Position",
    "is_hidden": "Hidden from the shop",
}
_WORDS = {"Delivery": "delivery", "Contact": "contact", "Look-up password": "lookup", "Stock shown": "stock"}
"""What is stored as a short word, by the kind of its words."""
_SKU_LABELS = {
    "sku_code": "SKU code",
    "name": "Name",
    "is_free": "May cost nothing",
    "min_quantity": "Least per order",
    "max_quantity": "Most per order",
    "low_stock_line": "Low stock line",
    "position": "Position",
    "is_hidden": "Hidden",
}


def draft_differences(
    mine: ProductDraft,
    now: ProductDraft,
    my_rows: Sequence[SkuRow],
    rows_now: Sequence[SkuRow],
    *,
    currency: str,
    shelves: Mapping[int | None, str],
) -> list[Difference]:
    """Where the two differ: the product, its questions, and each SKU. `shelves` are the names of the categories."""
    found = [replace(row, words=_WORDS.get(row.label, "")) for row in compared(_texts(mine), _texts(now))]
    found += compared({"Category": shelves.get(mine.category_id, "")}, {"Category": shelves.get(now.category_id, "")})
    stored = {row.sku_id: row.draft for row in rows_now}
    sent: dict[int | None, SkuDraft] = {row.sku_id: row.draft for row in my_rows if row.sku_id is not None}
    for sku_id, sku in stored.items():
        theirs, typed = _sku_texts(sku, currency), sent.get(sku_id)
        texts = _sku_texts(typed, currency) if typed else dict.fromkeys(theirs, "")
        found += compared(texts, theirs, of=sku.name or sku.sku_code)
    return found


def _texts(draft: ProductDraft) -> dict[str, Value]:
    texts = {label: _shown(getattr(draft, name)) for name, label in _LABELS.items()}
    questions = "\n".join(f"{f.label} ({f.name})" + (" *" if f.is_required else "") for f in draft.fields)
    return {**texts, "Questions to the buyer": questions}


def _sku_texts(sku: SkuDraft, currency: str) -> dict[str, Value]:
    texts = {label: _shown(getattr(sku, name)) for name, label in _SKU_LABELS.items()}
    tiers = "\n".join(f"{quantity}={money.to_text(price, currency)}" for quantity, price in sku.tiers)
    prices = {"Price": money.to_text(sku.price_minor, currency), "Cost each": money.to_text(sku.cost_minor, currency)}
    return {**texts, **prices, "Price tiers": tiers}


def _shown(value: object) -> Value:
    return value if isinstance(value, bool) else "" if value is None else str(value)
