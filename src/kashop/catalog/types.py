"""The catalogue's things."""

import msgspec


class Category(msgspec.Struct, frozen=True):
    """A shelf; `parent_id` of a second-level one is a first-level one."""

    category_id: int
    parent_id: int | None
    slug: str
    name: str
    position: int
    is_hidden: int


class Product(msgspec.Struct, frozen=True):
    """What a page is about. `fields` is JSON of BuyerField."""

    product_id: int
    category_id: int | None
    slug: str
    name: str
    summary: str
    description: str
    instructions: str
    image: str
    delivery: str
    contact_type: str
    lookup_password: str
    fields: str
    stock_display: str
    hold_minutes: int
    position: int
    is_hidden: int
    version: int


class Sku(msgspec.Struct, frozen=True):
    """What is bought."""

    sku_id: int
    product_id: int
    sku_code: str
    name: str
    price_minor: int
    cost_minor: int
    is_free: int
    min_quantity: int
    max_quantity: int
    low_stock_line: int
    position: int
    is_hidden: int


class Tier(msgspec.Struct, frozen=True):
    """From `min_quantity` on, each costs `price_minor`."""

    sku_id: int
    min_quantity: int
    price_minor: int


class Card(msgspec.Struct, frozen=True):
    """A product in a list: its cheapest visible SKU and how many it has."""

    product_id: int
    category_id: int | None
    slug: str
    name: str
    summary: str
    image: str
    delivery: str
    stock_display: str
    position: int
    price_minor: int
    sku_count: int
    has_tiers: int


class BuyerField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question to the buyer, answered on the order line. `kind`: text, number, email, phone, select, checkbox."""

    name: str
    label: str
    kind: str = "text"
    is_required: bool = True
    help: str = ""
    pattern: str = ""
    choices: tuple[str, ...] = ()
    max_length: int = 200


class Offer(msgspec.Struct, frozen=True):
    """A SKU as it can be bought now, with its product and tiers."""

    product: Product
    sku: Sku
    tiers: tuple[Tier, ...]


class ProductDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A product as someone wrote it; `catalog.rules.checked_product` makes sure of it."""

    slug: str
    name: str
    category_id: int | None = None
    summary: str = ""
    description: str = ""
    instructions: str = ""
    image: str = ""
    delivery: str = "auto"
    contact_type: str = "any"
    lookup_password: str = "optional"  # noqa: S105 - a rule about passwords, not one
    fields: tuple[BuyerField, ...] = ()
    stock_display: str = "exact"
    hold_minutes: int = 15
    position: int = 0
    is_hidden: bool = False


class SkuDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A SKU as someone wrote it. An empty `sku_code` becomes the product's slug; `tiers` are (from quantity, price each)."""

    sku_code: str = ""
    name: str = ""
    price_minor: int
    cost_minor: int = 0
    is_free: bool = False
    min_quantity: int = 1
    max_quantity: int = 100
    low_stock_line: int = 0
    position: int = 0
    is_hidden: bool = False
    tiers: tuple[tuple[int, int], ...] = ()
