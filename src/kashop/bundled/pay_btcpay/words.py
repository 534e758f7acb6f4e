"""What BTCPay's words mean: invoices, payments, pull payments, webhooks. Every reading raises ValueError with a stable word."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kashop.plugins.api import Notice, RefundWord, StatementLine, amount_text, is_web_address, minor_units

ATTEMPT_NO = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3,5}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,30})?", re.ASCII)


def attempt_of(invoice: Mapping[str, Any]) -> str:
    """Our number of an invoice; empty when it is not one of ours."""
    metadata = invoice.get("metadata")
    told = metadata.get("orderId") if isinstance(metadata, dict) else None
    return told if isinstance(told, str) and ATTEMPT_NO.fullmatch(told) else ""


def floored(value: Any, currency: str) -> int:
    """Decimal text in minor units, its surplus places cut off; 0 for what is missing."""
    if value is None:
        return 0
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValueError("amount")
    whole, _point, part = value.partition(".")
    part = part[: len(amount_text(0, currency).partition(".")[2])]
    try:
        return minor_units(f"{int(whole)}.{part}" if part else str(int(whole)), currency)
    except ValueError:
        raise ValueError("amount") from None


def state_of(invoice: Mapping[str, Any]) -> str:
    """paid, pending, closed, failed; or `late`, when money came that the invoice no longer waited for."""
    status, more = invoice.get("status"), invoice.get("additionalStatus")
    if status == "Settled":
        return "paid"
    if status not in ("Expired", "Invalid"):
        return "pending"
    if more in ("PaidPartial", "PaidLate", "PaidOver") or floored(invoice.get("paidAmount"), _currency(invoice)):
        return "late"
    return "failed" if status == "Invalid" and more != "Marked" else "closed"


def amount_of(invoice: Mapping[str, Any]) -> int:
    """What was paid, in minor units; 0 when the server does not say. A settled invoice is paid in full by the server's own
    reckoning (its tolerance, rounding of coins), and what came beyond that counts too."""
    currency = _currency(invoice)
    came = floored(invoice.get("paidAmount"), currency)
    asked = floored(invoice.get("amount"), currency)
    if invoice.get("status") == "Settled":
        return max(asked, came) if invoice.get("additionalStatus") == "PaidOver" else asked
    return came or (asked if invoice.get("additionalStatus") == "PaidLate" else 0)


def paid(invoice: Mapping[str, Any], attempt_no: str) -> Notice:
    """What pays; a hint when it does not say how much. The payment's number is the invoice's."""
    amount = amount_of(invoice)
    if not amount:
        return Notice(state="paid", attempt_no=attempt_no, is_hint=True)
    number, currency = identity(invoice), _currency(invoice)
    return Notice(state="paid", attempt_no=attempt_no, gateway_txn=number, amount_minor=amount, currency=currency)


def identity(thing: Mapping[str, Any]) -> str:
    """The server's number of an invoice or pull payment."""
    told = thing.get("id")
    if not isinstance(told, str) or not ID.fullmatch(told):
        raise ValueError("id")
    return told


def line(invoice: Mapping[str, Any]) -> StatementLine:
    """An invoice that was paid, as a line of a statement; it happened when the invoice was made."""
    made = invoice.get("createdTime")
    if not isinstance(made, str) or not made.isdigit() or len(made) > 11:
        raise ValueError("createdTime")
    return StatementLine(
        kind="payment",
        gateway_txn=identity(invoice),
        amount_minor=amount_of(invoice),
        currency=_currency(invoice),
        happened_at=int(made) * 1000,
        attempt_no=attempt_of(invoice),
    )


def payments_of(methods: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Every payment of an invoice with the method that it came by."""
    if not isinstance(methods, list) or not all(isinstance(m, dict) for m in methods):
        raise ValueError("payment-methods")
    return [
        (str(method.get("paymentMethodId") or method.get("paymentMethod") or ""), payment)
        for method in methods
        for payment in method.get("payments") or []
    ]


def payout_method(methods: Any) -> str:
    """By what a refund can be claimed: the way it was paid."""
    ways = [way for way, _payment in payments_of(methods)]
    if not ways or not ID.fullmatch(ways[-1]):
        raise ValueError("payment-methods")
    return ways[-1].replace("-LNURL", "-LN")


def refund_word(pull: Mapping[str, Any], payouts: Sequence[Any], refund_no: str) -> RefundWord:
    """A pull payment is done when all of it was claimed and paid out."""
    currency = _currency(pull)
    amount = floored(pull.get("amount"), currency)
    out = [p for p in payouts if isinstance(p, dict) and p.get("state") == "Completed"]
    done = sum(floored(p.get("originalAmount") or p.get("amount"), currency) for p in out)
    link = pull.get("viewLink")
    state, problem, claim_url = "pending", "", str(link) if is_web_address(link) else ""
    if amount and done >= amount:
        state = "done"
    elif pull.get("archived") is True:
        state, problem = "failed", "the pull payment was archived in BTCPay"
    return RefundWord(
        state=state,
        refund_no=refund_no,
        gateway_refund=identity(pull),
        amount_minor=amount,
        problem=problem,
        claim_url=claim_url if state == "pending" else "",
    )


def _currency(thing: Mapping[str, Any]) -> str:
    told = thing.get("currency")
    if not isinstance(told, str) or not _CURRENCY.fullmatch(told):
        raise ValueError("currency")
    return told
