"""The orders' rows."""

import msgspec


class Order(msgspec.Struct, frozen=True):
    """One order. `paid_minor` is the sum of what its receipts count, `refunded_minor` of what went back of it."""

    order_id: int
    order_no: str
    token_hash: bytes
    channel: str
    pool_id: int
    status: str
    contact_type: str
    contact: str
    lookup_hash: str | None
    currency: str
    total_minor: int
    paid_minor: int
    locale: str
    created_at: int
    expires_at: int
    paid_at: int | None
    delivered_at: int | None
    ended_at: int | None
    note: str
    refunded_minor: int

    @property
    def kept_minor(self) -> int:
        """What was paid and did not go back."""
        return self.paid_minor - self.refunded_minor


class Line(msgspec.Struct, frozen=True):
    """One SKU on an order. `prices` and `fields` are JSON."""

    line_id: int
    order_id: int
    product_id: int
    sku_id: int
    sku_code: str
    product_name: str
    sku_name: str
    delivery: str
    quantity: int
    delivered: int
    unit_minor: int
    total_minor: int
    is_free: int
    prices: str
    fields: str


class OrderException(msgspec.Struct, frozen=True):
    """Something about an order that a person, or a policy, has to settle. `detail` is JSON."""

    exception_id: int
    order_id: int
    kind: str
    detail: str
    opened_at: int
    closed_at: int | None
    closed_by: str | None
    reason: str | None
    owner: str


class DeskRow(msgspec.Struct, frozen=True):
    """An open exception with its order, as the desk lists it."""

    exception_id: int
    kind: str
    detail: str
    opened_at: int
    order_no: str
    status: str
    currency: str
    total_minor: int
    paid_minor: int
    owner: str


class DeskFilter(msgspec.Struct, frozen=True):
    """What of the desk is wanted: of one kind, of one owner ('' is nobody), at least so old; None is all."""

    kind: str | None = None
    owner: str | None = None
    opened_before: int | None = None


class DeskCount(msgspec.Struct, frozen=True):
    """How many entries of one kind are open, and since when the oldest is."""

    kind: str
    count: int
    oldest_at: int


class ExceptionNote(msgspec.Struct, frozen=True):
    """What somebody wrote down about an exception."""

    note_id: int
    text: str
    written_by: str
    written_at: int


class LineDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A priced line."""

    product_id: int
    sku_id: int
    sku_code: str
    product_name: str
    sku_name: str
    delivery: str
    quantity: int
    unit_minor: int
    total_minor: int
    is_free: bool
    prices: str
    fields: str


class OrderDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An order ready to be placed: priced and checked before any lock is taken."""

    order_no: str
    token_hash: bytes
    channel: str
    contact_type: str
    contact: str
    lookup_hash: str | None
    currency: str
    total_minor: int
    locale: str
    expires_at: int
    lines: tuple[LineDraft, ...]
    pool_id: int = 0
    """0 for the channel's."""
    client: int = 0
    """Whose address places it, as a keyed digest, and so his browser; 0 is not counted."""
    browser: int = 0
    units: int = 0
    """Codes that it holds while it is unpaid."""

    def placed(self, order_id: int, pool_id: int, now: int) -> Order:
        """The row that it becomes."""
        return Order(
            order_id=order_id,
            order_no=self.order_no,
            token_hash=self.token_hash,
            channel=self.channel,
            pool_id=pool_id,
            status="pending",
            contact_type=self.contact_type,
            contact=self.contact,
            lookup_hash=self.lookup_hash,
            currency=self.currency,
            total_minor=self.total_minor,
            paid_minor=0,
            locale=self.locale,
            created_at=now,
            expires_at=self.expires_at,
            paid_at=None,
            delivered_at=None,
            ended_at=None,
            note="",
            refunded_minor=0,
        )


class Replay(msgspec.Struct, frozen=True):
    """What an idempotency key did before."""

    request_digest: bytes
    order_id: int
