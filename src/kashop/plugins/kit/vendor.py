"""The vendor's side of a gateway, as its author describes it to the contract suite."""

import datetime as dt
from collections.abc import Sequence
from json import dumps
from re import ASCII, fullmatch
from typing import Any
from urllib.parse import urlencode

import msgspec

from kashop.payments.types import CallbackRequest, GatewayType, Intent, RefundAsk, StatementLine
from kashop.plugins.kit.stage import NOW, Reply, Stage

Pairs = Sequence[tuple[str, str]]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a callback is to say.

    `state` is `paid` or one of the vendor's `unpaid` words; an empty `merchant` is ours.
    """

    attempt_no: str = "A261101TEST0000000001"
    txn: str = "2026110112000012345"
    amount: str = "12.50"
    method: str = ""
    state: str = "paid"
    merchant: str = ""
    extra: dict[str, str] = {}


class Vendor:
    """What the suite must know. Write it from the vendor's documentation, with signing code of its own."""

    type: GatewayType
    currency = "CNY"
    method = ""
    """One of the type's methods."""
    unpaid: tuple[str, ...] = ()
    """The vendor's words for everything but paid; nonsense and the empty text too."""
    amounts: tuple[str, ...] = ("12.5", "12.50", "12", "0.01", "99999.99")
    """Amounts that the vendor may write, in `currency`."""
    bad_amounts: tuple[str, ...] = (
        *("1e1", "-1", "0", "0.00", "NaN", "Infinity", "１２", "100.000", "+1", " 1", "1 ", "1\n", "1,000.00", "", "."),
        *(".5", "5.", "0x10", "00012", "1_000", "12.5.0", "١٢", "9" * 40),
    )
    calls_to_begin = False
    """Whether `begin` asks the vendor's server."""
    calls_to_query = False
    """Whether `query` asks the vendor's server."""
    calls_back = True
    """Whether it calls back at all."""
    can_be_asked = True
    """Whether a query can tell more than nothing."""
    hints = False
    """Whether its callbacks only hint at a payment, which a query then proves."""
    names_transactions = True
    """Whether it gives payments a number of its own; one that does not repeats ours."""
    only_tells_payments = False
    """Whether its callbacks name no state, since it calls back about payments alone."""
    names_merchant = True
    """Whether its callbacks name whom they pay; without that only the key tells merchants apart."""
    hints_when_asked = False
    """Whether a query finds that something was paid, but not how much."""
    refund_ends: tuple[str, ...] = ("done", "pending", "failed")
    """How a refund may end at once; a vendor without a queue knows no `pending`."""
    refund_findings: tuple[str, ...] = ("done", "pending", "failed", "unknown")
    """What a query of a refund may find."""

    def options(self, base_url: str) -> dict[str, str]:
        """Good options for an account whose vendor answers at an address."""
        raise NotImplementedError

    def arrange(self, stage: Stage) -> None:
        """Set the stage before the gateway is made: a vendor's clock, answers that stand whatever else is said."""

    async def prepare(self, stage: Stage, gateway: Any) -> None:
        """Let a new gateway learn what it must know before it can prove a callback, such as a certificate."""

    def callback(self, claim: Claim) -> CallbackRequest:
        """The callback that the vendor would send."""
        raise NotImplementedError

    def begin_reply(self, intent: Intent) -> bytes | Reply:
        """What the vendor answers when it takes a payment; needed when `calls_to_begin`."""
        raise NotImplementedError

    def refusal(self, secret: str) -> bytes | Reply:
        """What the vendor answers when it refuses, quoting our secret as careless vendors do; needed when
        it is called.
        """
        raise NotImplementedError

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """Make the next query find an attempt `paid` (12.50, txn Q1), `unpaid` or `unknown`."""
        raise NotImplementedError

    async def arrange_refund(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Make the next refund end `done`, `pending` or `failed` (refused for good); needed by a type that refunds."""
        raise NotImplementedError

    async def arrange_refund_query(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Make the next query of a refund find it `done`, `pending`, `failed` or `unknown`."""
        raise NotImplementedError

    async def arrange_close(self, stage: Stage, intent: Intent, state: str) -> None:
        """Make the next close meet an attempt that is `open`, `closed`, `unknown` or `paid`; needed by a type that closes."""
        raise NotImplementedError

    async def arrange_statement(self, stage: Stage, day: dt.date, state: str) -> Sequence[StatementLine]:
        """Make the statement of a day `ready` (with the lines returned, a payment and a refund at least), `empty` or `unready`;
        needed by a type that states.
        """
        raise NotImplementedError

    def ask(self) -> RefundAsk:
        """What the suite asks to be refunded: 5.00 of 12.50, or all of it by a type that refunds whole payments only."""
        amount = 1250 if self.type.refunds == "whole" else 500
        return RefundAsk(
            refund_no="R261101TEST0000000001",
            payment=self.intent(),
            gateway_txn=Claim().txn,
            captured_minor=1250,
            refunded_minor=0,
            amount_minor=amount,
            currency=self.currency,
            reason="测试",
            asked_at=NOW,
        )

    def intent(self, base_url: str = "https://shop.example") -> Intent:
        """What the suite asks to be paid."""
        return Intent(
            attempt_no=Claim().attempt_no,
            amount_minor=1250,
            currency=self.currency,
            method=self.method,
            title="测试 shop",
            callback_url=f"{base_url}/pay/tested/callback",
            return_url=f"{base_url}/pay/tested/return",
            client_ip="203.0.113.7",
            locale="zh_Hans",
            created_at=NOW,
            expires_at=NOW + 900_000,
        )


class FormVendor(Vendor):
    """A vendor whose callbacks are signed fields, sorted by name, in the query (GET) or in a form body
    (POST).
    """

    carrier = "query"
    sign_field = "sign"
    merchant_field = ""
    amount_field = ""

    def fields(self, claim: Claim) -> dict[str, str]:
        """The unsigned fields of a callback, the claim's `extra` included."""
        raise NotImplementedError

    def sign(self, pairs: Pairs, *, key: str = "") -> str:
        """The signature over pairs in the given order, with our key unless another is given."""
        raise NotImplementedError

    def callback(self, claim: Claim) -> CallbackRequest:
        """The callback that the vendor would send."""
        foreign = "" if self.names_merchant or not claim.merchant else f"key of {claim.merchant}"
        return self.signed(self.fields(claim), key=foreign)

    def signed(self, fields: dict[str, str], *, key: str = "") -> CallbackRequest:
        """A request of these fields with their right signature."""
        return self.carried([*fields.items(), (self.sign_field, self.sign(sorted(fields.items()), key=key))])

    def carried(self, pairs: Pairs) -> CallbackRequest:
        """A request of these pairs as they are."""
        return self.raw(urlencode(list(pairs)).encode())

    def raw(self, content: bytes) -> CallbackRequest:
        """A request with this query or body."""
        if self.carrier == "query":
            return CallbackRequest(method="GET", query=content, headers={}, body=b"")
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return CallbackRequest(method="POST", query=b"", headers=headers, body=content)


class JsonVendor(FormVendor):
    """A vendor whose callbacks are one JSON object, its signed fields sorted by name. `numbers` are not quoted where they can be
    JSON numbers.
    """

    carrier = "body"
    sign_field = "signature"
    numbers: tuple[str, ...] = ()

    def carried(self, pairs: Pairs) -> CallbackRequest:
        """A request of these pairs as they are, a name twice when it stands there twice."""
        return self.raw(f"{{{','.join(f'{dumps(name)}:{self._written(name, value)}' for name, value in pairs)}}}".encode())

    def raw(self, content: bytes) -> CallbackRequest:
        """A request with this body."""
        return CallbackRequest(method="POST", query=b"", headers={"content-type": "application/json"}, body=content)

    def _written(self, name: str, value: str) -> str:
        is_number = name in self.numbers and fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", value, ASCII)
        return value if is_number else dumps(value)
