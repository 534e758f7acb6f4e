"""The payments' rows. What gateways speak of stands in types.py."""

import msgspec

from kashop.payments.types import Begun, Intent

UNBEGUN = Begun(kind="")
"""An attempt that no gateway has answered yet."""


def fields_text(begun: Begun) -> str:
    """The fields of a way to pay as they are stored: JSON."""
    return msgspec.json.encode(begun.fields).decode() if begun.fields else "{}"


class GatewayAccount(msgspec.Struct, frozen=True):
    """A configured account of a gateway. `options` and `rules` (AccountRules) are JSON, `secrets` a sealed JSON."""

    gateway_id: int
    name: str
    type: str
    label: str
    options: str
    secrets: bytes
    is_enabled: int
    position: int
    version: int
    rules: str = "{}"


class GatewayDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An account's options as checked, with its secrets sealed."""

    label: str
    options: str
    secrets: bytes
    is_enabled: bool
    rules: str = "{}"


class Attempt(msgspec.Struct, frozen=True):
    """One try to pay: `amount_minor` in `currency` is asked for, `due_minor` of its order is paid by it. `fields` is JSON."""

    attempt_id: int
    attempt_no: str
    order_id: int
    gateway_id: int
    method: str
    currency: str
    amount_minor: int
    status: str
    kind: str
    url: str
    qr: str
    fields: str
    gateway_ref: str
    problem: str
    created_at: int
    expires_at: int
    next_query_at: int | None
    queries: int
    ended_at: int | None
    due_minor: int
    fee_minor: int
    tolerance_minor: int
    coin: str
    coin_amount: str
    vendor_expires_at: int
    device: str

    def intent(self, *, title: str, callback_url: str, return_url: str, client_ip: str, locale: str) -> Intent:
        """What the gateway is asked."""
        return Intent(
            attempt_no=self.attempt_no,
            amount_minor=self.amount_minor,
            currency=self.currency,
            method=self.method,
            title=title,
            callback_url=callback_url,
            return_url=return_url,
            client_ip=client_ip,
            locale=locale,
            created_at=self.created_at,
            expires_at=self.expires_at,
            gateway_ref=self.gateway_ref,
            device=self.device or "desktop",
        )


class AttemptDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A try about to be made."""

    attempt_no: str
    gateway_id: int
    method: str
    currency: str
    amount_minor: int
    due_minor: int
    fee_minor: int
    tolerance_minor: int
    device: str
    expires_at: int
    next_query_at: int | None

    def intent(self, now: int, **said: str) -> Intent:
        """What a gateway would be asked by it."""
        return self.opened(0, 0, now).intent(**said)

    def opened(self, attempt_id: int, order_id: int, now: int, begun: Begun = UNBEGUN) -> Attempt:
        """The row that it becomes."""
        return Attempt(
            attempt_id=attempt_id,
            attempt_no=self.attempt_no,
            order_id=order_id,
            gateway_id=self.gateway_id,
            method=self.method,
            currency=self.currency,
            amount_minor=self.amount_minor,
            status="open",
            kind=begun.kind,
            url=begun.url,
            qr=begun.qr,
            fields=fields_text(begun),
            gateway_ref=begun.gateway_ref,
            problem="",
            created_at=now,
            expires_at=self.expires_at,
            next_query_at=self.next_query_at,
            queries=0,
            ended_at=None,
            due_minor=self.due_minor,
            fee_minor=self.fee_minor,
            tolerance_minor=self.tolerance_minor,
            coin=begun.coin,
            coin_amount=begun.coin_amount,
            vendor_expires_at=begun.expires_at,
            device=self.device,
        )


class Receipt(msgspec.Struct, frozen=True):
    """Money that arrived: `counted_minor` is what it pays of its order, in the order's currency; 0 when it has a flaw."""

    receipt_id: int
    gateway_id: int
    gateway_txn: str
    attempt_id: int
    order_id: int
    method: str
    currency: str
    amount_minor: int
    counted_minor: int
    source: str
    callback_id: int | None
    received_at: int
    coin: str
    coin_amount: str


class Refund(msgspec.Struct, frozen=True):
    """Money that goes back, in its receipt's currency; `counted_minor` is its share of what the receipt pays."""

    refund_id: int
    refund_no: str
    order_id: int
    receipt_id: int
    gateway_id: int
    way: str
    status: str
    amount_minor: int
    currency: str
    counted_minor: int
    gateway_refund: str
    reason: str
    reference: str
    claim_url: str
    problem: str
    asked_by: str
    created_at: int
    next_try_at: int | None
    tries: int
    ended_at: int | None
    approval_id: int | None


class Evidence(msgspec.Struct, frozen=True):
    """A file that shows that a payment arrived. `digest` is the SHA-256 of what is kept under `name`."""

    evidence_id: int
    order_id: int
    name: str
    content_type: str
    size: int
    digest: str
    added_by: str
    added_at: int


class EvidenceDraft(msgspec.Struct, frozen=True):
    """Such a file as it was put into its folder."""

    name: str
    content_type: str
    size: int
    digest: str


class Callback(msgspec.Struct, frozen=True):
    """A request in the inbox. `headers` is JSON."""

    callback_id: int
    gateway_name: str
    gateway_id: int | None
    received_at: int
    method: str
    query: bytes
    headers: str
    body: bytes
    ip: str
    verdict: str
    reason: str
    attempt_id: int | None
