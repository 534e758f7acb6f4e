"""What a webhook event says. Pure but for one thing: refund and dispute events name only the PaymentIntent, and whose attempt
that is must have been learned before; until then such an event is not believed, and Stripe repeats it.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_stripe import words
from kashop.bundled.pay_stripe.client import StripeApi, StripeRefused
from kashop.plugins.api import Context, GatewayFailed, Notice, Rejected

NEEDED = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.refunded",
    "charge.dispute.created",
)
"""What the endpoint must be subscribed to."""

NOT_OURS = Notice(state="pending", attempt_no="")
MOST_KNOWN, MOST_LEARNING = 2000, 5


class Payments:
    """Whose attempt a PaymentIntent is; the newest in memory, the rest asked for. An empty attempt: none of ours."""

    def __init__(self, api: StripeApi, ctx: Context):
        self._api = api
        self._ctx = ctx
        self._known: OrderedDict[str, str] = OrderedDict()
        self._learning: set[str] = set()

    def keep(self, txn: str, attempt_no: str) -> None:
        """Remember."""
        self._known[txn] = attempt_no
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def known(self, txn: str) -> str | None:
        """The attempt; None when it must be asked for, which begins in the background."""
        if txn not in self._known and txn not in self._learning and len(self._learning) < MOST_LEARNING:
            self._learning.add(txn)
            self._ctx.spawn(self._learn(txn))
        return self._known.get(txn)

    async def attempt_of(self, txn: str) -> str:
        """The attempt, asked for when it is not known. Raises GatewayFailed."""
        if txn not in self._known:
            try:
                self.keep(txn, words.mark(await self._api.get(f"payment_intents/{txn}"), words.ATTEMPT))
            except ValueError:
                self.keep(txn, "")
            except StripeRefused as no:
                if no.status != 404:
                    raise
                self.keep(txn, "")
        return self._known[txn]

    async def _learn(self, txn: str) -> None:
        try:
            await self.attempt_of(txn)
        except GatewayFailed as failed:
            self._ctx.log.warning("Stripe could not be asked about a payment", payment=txn, problem=failed.problem)
        finally:
            self._learning.discard(txn)


def read(body: bytes, payments: Payments, *, is_live: bool) -> Notice:
    """What a proved event says. Raises Rejected."""
    event = _object(body)
    if event.get("account") is not None:  # of another account, through a platform's endpoint
        raise Rejected("merchant")
    if event.get("livemode") is not is_live:
        raise Rejected("livemode")
    data = event.get("data")
    thing = data.get("object") if isinstance(data, Mapping) else None
    kind = event.get("type")
    if not isinstance(kind, str) or not isinstance(thing, Mapping):
        raise Rejected("malformed")
    try:
        return _notice(kind, thing, payments)
    except ValueError as error:
        raise Rejected(str(error)) from None


def _notice(kind: str, thing: Mapping[str, Any], payments: Payments) -> Notice:
    if kind not in NEEDED:
        return NOT_OURS
    if kind.startswith("checkout.session."):
        return _of_session(kind, thing, payments)
    attempt_no = _attempt(thing, payments)
    if not attempt_no:
        return NOT_OURS
    txn = words.id_of(thing.get("payment_intent"))
    if kind == "charge.dispute.created":
        return Notice(state="disputed", attempt_no=attempt_no, gateway_txn=txn)
    refund = thing if kind.startswith("refund.") else _newest_refund(thing)
    if refund is None:
        return Notice(state="pending", attempt_no=attempt_no)
    return Notice(state="refunded", attempt_no=attempt_no, gateway_txn=txn, refund=words.refund_word(refund))


def _of_session(kind: str, session: Mapping[str, Any], payments: Payments) -> Notice:
    attempt_no = words.mark(session, words.ATTEMPT)
    if not attempt_no:
        return NOT_OURS
    if kind.endswith("async_payment_failed"):
        return Notice(state="failed", attempt_no=attempt_no)
    notice = words.session_notice(session, attempt_no)
    if notice.state == "paid":
        payments.keep(notice.gateway_txn, attempt_no)
    return notice


def _newest_refund(charge: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A charge names its refunds only in old API versions, newest first; in the others `refund.*` says the same and more."""
    listed = charge.get("refunds")
    refunds = listed.get("data") if isinstance(listed, Mapping) else None
    return refunds[0] if isinstance(refunds, list) and refunds and isinstance(refunds[0], Mapping) else None


def _attempt(thing: Mapping[str, Any], payments: Payments) -> str:
    """The attempt that a refund, charge or dispute is of: by our mark, or by its PaymentIntent."""
    marked = words.mark(thing, words.ATTEMPT)
    if marked or thing.get("payment_intent") is None:
        return marked
    known = payments.known(words.id_of(thing["payment_intent"]))
    if known is None:
        raise ValueError("unknown_payment")
    return known


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body.decode(), parse_int=str, parse_float=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Rejected("malformed") from None
    if not isinstance(said, dict):
        raise Rejected("malformed")
    return said


def _no_constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")
