"""Whether what a merchant decides about an account can stand. Pure; complaints name the fields of AccountRules."""

import re
from decimal import Decimal, InvalidOperation

from babel.numbers import list_currencies

from kashop.lib.errors import FieldError, Invalid
from kashop.lib.money import MAX_MINOR, places, to_text
from kashop.payments.rules import AccountRules, Bill, bill
from kashop.payments.types import GatewayType

MOST_FEE_BP = 3000
"""A fee beyond 30 % is a slip of the pen."""

MOST_TOLERANCE_BP = 1000
MOST_SPREAD = 999
EXAMPLE = 100
"""Units of the shop's currency: what an order of so much asks for stands beside the rate."""

_RATE = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,12})?", re.ASCII)
_WORTH = {
    "USD": "1", "EUR": "1.1", "GBP": "1.3", "CHF": "1.15", "CAD": "0.73", "AUD": "0.66", "NZD": "0.6", "SGD": "0.75",
    "CNY": "0.14", "HKD": "0.128", "MOP": "0.125", "TWD": "0.031", "JPY": "0.0067", "KRW": "0.00073",
    "THB": "0.028", "MYR": "0.22",
}  # fmt: skip
"""About what one is worth in USD: not to reckon with, but to see a rate that was written the wrong way round."""
_FAR_OFF = 3


def checked_rules(rules: AccountRules, kind: GatewayType, currency: str) -> AccountRules:
    """The rules, once they can stand for an account of a gateway in a shop of a currency. Raises Invalid by field."""
    wrong = [*_bounds(rules), *_fee(rules, currency), *_currency(rules, kind, currency), *_others(rules)]
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    return rules


def example(rules: AccountRules, currency: str) -> Bill:
    """What an order of EXAMPLE units asks for."""
    return bill(rules, EXAMPLE * 10 ** places(currency), currency)


def _bounds(rules: AccountRules) -> list[FieldError]:
    wrong = [
        FieldError(name, "The amount is too large.")
        for name in ("least_minor", "most_minor", "fee_fixed_minor")
        if not 0 <= getattr(rules, name) <= MAX_MINOR
    ]
    if rules.most_minor and rules.most_minor < rules.least_minor:
        wrong.append(FieldError("most_minor", "The most is less than the least: nothing would fit."))
    return wrong


def _fee(rules: AccountRules, currency: str) -> list[FieldError]:
    if rules.fee not in ("absorbed", "added"):
        return [FieldError("fee", "Choose one of the values on offer.")]
    if not 0 <= rules.fee_bp <= MOST_FEE_BP:
        return [FieldError("fee_bp", "A fee of 0 to 30 %.")]
    if rules.fee == "absorbed" or not rules.fee_fixed_minor:
        return []
    room = MOST_FEE_BP - rules.fee_bp
    if room == 0:
        return [FieldError("fee_fixed_minor", "With this percentage no amount fits beside it: 30 % is the most.")]
    needed = -(-rules.fee_fixed_minor * 10_000 // room)
    if rules.least_minor < needed:
        least = (("amount", to_text(needed, currency)), ("currency", currency))
        return [
            FieldError("least_minor", "With this fee take orders from {amount} {currency} on: below, it is over 30 %.", least)
        ]
    return []


def _currency(rules: AccountRules, kind: GatewayType, currency: str) -> list[FieldError]:
    asked_in = rules.currency or currency
    if asked_in not in (kind.currencies or list_currencies()):
        params = (("currency", asked_in), ("known", ", ".join(kind.currencies)))
        if not kind.currencies:
            return [FieldError("currency", "There is no currency {currency}.", params)]
        return [FieldError("currency", "This gateway is not asked in {currency}, but in {known}: choose one and a rate.", params)]
    if asked_in == currency:
        is_plain = rules.rate in ("", "1")
        return [] if is_plain else [FieldError("rate", "Between a currency and itself the rate is 1.")]
    return _rate(rules, currency)


def _rate(rules: AccountRules, currency: str) -> list[FieldError]:
    try:
        rate = Decimal(rules.rate) if _RATE.fullmatch(rules.rate) else Decimal(0)
    except InvalidOperation:
        rate = Decimal(0)
    if rate <= 0:
        return [FieldError("rate", "Write what one {currency} is worth, such as 0.1401.", (("currency", currency),))]
    if currency in _WORTH and rules.currency in _WORTH:
        about = Decimal(_WORTH[currency]) / Decimal(_WORTH[rules.currency])
        if not about / _FAR_OFF <= rate <= about * _FAR_OFF:
            told = (("one", currency), ("about", f"{about:.3g}"), ("other", rules.currency), ("rate", rules.rate))
            return [FieldError("rate", "One {one} is about {about} {other}, not {rate}. Is it the wrong way round?", told)]
    return (
        []
        if 0 < example(rules, currency).amount_minor <= MAX_MINOR
        else [FieldError("rate", "With this rate an order asks for nothing, or for too much.")]
    )


def _others(rules: AccountRules) -> list[FieldError]:
    wrong = []
    if rules.audience not in ("everyone", "staff"):
        wrong.append(FieldError("audience", "Choose one of the values on offer."))
    if not 0 <= rules.tolerance_bp <= MOST_TOLERANCE_BP:
        wrong.append(FieldError("tolerance_bp", "A tolerance of 0 to 10 %."))
    if not 0 <= rules.spread_minor <= MOST_SPREAD:
        wrong.append(FieldError("spread_minor", "Up to {n} odd cents.", (("n", str(MOST_SPREAD)),)))
    return wrong
