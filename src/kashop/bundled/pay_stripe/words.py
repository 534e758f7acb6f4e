"""What Stripe's objects mean in the shop's words. Pure; whatever is malformed is a ValueError with a stable word.

Always true: a session pays only when its `payment_status` is `paid`; an object counts as ours only by the mark that we put into
its metadata, so that whatever else the merchant does with his Stripe account stays his.
"""

import re
from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_stripe import units
from kashop.plugins.api import Notice, RefundWord, scrubbed

ATTEMPT, REFUND = "kashop_attempt", "kashop_refund"
"""Our marks in the metadata of sessions, PaymentIntents (whose charges inherit it) and refunds."""

_NUMBER = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_REFUND_STATES = {
    "succeeded": "done",
    "pending": "pending",
    "requires_action": "pending",
    "failed": "failed",
    "canceled": "failed",
}


def mark(thing: Mapping[str, Any], name: str) -> str:
    """Our number in an object's metadata; empty when the object is none of ours. Raises ValueError."""
    metadata = thing.get("metadata")
    number = metadata.get(name) if isinstance(metadata, Mapping) else None
    if number is None:
        return ""
    if not isinstance(number, str) or not _NUMBER.fullmatch(number):
        raise ValueError("malformed")
    return number


def id_of(value: object) -> str:
    """The id that a field names, whether it holds the id or the object itself. Raises ValueError."""
    found = value.get("id") if isinstance(value, Mapping) else value
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise ValueError("transaction")
    return found


def session_notice(session: Mapping[str, Any], attempt_no: str) -> Notice:
    """What became of a session."""
    if session.get("payment_status") != "paid":
        return Notice(state="closed" if session.get("status") == "expired" else "pending", attempt_no=attempt_no)
    amount, currency = _amount(session.get("amount_total"), session.get("currency"))
    txn = id_of(session.get("payment_intent"))
    return Notice(state="paid", attempt_no=attempt_no, gateway_txn=txn, amount_minor=amount, currency=currency)


def refund_word(refund: Mapping[str, Any]) -> RefundWord:
    """What became of a refund."""
    state = _REFUND_STATES.get(str(refund.get("status")))
    if state is None or refund.get("object") != "refund":
        raise ValueError("malformed")
    amount, _currency = _amount(refund.get("amount"), refund.get("currency"))
    problem = scrubbed(refund.get("failure_reason") or refund.get("status")) if state == "failed" else ""
    return RefundWord(
        state=state, refund_no=mark(refund, REFUND), gateway_refund=id_of(refund), amount_minor=amount, problem=problem
    )


def _amount(told: object, currency: object) -> tuple[int, str]:
    try:
        amount, ours = units.told(told, currency)
    except ValueError:
        raise ValueError("amount") from None
    if amount == 0:
        raise ValueError("amount")
    return amount, ours
