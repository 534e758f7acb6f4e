"""What a merchant decides about a gateway account, as a part of its form: read, shown again, compared."""

import re
from decimal import Decimal

from kashop.lib.errors import FieldError, Invalid
from kashop.lib.money import to_text
from kashop.payments.rules import AccountRules
from kashop.web.admin.difference import Value
from kashop.web.forms import Form
from kashop.web.storefront.payments import percent

_PERCENT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,2})?", re.ASCII)
_BETWEEN = re.compile(r"[\s,，、;；]+")

FIELDS = {
    "least_minor": "rules-least",
    "most_minor": "rules-most",
    "products": "rules-products",
    "categories": "rules-categories",
    "audience": "rules-audience",
    "fee": "rules-fee",
    "fee_bp": "rules-fee_percent",
    "fee_fixed_minor": "rules-fee_fixed",
    "currency": "rules-currency",
    "rate": "rules-rate",
    "tolerance_bp": "rules-tolerance",
    "spread_minor": "rules-spread",
}
"""Where each of the rules stands in the form."""


def read_rules(form: Form, currency: str) -> AccountRules | None:
    """The rules that a form sent; None when it has none of them. Complaints are noted in the form."""
    if FIELDS["fee"] not in form:
        return None
    asked_in = form.text("rules-currency", most=3).upper()
    return AccountRules(
        least_minor=form.amount("rules-least", currency, default=0),
        most_minor=form.amount("rules-most", currency, default=0),
        products=slugs(form.text("rules-products", most=8000, is_long=True)),
        categories=tuple(form.many("rules-categories")[:200]),
        audience=form.choice("rules-audience", ("everyone", "staff"), default="everyone"),
        fee=form.choice("rules-fee", ("absorbed", "added")),
        fee_bp=_percent(form, "rules-fee_percent"),
        fee_fixed_minor=form.amount("rules-fee_fixed", currency, default=0),
        currency="" if asked_in == currency else asked_in,
        rate=form.text("rules-rate", most=30) or "1",
        tolerance_bp=_percent(form, "rules-tolerance"),
        spread_minor=form.amount("rules-spread", currency, default=0),
    )


def slugs(text: str) -> tuple[str, ...]:
    """Slugs between commas, blanks or line ends."""
    return tuple(dict.fromkeys(slug for slug in _BETWEEN.split(text) if slug))


def _percent(form: Form, name: str) -> int:
    """Hundredths of a percent; 0 when nothing was filled in."""
    text = form.text(name, most=10).removesuffix("%").strip()
    if not text:
        return 0
    if not _PERCENT.fullmatch(text):
        form.complain(name, "Write a percentage such as 0.6, with two decimal places at most.")
        return 0
    return int(Decimal(text).scaleb(2))


def in_the_form(refused: Invalid) -> list[FieldError]:
    """Complaints about rules, at the fields of the form."""
    return [FieldError(FIELDS.get(e.field, e.field), e.message, e.params) for e in refused.fields]


def shown(rules: AccountRules, currency: str) -> dict[str, str]:
    """What stands in each field; an amount of nothing is left empty."""

    def amount(minor: int) -> str:
        return to_text(minor, currency) if minor else ""

    return {
        "rules-least": amount(rules.least_minor),
        "rules-most": amount(rules.most_minor),
        "rules-products": "\n".join(rules.products),
        "rules-audience": rules.audience,
        "rules-fee": rules.fee,
        "rules-fee_percent": percent(rules.fee_bp) if rules.fee_bp else "",
        "rules-fee_fixed": amount(rules.fee_fixed_minor),
        "rules-currency": rules.currency,
        "rules-rate": rules.rate if rules.currency else "",
        "rules-tolerance": percent(rules.tolerance_bp) if rules.tolerance_bp else "",
        "rules-spread": amount(rules.spread_minor),
    }


LABELS = {
    "rules-least": "Orders from",
    "rules-most": "Orders up to",
    "rules-products": "Only these products",
    "rules-audience": "Offered to",
    "rules-fee": "Who pays the fee",
    "rules-fee_percent": "Fee in percent",
    "rules-fee_fixed": "Fixed fee",
    "rules-currency": "Asked in",
    "rules-rate": "Rate",
    "rules-tolerance": "Tolerance in percent",
    "rules-spread": "Odd cents up to",
}


def values(rules: AccountRules, currency: str) -> dict[str, Value]:
    """The rules by their labels, to compare two."""
    texts: dict[str, Value] = {LABELS[name]: text.replace("\n", ", ") for name, text in shown(rules, currency).items()}
    return texts | {"Only these categories": ", ".join(rules.categories)}
