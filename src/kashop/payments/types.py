"""What the payments room speaks of, and the protocol that every gateway keeps.

A gateway turns our intent into a vendor's request and the vendor's words into a Notice. It never sees the database, an order
or a code, and it decides nothing: whether a notice may settle an order is `payments.rules`. What not every vendor can do
(refund, close, statement) is an ability, named in its GatewayType.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of a gateway account. `kind` is text, url, number, choice or flag; a secret is sealed and never shown again.

    `is_generated`: left empty when the account is made, the shop draws a random one.
    """

    name: str
    label: str
    help: str = ""
    kind: str = "text"
    choices: tuple[str, ...] = ()
    default: str = ""
    is_secret: bool = False
    is_required: bool = True
    is_generated: bool = False


class Method(msgspec.Struct, frozen=True):
    """A way to pay within a gateway, such as `alipay`; the label is a msgid."""

    name: str
    label: str


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be paid.

    `attempt_no` is ours, unique for ever, ≤ 32 characters of [A-Z0-9]; repeating it must not charge twice. `gateway_ref` is
    what `begin` gave for it, empty before. `device` tells where the buyer's browser runs: desktop, phone, or inside the app
    wechat, alipay or qq.
    """

    attempt_no: str
    amount_minor: int
    currency: str
    method: str
    title: str
    callback_url: str
    return_url: str
    client_ip: str
    locale: str
    created_at: int
    expires_at: int
    gateway_ref: str = ""
    device: str = "desktop"


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """How the buyer pays.

    `redirect` goes to `url`; `qr` is shown as a QR code, with `url` as a link for phones; `form` posts `fields` to `url`;
    `transfer` is done by the buyer from his bank or wallet: `fields` are shown as lines to copy (labels are msgids, in their
    order), with `qr` and `url` if there are any.
    `coin_amount` (decimal text) of `coin` is what has to be sent to the last digit, when it is not the intent's own amount: a
    payment of another is not counted. `expires_at` is the vendor's own deadline in milliseconds UTC, 0 when it names none.
    """

    kind: str
    url: str = ""
    qr: str = ""
    fields: Mapping[str, str] = {}
    gateway_ref: str = ""
    coin: str = ""
    coin_amount: str = ""
    expires_at: int = 0


class CallbackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that claims to come from the gateway, as received.

    `query` and `body` are raw bytes; header names are lower case. `received_at` is when a stored one came, 0 for one that comes
    now: where a vendor signs the time, the two are compared.
    """

    method: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes
    received_at: int = 0


class RefundWord(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway says of one refund.

    `state` is done, pending or failed (with a `problem` in words). `refund_no` is ours, empty when the refund was made
    elsewhere, such as in the vendor's own pages; `gateway_refund` is the vendor's number. `amount_minor` is that of this refund,
    0 when the vendor does not say. At `claim_url` the buyer takes the money himself, where a vendor works so.
    """

    state: str
    refund_no: str = ""
    gateway_refund: str = ""
    amount_minor: int = 0
    problem: str = ""
    claim_url: str = ""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway says of an attempt, once its signature, merchant id and form are proved.

    `state` is paid, pending, failed, closed, refunded (with `refund`) or disputed (a chargeback). `gateway_txn` is the vendor's
    number of the payment; it, the amount and the currency are set when `state` is paid. `method` is empty when the vendor does
    not say. `coin_amount` of `coin` is what was sent, when the vendor says and it is not the amount itself.
    A notice whose `attempt_no` is empty is genuine and about nothing of ours; it is acknowledged and changes nothing.
    """

    state: str
    attempt_no: str
    gateway_txn: str = ""
    amount_minor: int = 0
    currency: str = ""
    method: str = ""
    coin: str = ""
    coin_amount: str = ""
    refund: RefundWord | None = None
    is_hint: bool = False
    """Of a callback: it proves who speaks, but not what was paid; the shop asks by `query` and settles only what that says.
    Of a query, with `paid`: the vendor says that it was paid, but not how much, or not in a way that proves it; nothing is
    settled and the order is put on the desk (docs/decisions/0022)."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway expects to hear back."""

    status: int = 200
    body: bytes = b"success"
    content_type: str = "text/plain; charset=utf-8"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a gateway's self-test; `advice` says what to do when not `is_ok`, with `params` in its places.

    What cannot be shown from here is `is_ok` and not `is_sure`: its advice says why.
    """

    subject: str
    is_ok: bool
    advice: str = ""
    params: tuple[tuple[str, str], ...] = ()
    is_sure: bool = True


class Rejected(Exception):
    """A callback that must not be believed.

    The reason (a stable word: `signature`, `merchant`, `malformed`, …) goes to the inbox, never to the caller.
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class GatewayFailed(Exception):
    """The vendor refused or did not answer. `is_unclear` when the request may have arrived all the same."""

    def __init__(self, problem: str, *, is_unclear: bool = False):
        super().__init__(problem)
        self.problem = problem
        self.is_unclear = is_unclear


class Gateway(Protocol):
    """One configured account of a gateway."""

    accepted: Answer
    """The answer that makes the vendor stop repeating."""
    rejected: Answer
    """The one answer to everything that is not believed."""

    async def begin(self, intent: Intent) -> Begun:
        """Ask the vendor to take the payment. Raises GatewayFailed."""
        ...

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a callback and say what it means. Pure; raises Rejected."""
        ...

    async def query(self, intent: Intent) -> Notice | None:
        """Ask the vendor what became of an attempt; None when it knows nothing of it or cannot say. Raises GatewayFailed."""
        ...

    async def test(self) -> list[Finding]:
        """Try the account: keys, reachability, a signature. Moves no money."""
        ...


class RefundAsk(msgspec.Struct, frozen=True, kw_only=True):
    """Money to send back.

    `refund_no` is ours, unique for ever, ≤ 32 characters of [A-Z0-9]: asking again with it must not refund twice. `payment` is
    the attempt that was paid, `captured_minor` what came by `gateway_txn`, in `currency` like the amount; `refunded_minor` what
    went back of it before. `reason` may be shown to the buyer.
    """

    refund_no: str
    payment: Intent
    gateway_txn: str
    captured_minor: int
    refunded_minor: int
    amount_minor: int
    currency: str
    reason: str
    asked_at: int


class Refunds(Protocol):
    """The ability to refund."""

    async def refund(self, ask: RefundAsk) -> RefundWord:
        """Ask the vendor to send money back. Raises GatewayFailed; when that is unclear the shop asks by `query_refund`."""
        ...

    async def query_refund(self, ask: RefundAsk) -> RefundWord | None:
        """What became of a refund; None when the vendor knows nothing of it, so that it may be asked for again (with the same
        number). Raises GatewayFailed."""
        ...


class Closes(Protocol):
    """The ability to close an attempt that nobody is to pay any more."""

    async def close(self, intent: Intent) -> None:
        """Close it; one that is closed or unknown already is fine. Raises GatewayFailed, also when it was paid."""
        ...


class BeginsAlone(Protocol):
    """The ability to begin a payment without asking anybody."""

    def begin_alone(self, intent: Intent) -> Begun | None:
        """How the buyer pays, where that follows from the intent alone; None where the vendor has to be asked, by `begin`. Pure:
        the shop may ask before the attempt is written down, and again. Raises GatewayFailed."""
        ...


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a vendor's statement. `kind` is payment or refund; amounts are positive; `happened_at` milliseconds UTC.

    A payment has `gateway_txn` and, when the vendor says, `attempt_no`; a refund `refund_no` or `gateway_refund` besides.
    """

    kind: str
    gateway_txn: str
    amount_minor: int
    currency: str
    happened_at: int
    attempt_no: str = ""
    refund_no: str = ""
    gateway_refund: str = ""
    fee_minor: int = 0


class States(Protocol):
    """The ability to give a day's statement."""

    async def statement(self, day: dt.date) -> Sequence[StatementLine] | None:
        """Every payment and refund of a day (in the type's `statement_zone`); None when it is not ready yet. Raises
        GatewayFailed. Refunds are left out by a type without `states_refunds`: their absence means nothing then."""
        ...


class ReadsStatements(Protocol):
    """The ability to read a statement file that the merchant downloaded from the vendor."""

    def read_statement(self, content: bytes) -> Sequence[StatementLine]:
        """The lines of a file. Pure; raises Invalid by the field `file`."""
        ...


class GatewayType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of gateway that a plugin brings. `make(options, ctx)` gives a Gateway for checked options, or raises Invalid by
    option name.

    `is_practice` gateways take no money: they can only be enabled in a practice shop. `is_manual`: nobody calls back or can be
    asked; staff say what arrived. The abilities: `refunds` is any (amounts), whole (payments only) or none; `begins_alone`,
    `closes`, `states` and `reads_statements` as their protocols. `statement_zone` is the time zone of the vendor's days; a type
    without `states_refunds` lists payments alone.
    """

    type: str
    label: str
    methods: tuple[Method, ...]
    currencies: tuple[str, ...]
    options: tuple[Option, ...]
    make: Any
    is_practice: bool = False
    is_manual: bool = False
    begins_alone: bool = False
    refunds: str = "none"
    closes: bool = False
    states: bool = False
    states_refunds: bool = True
    reads_statements: bool = False
    statement_zone: str = "Asia/Shanghai"
