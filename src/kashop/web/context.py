"""What a theme's templates are given: one frozen Struct a page, whose fields are the template's variables.

This is the theme author's contract: fields are added, never renamed. No row, no request and no flow is reachable from
here, and codes appear only in an OrderPage that answers a reveal.
"""

import msgspec

from kashop.lib.money import Money


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """One language of the switch; `href` is this page in it."""

    locale: str
    label: str
    href: str
    is_current: bool


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """On every page, as `frame`: the shop and the way about."""

    shop_name: str
    announcement: str
    support: str
    is_practice: bool
    languages: tuple[Language, ...]
    path: str


class CategoryLink(msgspec.Struct, frozen=True, kw_only=True):
    """A shelf in the list of shelves."""

    slug: str
    name: str
    is_current: bool = False
    is_open: bool = False
    children: tuple["CategoryLink", ...] = ()


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """What the buyer may know of the stock. `level`: plenty, few, none; `count` is None unless the product shows it."""

    level: str
    count: int | None = None


class ProductCard(msgspec.Struct, frozen=True, kw_only=True):
    """A product in a list. `tone` (0 to 5) and `initial` make a cover where there is no `image`."""

    slug: str
    name: str
    summary: str
    image: str
    tone: int
    initial: str
    price: Money
    is_from: bool
    is_manual: bool
    has_tiers: bool
    stock: Stock


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """`listing.html`: the home page (`category` is None) and each category."""

    category: CategoryLink | None
    categories: tuple[CategoryLink, ...]
    products: tuple[ProductCard, ...]


class TierRow(msgspec.Struct, frozen=True, kw_only=True):
    """From `min_quantity` on, each costs `price`, which is `saved` less than one alone."""

    min_quantity: int
    price: Money
    saved: Money


class SkuChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A SKU that may be chosen."""

    sku_code: str
    name: str
    price: Money
    tiers: tuple[TierRow, ...]
    min_quantity: int
    max_quantity: int
    stock: Stock
    is_chosen: bool


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A field that the buyer answers, sent as `field_<name>`."""

    name: str
    label: str
    kind: str
    help: str
    is_required: bool
    choices: tuple[str, ...]
    max_length: int


class PayChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A way to pay; `value` is what the form sends. `note` says in the buyer's language what it costs and what bounds it.

    For a page that counts along: `fee_bp` hundredths of a percent of the total and `fee_fixed` come on top, and the total may be
    from `least` to `most` (0: no bound), all in minor units of the shop's currency.
    """

    value: str
    label: str
    icon: str
    is_chosen: bool = False
    is_practice: bool = False
    note: str = ""
    fee_bp: int = 0
    fee_fixed: int = 0
    least: int = 0
    most: int = 0


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a field, already in the page's language; `field` is empty when it is about the whole form."""

    field: str
    text: str


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed, so that it can be shown again, and what is wrong with it by field."""

    values: dict[str, str] = {}
    errors: dict[str, str] = {}
    complaints: tuple[Complaint, ...] = ()


class ProductPage(msgspec.Struct, frozen=True, kw_only=True):
    """`product.html`. `seen` is the price list shown here; it comes back with the form, so that a change is noticed."""

    product: ProductCard
    description: str
    skus: tuple[SkuChoice, ...]
    questions: tuple[Question, ...]
    payments: tuple[PayChoice, ...]
    contact_type: str
    is_password_required: bool
    category: CategoryLink | None
    form: Form
    seen: str
    idempotency_key: str


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    """What was bought. `codes` is None until they are revealed."""

    product_name: str
    sku_name: str
    product_slug: str
    quantity: int
    delivered: int
    unit: Money
    total: Money
    is_manual: bool
    answers: tuple[tuple[str, str], ...] = ()
    instructions: str = ""
    codes: tuple[str, ...] | None = None


class RefundView(msgspec.Struct, frozen=True, kw_only=True):
    """Money that goes back. `status`: open (on its way) or done; at `claim_url`, if there is one, the buyer takes it himself."""

    status: str
    amount: Money
    at: int
    claim_url: str = ""


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order as its buyer sees it. `status`: pending, paid, delivering, delivered, expired, cancelled, refunded."""

    order_no: str
    token: str
    status: str
    exception: str
    total: Money
    paid: Money
    contact: str
    created_at: int
    expires_at: int
    paid_at: int | None
    delivered_at: int | None
    ended_at: int | None
    lines: tuple[LineView, ...]
    link: str
    refunds: tuple[RefundView, ...] = ()


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """How to pay. `kind`: redirect, qr, form, transfer; lapsed when the vendor's own time for it is over, and `again` begins it
    anew; failed when the gateway could not begin it; none when there is no open attempt.

    `amount` is what is asked for, with `fee` in it; `coin_amount` of `coin`, if there is any, is what has to be sent instead.
    `is_exact`: the buyer types the amount himself, and another one is not recognised. `fields` of a transfer are lines to copy.
    """

    kind: str
    label: str = ""
    icon: str = ""
    url: str = ""
    qr: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    is_practice: bool = False
    method: str = ""
    amount: Money | None = None
    fee: Money | None = None
    coin: str = ""
    coin_amount: str = ""
    is_exact: bool = False
    again: str = ""


class Cashier(msgspec.Struct, frozen=True, kw_only=True):
    """`cashier.html`: the order while it waits for money. `due` is what is still owed; `note` answers what the buyer just did.

    `seconds_left` runs to `ends_at`, the order's deadline or the vendor's, whichever is first. `app` names the app whose browser
    shows this page, if the payment cannot be made in it (wechat, alipay, qq); `is_phone` when links open apps. `state` stands for
    what this page shows: `order_events` and `order_status` tell when the order is no longer so.
    """

    order: OrderView
    due: Money
    payment: PaymentView
    choices: tuple[PayChoice, ...]
    seconds_left: int
    note: str = ""
    app: str = ""
    is_phone: bool = False
    state: str = ""
    ends_at: int = 0


class OrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """`order.html`: the order after the cashier. `is_revealed`: this answer shows the codes. `state` as in Cashier."""

    order: OrderView
    can_reveal: bool
    is_revealed: bool
    note: str = ""
    state: str = ""


class OrderLink(msgspec.Struct, frozen=True, kw_only=True):
    """An order in a list."""

    order_no: str
    title: str
    total: Money
    status: str
    created_at: int
    link: str


class LookupPage(msgspec.Struct, frozen=True, kw_only=True):
    """`lookup.html`. `found` is None before anything was asked; `recent` are this browser's own."""

    form: Form
    found: tuple[OrderLink, ...] | None
    recent: tuple[OrderLink, ...]


class WayOut(msgspec.Struct, frozen=True, kw_only=True):
    """A button on a page that says no."""

    label: str
    href: str


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """The same form once more: where it goes, all its fields as hidden inputs, and after how many seconds it goes by itself."""

    action: str
    fields: str
    seconds: str


class ErrorPage(msgspec.Struct, frozen=True, kw_only=True):
    """`error.html`: the shop says no, in words, with a way out. `was` and `now` are the prices when a price changed; `again` is
    there when what was sent may simply be sent once more."""

    status: int
    code: str
    title: str
    text: str
    request_id: str
    ways_out: tuple[WayOut, ...]
    complaints: tuple[Complaint, ...] = ()
    was: Money | None = None
    now: Money | None = None
    again: Again | None = None


class ProofPage(msgspec.Struct, frozen=True, kw_only=True):
    """`proof.html`: under pressure, between the form and the cashier. The form posts `kept`, and in `proof` the answer that
    `script` finds for `challenge` (about `seconds` of one core); or the `ticket` of a place in the line, whose turn comes at
    `turn_at`, in `turn_seconds`; or `turn` to ask for such a place. `is_full`: there was none.
    """

    product_name: str
    product_slug: str
    kept: str
    challenge: str = ""
    script: str = ""
    seconds: int = 0
    ticket: str = ""
    turn_at: int = 0
    turn_seconds: int = 0
    is_full: bool = False


PAGES: dict[str, type[msgspec.Struct]] = {
    "listing.html": Listing,
    "product.html": ProductPage,
    "proof.html": ProofPage,
    "cashier.html": Cashier,
    "order.html": OrderPage,
    "lookup.html": LookupPage,
    "error.html": ErrorPage,
}
"""Every page that a theme must be able to draw, and what it is given."""
