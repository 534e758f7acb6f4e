"""Stripe's own minor units, which are not ours for every currency (stripe.md §3)."""

import re
from decimal import Decimal

from kashop.plugins.api import amount_text, minor_units

ZERO_DECIMAL = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)
THREE_DECIMAL = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
_UNITS = re.compile(r"0|[1-9][0-9]{0,14}", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)


def sent(minor: int, currency: str) -> int:
    """Our minor units in Stripe's. Raises ValueError when Stripe cannot take such an amount."""
    units = Decimal(amount_text(minor, currency)).scaleb(_places(currency))
    if units != units.to_integral_value() or (currency in THREE_DECIMAL and units % 10):
        raise ValueError("not an amount that Stripe takes")
    return int(units)


def told(units: object, currency: object) -> tuple[int, str]:
    """Stripe's units, as the text of a whole number, in our minor units, with our spelling of the currency. Raises ValueError."""
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise ValueError("not a currency")
    if not isinstance(units, str) or not _UNITS.fullmatch(units):
        raise ValueError("not an amount")
    ours = currency.upper()
    amount = Decimal(units).scaleb(-_places(ours)).normalize()
    return minor_units(f"{amount:f}", ours), ours


def _places(currency: str) -> int:
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
