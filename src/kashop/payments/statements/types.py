"""The rows of reconciliation, and what is found out about a line."""

import msgspec


class Line(msgspec.Struct, frozen=True):
    """One payment or refund as its vendor states it. `number` counts from 1; `reference` is what the payer wrote."""

    number: int
    kind: str
    gateway_txn: str
    attempt_no: str
    refund_no: str
    gateway_refund: str
    amount_minor: int
    currency: str
    fee_minor: int
    happened_at: int
    reference: str


class StoredLine(Line, frozen=True):
    """A line as it is kept."""

    line_id: int
    verdict: str
    receipt_id: int | None
    refund_id: int | None
    attempt_id: int | None


class Day(msgspec.Struct, frozen=True):
    """A day of an account. `day` is ISO; it is `waiting`, `stated` or `missing`."""

    gateway_id: int
    day: str
    begins_at: int
    ends_at: int
    status: str
    next_try_at: int | None
    give_up_at: int
    tries: int
    problem: str
    looked_back_at: int | None


class Statement(msgspec.Struct, frozen=True):
    """What was fetched (`source` api) or uploaded for a day."""

    statement_id: int
    gateway_id: int
    day: str
    source: str
    digest: bytes
    file_name: str
    lines: int
    left_out: int
    status: str
    taken_by: str
    taken_at: int


class StatementDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A statement about to be kept."""

    gateway_id: int
    day: str
    source: str
    digest: bytes
    file_name: str
    lines: int
    left_out: int


class OurReceipt(msgspec.Struct, frozen=True):
    """A receipt as a line is held against it. `is_stated`: another day's statement has it already."""

    receipt_id: int
    gateway_txn: str
    attempt_no: str
    attempt_id: int
    order_id: int
    amount_minor: int
    currency: str
    source: str
    is_stated: int = 0


class OurRefund(msgspec.Struct, frozen=True):
    """A refund as a line is held against it."""

    refund_id: int
    refund_no: str
    gateway_refund: str
    order_id: int
    status: str
    amount_minor: int
    currency: str
    reference: str
    is_stated: int = 0


class OurAttempt(msgspec.Struct, frozen=True):
    """An attempt as a line is held against it: of this account, or of another of the shop."""

    attempt_id: int
    attempt_no: str
    gateway_id: int
    order_id: int
    order_no: str
    gateway_ref: str
    status: str
    amount_minor: int
    currency: str


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the shop knows round some lines of an account's statement.

    For an account that nobody can be asked about (`is_manual`) there are besides: its receipts and recorded refunds of those days
    that no line names by number, and its attempts that may be waiting for a transfer.
    """

    gateway_id: int
    is_manual: bool = False
    receipts: dict[str, OurReceipt] = {}
    """By the vendor's number."""
    of_attempts: dict[str, list[OurReceipt]] = {}
    """By attempt number."""
    attempts: dict[str, OurAttempt] = {}
    refunds: dict[str, OurRefund] = {}
    """By our number."""
    vendor_refunds: dict[str, OurRefund] = {}
    loose_receipts: list[OurReceipt] = []
    loose_refunds: list[OurRefund] = []
    waiting: list[OurAttempt] = []


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a line: its verdict and what it is of."""

    line: Line
    verdict: str
    receipt: OurReceipt | None = None
    refund: OurRefund | None = None
    attempt: OurAttempt | None = None


class Difference(msgspec.Struct, frozen=True):
    """Where the two sides do not agree. `detail` is JSON; amounts are None on the side that has none."""

    difference_id: int
    gateway_id: int
    account: str
    day: str
    kind: str
    subject: str
    order_id: int | None
    order_no: str | None
    attempt_id: int | None
    receipt_id: int | None
    refund_id: int | None
    ours_minor: int | None
    ours_currency: str
    theirs_minor: int | None
    theirs_currency: str
    detail: str
    line_id: int | None
    opened_at: int
    closed_at: int | None
    closed_by: str | None
    reason: str | None
    owner: str


class DifferenceDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A difference about to be opened."""

    gateway_id: int
    day: str
    kind: str
    subject: str
    order_id: int | None = None
    attempt_id: int | None = None
    receipt_id: int | None = None
    refund_id: int | None = None
    ours_minor: int | None = None
    ours_currency: str = ""
    theirs_minor: int | None = None
    theirs_currency: str = ""
    detail: str = "{}"
    seen_in: int | None = None
    line_id: int | None = None


class Same(msgspec.Struct, frozen=True):
    """An earlier difference about the same."""

    difference_id: int
    ours_minor: int | None
    theirs_minor: int | None
    closed_at: int | None
    reason: str | None


class Meanwhile(msgspec.Struct, frozen=True):
    """A payment that was unknown, and the receipt of it that came since."""

    difference_id: int
    line_id: int
    receipt_id: int
    is_same: int


class Sum(msgspec.Struct, frozen=True):
    """So many of one kind in one currency."""

    kind: str
    verdict: str
    currency: str
    count: int
    amount_minor: int
    fee_minor: int
