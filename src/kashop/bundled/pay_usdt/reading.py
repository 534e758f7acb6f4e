"""Reading what the family says: numbers of ours and theirs, fiat and coin amounts, all as text. Every reading raises ValueError
with a stable word for what is malformed.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from kashop.plugins.api import Notice, minor_units

_ATTEMPT_NO = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_REF = re.compile(r"[0-9A-Za-z_.-]{1,64}", re.ASCII)
_TXN = re.compile(r"[!-%'-~]{1,128}", re.ASCII)
_COIN = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,18})?(?:[eE]-?[0-9]{1,2})?", re.ASCII)


def attempt_no(value: Any) -> str:
    """Our number."""
    return _fit(value, _ATTEMPT_NO, "attempt")


def reference(value: Any) -> str:
    """The gateway's number of an order."""
    return _fit(value, _REF, "trade")


def fiat(value: Any, currency: str) -> int:
    """What was to be paid, in minor units."""
    try:
        amount = minor_units(value, currency)
    except ValueError:
        raise ValueError("amount") from None
    if not amount:
        raise ValueError("amount")
    return amount


def coins(value: Any) -> str:
    """An amount of coins as decimal text without an exponent."""
    text = _fit(value, _COIN, "coin")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError("coin") from None
    if not 0 < amount < 10**15:
        raise ValueError("coin")
    return format(amount, "f")


def paid(number: str, *, amount: Any, currency: str, txn: Any, coin: str, coin_amount: Any) -> Notice:
    """A paid notice, with the transaction's hash as its number: the one thing that no two payments share."""
    return Notice(
        state="paid",
        attempt_no=number,
        gateway_txn=_fit(txn, _TXN, "transaction"),
        amount_minor=fiat(amount, currency),
        currency=currency,
        coin=coin,
        coin_amount=coins(coin_amount),
    )


def _fit(value: Any, form: re.Pattern[str], word: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(word)
    return str(value)
