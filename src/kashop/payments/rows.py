"""The payments' rows. What gateways speak of stands in types.py."""

import msgspec

from kashop.payments.types import Intent


class GatewayAccount(msgspec.Struct, frozen=True):
    """A configured account of a gateway. `options` is JSON, `secrets` a sealed JSON."""

    gateway_id: int
    name: str
    type: str
    label: str
    options: str
    secrets: bytes
    is_enabled: int
    position: int
    version: int


class GatewayDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An account's options as checked, with its secrets sealed."""

    label: str
    options: str
    secrets: bytes
    is_enabled: bool


class Attempt(msgspec.Struct, frozen=True):
    """One try to pay. `fields` is JSON."""

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
        )


class AttemptDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A try about to be made."""

    attempt_no: str
    gateway_id: int
    method: str
    currency: str
    amount_minor: int
    expires_at: int
    next_query_at: int | None


class Receipt(msgspec.Struct, frozen=True):
    """Money that arrived."""

    receipt_id: int
    gateway_id: int
    gateway_txn: str
    attempt_id: int
    order_id: int
    method: str
    currency: str
    amount_minor: int
    is_counted: int
    source: str
    callback_id: int | None
    received_at: int


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
