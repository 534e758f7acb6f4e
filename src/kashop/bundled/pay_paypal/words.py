"""What PayPal's objects mean in the shop's words. Pure; whatever is malformed is a ValueError with a stable word.

Always true: only a capture that is COMPLETED pays: an order that is COMPLETED may hold one that still waits.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kashop.plugins.api import Notice, RefundWord, amount_text, minor_units, scrubbed

WHOLE = frozenset({"HUF", "JPY", "TWD"})
"""Currencies that PayPal takes without decimals (paypal.md §2)."""

_NUMBER = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_CAPTURE = re.compile(r"/v2/payments/captures/([A-Za-z0-9-]{1,64})$", re.ASCII)
_REFUND_STATES = {"COMPLETED": "done", "PENDING": "pending", "FAILED": "failed", "CANCELLED": "failed"}


def amount_sent(minor: int, currency: str) -> dict[str, str]:
    """Our minor units as PayPal writes an amount. Raises ValueError when it cannot take such an amount."""
    value = Decimal(amount_text(minor, currency))
    rounded = value.quantize(Decimal(1) if currency in WHOLE else Decimal("0.01"))
    if rounded != value:
        raise ValueError("PayPal takes no such parts of this currency")
    return {"currency_code": currency, "value": str(rounded)}


def amount_told(amount: object) -> tuple[int, str]:
    """An amount of PayPal's in our minor units. Raises ValueError."""
    value, currency = (amount.get("value"), amount.get("currency_code")) if isinstance(amount, Mapping) else (None, None)
    if not isinstance(value, str) or not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise ValueError("amount")
    try:
        minor = minor_units(value, currency)
    except ValueError:
        raise ValueError("amount") from None
    if minor == 0:
        raise ValueError("amount")
    return minor, currency


def number(value: object) -> str:
    """A number of ours; empty when there is none. Raises ValueError for anything else."""
    if value is None:
        return ""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise ValueError("malformed")
    return value


def id_of(value: object) -> str:
    """An id of PayPal's. Raises ValueError."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("transaction")
    return value


def unit(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """The order's one purchase unit. Raises ValueError."""
    units = order.get("purchase_units")
    if not isinstance(units, list) or len(units) != 1 or not isinstance(units[0], Mapping):
        raise ValueError("malformed")
    return units[0]


def listed(order: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """The order's captures or refunds. Raises ValueError."""
    payments = unit(order).get("payments")
    rows = payments.get(kind) if isinstance(payments, Mapping) else None
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def order_notice(order: Mapping[str, Any], attempt_no: str) -> Notice:
    """What became of an order. Raises ValueError, with `order` when it is another attempt's."""
    captures = listed(order, "captures")
    named = [row.get("custom_id") for row in (unit(order), *captures) if row.get("custom_id") is not None]
    if not named or any(name != attempt_no for name in named):
        raise ValueError("order")
    states = {str(capture.get("status")) for capture in captures}
    done = [capture for capture in captures if capture.get("status") == "COMPLETED"]
    if done:
        minor, currency = amount_told(done[0].get("amount"))
        txn = id_of(done[0].get("id"))
        return Notice(state="paid", attempt_no=attempt_no, gateway_txn=txn, amount_minor=minor, currency=currency)
    if order.get("status") == "VOIDED" or states == {"REFUNDED"}:
        return Notice(state="closed", attempt_no=attempt_no)
    is_failed = bool(states) and states <= {"DECLINED", "FAILED"} and order.get("status") == "COMPLETED"
    return Notice(state="failed" if is_failed else "pending", attempt_no=attempt_no)


def waits(order: Mapping[str, Any]) -> bool:
    """Whether money of the order was taken that has not arrived yet."""
    return any(capture.get("status") == "PENDING" for capture in listed(order, "captures"))


def refund_word(refund: Mapping[str, Any]) -> RefundWord:
    """What became of a refund. One that was made elsewhere repeats the numbers of its payment, whose two are the same."""
    state = _REFUND_STATES.get(str(refund.get("status")))
    if state is None:
        raise ValueError("malformed")
    ours = refund.get("invoice_id")
    is_ours = isinstance(ours, str) and bool(_NUMBER.fullmatch(ours)) and ours != refund.get("custom_id")
    details = refund.get("status_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    return RefundWord(
        state=state,
        refund_no=str(ours) if is_ours else "",
        gateway_refund=id_of(refund.get("id")),
        amount_minor=amount_told(refund["amount"])[0] if "amount" in refund else 0,
        problem=scrubbed(reason or refund["status"]) if state == "failed" else "",
    )


def capture_of(thing: Mapping[str, Any]) -> str:
    """The capture that a refund or reversal is of, by its link upwards; empty when there is none."""
    links = thing.get("links")
    for link in links if isinstance(links, list) else ():
        found = _CAPTURE.search(str(link.get("href"))) if isinstance(link, Mapping) and link.get("rel") == "up" else None
        if found:
            return found[1]
    return ""
