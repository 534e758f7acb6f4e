"""What a payment's words mean. Every reading raises ValueError with a stable word for what is malformed.

Always true: only `finished` pays in full, and only what was asked; fewer coins, more, or a second deposit count in proportion.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from kashop.plugins.api import Notice, RefundWord, amount_text, minor_units

STATES = {
    "waiting": "pending",
    "confirming": "pending",
    "confirmed": "pending",
    "sending": "pending",
    "failed": "failed",
    "expired": "closed",
}
_ATTEMPT_NO = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_COIN = re.compile(r"[0-9A-Z]{2,24}", re.ASCII)
_AMOUNT = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,18})?(?:[eE]-?[0-9]{1,2})?", re.ASCII)


def attempt_of(told: Mapping[str, Any]) -> str:
    """Our number."""
    return _fit(told.get("order_id"), _ATTEMPT_NO, "attempt")


def payment_of(told: Mapping[str, Any]) -> str:
    """Theirs."""
    return _fit(told.get("payment_id"), _ID, "payment")


def coins(value: Any) -> Decimal:
    """An amount of coins; 0 for what is missing."""
    if value is None:
        return Decimal(0)
    amount = Decimal(_fit(value, _AMOUNT, "coin"))
    if amount >= 10**15:
        raise ValueError("coin")
    return amount


def coin_of(told: Mapping[str, Any]) -> str:
    """The coin, in capitals."""
    value = told.get("pay_currency")
    return _fit(value.upper() if isinstance(value, str) else value, _COIN, "coin")


def notice(told: Mapping[str, Any]) -> Notice:
    """What a payment's state says of its attempt."""
    number, status = attempt_of(told), told.get("payment_status")
    if status == "refunded":
        word = RefundWord(state="done", gateway_refund=payment_of(told))
        return Notice(state="refunded", attempt_no=number, gateway_txn=payment_of(told), refund=word)
    if status not in ("finished", "partially_paid"):
        return Notice(state=STATES.get(str(status), "pending"), attempt_no=number)
    currency = _fit(str(told.get("price_currency") or "").upper(), _CURRENCY, "currency")
    amount = _amount(told, currency, is_whole=status == "finished" and not told.get("parent_payment_id"))
    if not amount:
        raise ValueError("amount")
    came = coins(told.get("actually_paid"))
    return Notice(
        state="paid",
        attempt_no=number,
        gateway_txn=payment_of(told),
        amount_minor=amount,
        currency=currency,
        coin=coin_of(told) if came else "",
        coin_amount=format(came, "f") if came else "",
    )


def _amount(told: Mapping[str, Any], currency: str, *, is_whole: bool) -> int:
    """The price in minor units, when all of it was paid; else as much of it as came of the coins, rounded down."""
    try:
        price = minor_units(told.get("price_amount", ""), currency)
    except ValueError:
        raise ValueError("amount") from None
    asked, came = coins(told.get("pay_amount")), coins(told.get("actually_paid"))
    if is_whole and came <= asked:
        return price
    if not asked:
        raise ValueError("coin")
    share = (price * came / asked).to_integral_value(ROUND_FLOOR)
    return minor_units(amount_text(int(share), currency), currency)


def _fit(value: Any, form: re.Pattern[str], word: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(word)
    return str(value)
