"""The options of `kashop gateway set` that say what a merchant decides about an account."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import rich_click as click

from kashop.lib import money
from kashop.lib.errors import FieldError, Invalid
from kashop.payments.account_rules import EXAMPLE, example
from kashop.payments.rules import AccountRules
from kashop.web.admin.gateway_rules import slugs
from kashop.web.storefront.payments import percent

_PERCENT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,2})?%?", re.ASCII)

OPTIONS = (
    click.option("--least", metavar="AMOUNT", help="Only orders from this total on; 0 for any."),
    click.option("--most", metavar="AMOUNT", help="Only orders up to this total; 0 for any."),
    click.option("--products", metavar="SLUGS", help="Only orders of these products, between commas; empty for all."),
    click.option("--categories", metavar="SLUGS", help="… or in these categories and those below them; empty for all."),
    click.option("--audience", type=click.Choice(["everyone", "staff"]), help="staff: only for who is signed in at the panel."),
    click.option("--fee", type=click.Choice(["absorbed", "added"]), help="Who bears the fee: the shop, or the buyer on top."),
    click.option("--fee-percent", metavar="P", help="The fee in percent, such as 0.6."),
    click.option("--fee-fixed", metavar="AMOUNT", help="The fee's fixed part."),
    click.option("--currency", metavar="CODE", help="What the gateway is asked in; empty for the shop's own."),
    click.option("--rate", metavar="R", help="What one of the shop's currency is worth in it, such as 0.1401."),
    click.option("--tolerance", metavar="P", help="So many percent less than asked still counts as paid."),
    click.option("--spread", metavar="AMOUNT", help="Odd cents on top, up to so much, by which transfers are told apart."),
)
_NAMES = {
    "least_minor": "least", "most_minor": "most", "fee_bp": "fee-percent", "fee_fixed_minor": "fee-fixed",
    "tolerance_bp": "tolerance", "spread_minor": "spread",
}  # fmt: skip


def rules_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command these options; a missing one is None."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def changed(rules: AccountRules, given: dict[str, str | None], currency: str) -> AccountRules | None:
    """The rules with what was given; None when nothing was. Raises Invalid by option."""
    said = {name: value for name, value in given.items() if value is not None}
    if not said:
        return None
    fields: dict[str, Any] = {}
    for name, value in said.items():
        if name in ("least", "most", "fee_fixed", "spread"):
            fields[f"{name}_minor"] = money.parse(value or "0", currency, field=name.replace("_", "-"))
        elif name in ("fee_percent", "tolerance"):
            fields["fee_bp" if name == "fee_percent" else "tolerance_bp"] = _bp(value, name)
        elif name in ("products", "categories"):
            fields[name] = slugs(value)
        else:
            fields[name] = value
    if "currency" in fields:
        fields["currency"] = "" if fields["currency"].upper() == currency else fields["currency"].upper()
        fields.setdefault("rate", rules.rate if fields["currency"] else "1")
    return msgspec.structs.replace(rules, **fields)


def _bp(text: str, name: str) -> int:
    if not _PERCENT.fullmatch(text or "0"):
        raise Invalid.of(name.replace("_", "-"), "Write a percentage such as 0.6, with two decimal places at most.")
    return int(Decimal((text or "0").removesuffix("%")).scaleb(2))


def by_option(refused: Invalid) -> Invalid:
    """Complaints about rules, named as the options are."""
    return Invalid(
        refused.message, fields=[FieldError(_NAMES.get(e.field, e.field), e.message, e.params) for e in refused.fields]
    )


def plain(rules: AccountRules, currency: str) -> dict[str, Any]:
    """The rules as the options write them, those that say something."""
    said: dict[str, Any] = {
        "least": money.to_text(rules.least_minor, currency) if rules.least_minor else "",
        "most": money.to_text(rules.most_minor, currency) if rules.most_minor else "",
        "products": ",".join(rules.products),
        "categories": ",".join(rules.categories),
        "audience": rules.audience if rules.audience != "everyone" else "",
        "fee": rules.fee if rules.fee != "absorbed" else "",
        "fee-percent": percent(rules.fee_bp) if rules.fee_bp else "",
        "fee-fixed": money.to_text(rules.fee_fixed_minor, currency) if rules.fee_fixed_minor else "",
        "currency": rules.currency,
        "rate": rules.rate if rules.currency else "",
        "tolerance": percent(rules.tolerance_bp) if rules.tolerance_bp else "",
        "spread": money.to_text(rules.spread_minor, currency) if rules.spread_minor else "",
    }
    return {name: value for name, value in said.items() if value}


def worked(rules: AccountRules, currency: str) -> str:
    """What an order asks for, when that is not its total."""
    asked = example(rules, currency)
    if (asked.amount_minor, asked.currency) == (asked.due_minor, currency):
        return ""
    return f"An order of {EXAMPLE} {currency} asks for {money.to_text(asked.amount_minor, asked.currency)} {asked.currency}."
