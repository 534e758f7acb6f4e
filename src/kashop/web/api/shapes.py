"""What the API takes and gives, one Struct each. The OpenAPI document is drawn from these.

Always true: fields are added, never renamed; what is taken refuses unknown fields; nothing that is given holds a
code, except Codes, which answers a reveal.
"""

from functools import lru_cache
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from kashop.lib import money

Device = Literal["desktop", "phone", "wechat", "alipay", "qq"]
ContactType = Literal["email", "phone", "qq", "any", "none"]
Text = Annotated[str, Meta(max_length=2000)]


class Taken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of what a client sends."""


class Given(Struct, frozen=True, kw_only=True):
    """The base of what a client gets."""


class Amount(Taken, frozen=True, kw_only=True):
    """Money: a decimal text with at most the currency's places, and an ISO 4217 code."""

    amount: Annotated[str, Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,18})?$", examples=["19.80"])]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", examples=["CNY"])]

    @staticmethod
    @lru_cache(maxsize=4096)
    def of(minor: int, currency: str) -> "Amount":
        """From minor units."""
        return Amount(amount=money.to_text(minor, currency), currency=currency)


class Nothing(Taken, frozen=True, kw_only=True):
    """An operation that takes no fields: send no content, or `{}`."""


class ListQuery(Taken, frozen=True, kw_only=True):
    """Where a list goes on, and how long a page is."""

    cursor: Annotated[str, Meta(max_length=100, description="`next_cursor` of the page before.")] = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class NewLine(Taken, frozen=True, kw_only=True):
    """So many of a SKU."""

    sku: Annotated[str, Meta(min_length=1, max_length=64)]
    quantity: Annotated[int, Meta(ge=1, le=1000)]


class Contact(Taken, frozen=True, kw_only=True):
    """How the buyer is reached."""

    type: ContactType = "any"
    value: Annotated[str, Meta(max_length=254)] = ""


class NewOrder(Taken, frozen=True, kw_only=True):
    """What a buyer wants. Prices are the shop's: `expected_total` is only compared."""

    lines: Annotated[tuple[NewLine, ...], Meta(min_length=1, max_length=20)]
    contact: Contact = Contact()
    gateway: Annotated[str, Meta(max_length=64, description="Needed unless there is nothing to pay.")] = ""
    method: Annotated[str, Meta(max_length=64, description="Empty leaves the choice to the gateway's own page.")] = ""
    device: Annotated[Device, Meta(description="Where the buyer's browser runs: on a phone, or inside an app.")] = "desktop"
    lookup_password: Annotated[str, Meta(max_length=256)] = ""
    fields: Annotated[dict[str, Text], Meta(max_length=40, description="Answers to the products' `fields`, by name.")] = {}
    expected_total: Amount | None = None


class NewAttempt(Taken, frozen=True, kw_only=True):
    """Another way to pay."""

    gateway: Annotated[str, Meta(min_length=1, max_length=64)]
    method: Annotated[str, Meta(max_length=64)] = ""
    device: Device = "desktop"


class Stock(Given, frozen=True, kw_only=True):
    """What may be known of the stock: `count` is null unless the product shows it, `level` when it shows nothing but "none"."""

    level: Literal["plenty", "few", "none"] | None
    count: int | None


class Tier(Given, frozen=True, kw_only=True):
    """From `min_quantity` on, each costs `price`."""

    min_quantity: int
    price: Amount


class Sku(Given, frozen=True, kw_only=True):
    """What is bought; `sku` is its name in an order."""

    sku: str
    name: str
    price: Amount
    tiers: tuple[Tier, ...]
    min_quantity: int
    max_quantity: int
    stock: Stock


class Field(Given, frozen=True, kw_only=True):
    """A question to the buyer, answered in an order's `fields`."""

    name: str
    label: str
    kind: str
    is_required: bool
    help: str
    pattern: str
    choices: tuple[str, ...]
    max_length: int


class ProductLinks(Given, frozen=True, kw_only=True):
    """Where a product is found."""

    page: str
    self: str


class ListedProduct(Given, frozen=True, kw_only=True):
    """A product in the list."""

    slug: str
    name: str
    summary: str
    category: str | None
    image: str | None
    delivery: Literal["auto", "manual"]
    skus: tuple[Sku, ...]
    links: ProductLinks


class PayChoice(Given, frozen=True, kw_only=True):
    """A way to pay. `fee_percent` of the total and `fee_fixed` come on top; `least` and `most` bound the total (null: no bound);
    `currency` is what the payment is asked in."""

    gateway: str
    method: str
    label: str
    fee_percent: str
    fee_fixed: Amount
    least: Amount | None
    most: Amount | None
    currency: str


class Product(ListedProduct, frozen=True, kw_only=True):
    """A product with all that an order of it needs. `description` is Markdown."""

    description: str
    contact_type: ContactType
    lookup_password: Literal["optional", "required"]
    fields: tuple[Field, ...]
    payments: tuple[PayChoice, ...]


class Products(Given, frozen=True, kw_only=True):
    """One page of the list; `next_cursor` is null on the last."""

    products: tuple[ListedProduct, ...]
    next_cursor: str | None


class Payment(Given, frozen=True, kw_only=True):
    """How to pay now: go to `url` (`redirect`), show `qr` as a QR code (`qr`), post `fields` to `url` (`form`), or let the buyer
    transfer it himself by what `fields` say (`transfer`).

    `amount` is what is asked for, with `fee` in it. With a `coin`, exactly `coin_amount` of it has to be sent. After `expires_at`
    the payment may no longer be taken.
    """

    attempt: str
    kind: Literal["redirect", "qr", "form", "transfer"]
    url: str
    qr: str
    fields: dict[str, str]
    amount: Amount
    fee: Amount
    coin: str
    coin_amount: str
    expires_at: str


class Attempt(Given, frozen=True, kw_only=True):
    """One try to pay."""

    attempt: str
    gateway: str
    method: str
    status: Literal["open", "succeeded", "failed", "closed"]
    amount: Amount
    created_at: str


class Line(Given, frozen=True, kw_only=True):
    """One SKU on an order; `delivered` of `quantity` can be revealed."""

    sku: str
    product_name: str
    sku_name: str
    delivery: Literal["auto", "manual"]
    quantity: int
    delivered: int
    unit_price: Amount
    total: Amount


class Refund(Given, frozen=True, kw_only=True):
    """Money that goes back: `open` is on its way, `done` went. At `claim_url` (empty with most gateways) the buyer takes it."""

    refund: str
    status: Literal["open", "done"]
    amount: Amount
    created_at: str
    done_at: str | None
    claim_url: str


class OrderLinks(Given, frozen=True, kw_only=True):
    """Where an order is found. `page` opens it for whoever has the address."""

    page: str
    self: str


class Order(Given, frozen=True, kw_only=True):
    """An order as its buyer may see it. `payment` is null when nothing is to be paid, or when the gateway could not begin."""

    order_no: str
    status: Literal["pending", "paid", "delivering", "delivered", "expired", "cancelled", "refunded"]
    exception: str | None
    total: Amount
    paid: Amount
    refunded: Amount
    created_at: str
    expires_at: str
    paid_at: str | None
    delivered_at: str | None
    lines: tuple[Line, ...]
    payments: tuple[Attempt, ...]
    refunds: tuple[Refund, ...]
    payment: Payment | None
    links: OrderLinks


class PlacedOrder(Order, frozen=True, kw_only=True):
    """An order with its token, which opens everything of it: keep it secret."""

    token: str


class LineCodes(Given, frozen=True, kw_only=True):
    """The codes delivered on a line."""

    sku: str
    codes: tuple[str, ...]


class Codes(Given, frozen=True, kw_only=True):
    """What was bought, in the clear."""

    lines: tuple[LineCodes, ...]


class NewSupplierKey(Taken, frozen=True, kw_only=True):
    """The public half of a supplier's key, with the secret of his link. Binary values are Base64 for URLs without padding."""

    token: Annotated[str, Meta(min_length=1, max_length=64)]
    public_key: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$")]
    proof: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{86}$", description="A signature over the token and the key.")]


class SupplierKey(Given, frozen=True, kw_only=True):
    """A registered key. It counts once the shop has compared the fingerprint and confirmed it."""

    shop: str
    supplier: str
    fingerprint: str
    status: Literal["offered", "confirmed"]


class SupplySku(Given, frozen=True, kw_only=True):
    """A SKU that codes may be brought for."""

    sku: str
    name: str


class SupplyProduct(Given, frozen=True, kw_only=True):
    """A product that the supplier may bring codes for."""

    product: str
    name: str
    skus: tuple[SupplySku, ...]


class ShopKey(SupplierKey, frozen=True, kw_only=True):
    """All that it takes to seal a batch; `kashop codes seal --to` reads it. `products` is empty until the key is confirmed."""

    kashop: Literal["shop-key"] = "shop-key"
    version: Literal[1] = 1
    shop_name: str
    supplier_name: str
    import_key: str
    import_public_key: str
    products: tuple[SupplyProduct, ...]
    most_rows: int
    most_bytes: int


class SupplyBatch(Given, frozen=True, kw_only=True):
    """A batch as its supplier may see it: counts, never codes. `held`: the shop has still to agree; `waiting`: to be opened."""

    batch: str
    product: str
    product_name: str
    sku: str
    count: int
    status: Literal["held", "waiting", "done", "refused"]
    reason: str
    received_at: str
    new: int
    duplicates: int
    bad: int


class SupplyBatches(Given, frozen=True, kw_only=True):
    """The supplier's newest batches."""

    batches: tuple[SupplyBatch, ...]


class FieldProblem(Given, frozen=True, kw_only=True):
    """One complaint; `field` is a path such as `lines.0.quantity`, empty when it is about the whole."""

    field: str
    detail: str


class Problem(Given, frozen=True, kw_only=True):
    """Why not (RFC 9457). `code` is stable; `total` comes with `price_changed`, `challenge` with `proof_needed`: work through it
    and send the answer as `Kashop-Proof`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: tuple[FieldProblem, ...]
    total: Amount | None = None
    challenge: dict[str, Any] | None = None
