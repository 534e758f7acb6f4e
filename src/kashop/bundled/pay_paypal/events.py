"""What a webhook says. Money only ever hints at itself: the shop then asks, and only that answer counts.

Pure but for one thing: an event that names only its capture is not believed until that capture's attempt was learned; PayPal
repeats it.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_paypal import words
from kashop.bundled.pay_paypal.client import PayPalApi, PayPalRefused
from kashop.plugins.api import Context, GatewayFailed, Notice, Rejected

HINTS = (
    "CHECKOUT.ORDER.APPROVED",
    "PAYMENT.CAPTURE.COMPLETED",
    "PAYMENT.CAPTURE.PENDING",
    "PAYMENT.CAPTURE.DENIED",
    "PAYMENT.CAPTURE.DECLINED",
)
REFUNDED, REVERSED, DISPUTE = "PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REVERSED", "CUSTOMER.DISPUTE.CREATED"
NEEDED = frozenset({*HINTS[:4], REFUNDED, REVERSED, DISPUTE})
"""What the webhook must be subscribed to."""

NOT_OURS = Notice(state="pending", attempt_no="")
MOST_KNOWN, MOST_LEARNING = 2000, 5


class Captures:
    """Whose attempt a capture is; the newest in memory, the rest asked for. An empty attempt: none of ours."""

    def __init__(self, api: PayPalApi, ctx: Context):
        self._api = api
        self._ctx = ctx
        self._known: OrderedDict[str, str] = OrderedDict()
        self._learning: set[str] = set()

    def keep(self, capture: str, attempt_no: str) -> None:
        """Remember."""
        self._known[capture] = attempt_no
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def known(self, capture: str) -> str | None:
        """The attempt; None when it must be asked for, which begins in the background."""
        if capture not in self._known and capture not in self._learning and len(self._learning) < MOST_LEARNING:
            self._learning.add(capture)
            self._ctx.spawn(self._learn(capture))
        return self._known.get(capture)

    async def attempt_of(self, capture: str) -> str:
        """The attempt, asked for when it is not known. Raises GatewayFailed."""
        if capture not in self._known:
            try:
                said = await self._api.get(f"/v2/payments/captures/{capture}")
                self.keep(capture, words.number(said.get("custom_id")))
            except ValueError:
                self.keep(capture, "")
            except PayPalRefused as no:
                if no.status != 404:
                    raise
                self.keep(capture, "")
        return self._known[capture]

    async def _learn(self, capture: str) -> None:
        try:
            await self.attempt_of(capture)
        except GatewayFailed as failed:
            self._ctx.log.warning("PayPal could not be asked about a capture", capture=capture, problem=failed.problem)
        finally:
            self._learning.discard(capture)


def event(body: bytes) -> tuple[str, Mapping[str, Any]]:
    """An event's kind, and what it is about. Raises Rejected."""
    try:
        said = json.loads(body.decode(), parse_int=str, parse_float=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Rejected("malformed") from None
    kind, thing = (said.get("event_type"), said.get("resource")) if isinstance(said, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(thing, Mapping):
        raise Rejected("malformed")
    return kind, thing


def meaning(kind: str, thing: Mapping[str, Any], captures: Captures) -> Notice:
    """What a proved event says. Raises Rejected."""
    try:
        return _meaning(kind, thing, captures)
    except ValueError as error:
        raise Rejected(str(error)) from None


def _meaning(kind: str, thing: Mapping[str, Any], captures: Captures) -> Notice:
    if kind in HINTS:
        attempt_no = words.number((words.unit(thing) if kind == HINTS[0] else thing).get("custom_id"))
        return Notice(state="pending", attempt_no=attempt_no, is_hint=True) if attempt_no else NOT_OURS
    if kind == DISPUTE:
        return _dispute(thing, captures)
    if kind not in (REFUNDED, REVERSED):
        return NOT_OURS
    capture = words.capture_of(thing)
    attempt_no = words.number(thing.get("custom_id")) or _learned(capture, captures)
    if not attempt_no:
        return NOT_OURS
    if kind == REVERSED:
        return Notice(state="disputed", attempt_no=attempt_no, gateway_txn=capture)
    return Notice(state="refunded", attempt_no=attempt_no, gateway_txn=capture, refund=words.refund_word(thing))


def _dispute(dispute: Mapping[str, Any], captures: Captures) -> Notice:
    """A dispute is about one payment of ours or none."""
    rows = dispute.get("disputed_transactions")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and row.get("seller_transaction_id") is not None:
            capture = words.id_of(row["seller_transaction_id"])
            attempt_no = _learned(capture, captures)
            if attempt_no:
                return Notice(state="disputed", attempt_no=attempt_no, gateway_txn=capture)
    return NOT_OURS


def _learned(capture: str, captures: Captures) -> str:
    known = captures.known(capture) if capture else ""
    if known is None:
        raise ValueError("unknown_payment")
    return known


def _no_constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")
