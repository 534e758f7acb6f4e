"""What the payments room speaks of, and the protocol that every gateway keeps.

A gateway turns our intent into a vendor's request and the vendor's words into a Notice. It never sees the database, an order
or a code, and it decides nothing: whether a notice may settle an order is `payments.rules.judge`.
"""

from collections.abc import Mapping
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

    `attempt_no` is ours, unique for ever, ≤ 32 characters of [A-Z0-9]; repeating it must not charge twice.
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


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """How the buyer pays.

    `redirect` goes to `url`; `qr` is shown as a QR code, with `url` as a link for phones; `form` posts `fields` to `url`.
    """

    kind: str
    url: str = ""
    qr: str = ""
    fields: Mapping[str, str] = {}
    gateway_ref: str = ""


class CallbackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that claims to come from the gateway, as received.

    `query` and `body` are raw bytes; header names are lower case.
    """

    method: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway says of an attempt, once its signature, merchant id and form are proved.

    `state` is paid, pending, failed or closed. `gateway_txn` is the vendor's number of the payment; it, the amount and the
    currency are set when `state` is paid. `method` is empty when the vendor does not say.
    """

    state: str
    attempt_no: str
    gateway_txn: str = ""
    amount_minor: int = 0
    currency: str = ""
    method: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway expects to hear back."""

    status: int = 200
    body: bytes = b"success"
    content_type: str = "text/plain; charset=utf-8"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a gateway's self-test; `advice` says what to do when not `is_ok`."""

    subject: str
    is_ok: bool
    advice: str = ""


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


class GatewayType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of gateway that a plugin brings. `make(options, ctx)` gives a Gateway for checked options, or raises Invalid by
    option name.

    `is_practice` gateways take no money: they can only be enabled in a practice shop.
    """

    type: str
    label: str
    methods: tuple[Method, ...]
    currencies: tuple[str, ...]
    options: tuple[Option, ...]
    make: Any
    is_practice: bool = False
