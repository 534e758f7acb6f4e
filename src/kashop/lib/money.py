"""Money: integer minor units and an ISO 4217 code. No float ever touches it."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from babel.numbers import get_currency_precision

from kashop.lib.errors import Invalid

MAX_MINOR = 10**14
"""The most that one amount may be; far below 2^63, so that sums cannot overflow."""

_PLAIN = re.compile(r"[0-9]{1,15}(\.[0-9]{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in minor units (fen, cents) of one currency."""

    minor: int
    currency: str

    def __str__(self) -> str:
        """The decimal text with the currency's places, as the API writes it: `19.80`."""
        return to_text(self.minor, self.currency)


@lru_cache(maxsize=256)
def places(currency: str) -> int:
    """Decimal places of a currency (CLDR): 2 for CNY, 0 for JPY."""
    return get_currency_precision(currency)


@lru_cache(maxsize=4096)
def to_text(minor: int, currency: str) -> str:
    """Minor units as decimal text: `1980, CNY` → `19.80`."""
    n = places(currency)
    if not n:
        return str(minor)
    whole, part = divmod(abs(minor), 10**n)
    return f"{'-' if minor < 0 else ''}{whole}.{part:0{n}}"


def parse(text: str, currency: str, *, field: str = "amount") -> int:
    """Decimal text to minor units. Only plain ASCII digits with at most the currency's places; no sign, exponent or rounding.

    Raises Invalid for `field`.
    """
    text = text.strip() if isinstance(text, str) else ""
    if not _PLAIN.fullmatch(text):
        raise Invalid.of(field, "Not an amount: write digits and a point, such as 9.90.")
    value = Decimal(text).scaleb(places(currency))
    if value != value.to_integral_value():
        raise Invalid.of(
            field,
            "{currency} has {places} decimal places at most.",
            currency=currency,
            places=places(currency),
        )
    if value > MAX_MINOR:
        raise Invalid.of(field, "The amount is too large.")
    return int(value)
