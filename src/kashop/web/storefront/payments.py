"""Ways to pay, as a buyer chooses and sees them: what each costs him stands beside it before he takes it."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from kashop.flows.gateways import methods
from kashop.flows.offers import Choice
from kashop.lib.money import Money
from kashop.payments import rules
from kashop.payments.rows import Attempt, GatewayAccount
from kashop.payments.rules import AccountRules
from kashop.shop import Shop
from kashop.web.context import PayChoice, PaymentView
from kashop.web.storefront.visitor import works_in
from kashop.web.text import Catalogue, money_text

ICONS = frozenset({"alipay", "wxpay", "qqpay", "bank", "usdt", "crypto", "card", "paypal", "transfer"})


class Till(msgspec.Struct, frozen=True):
    """Where choices are shown: the shop, the buyer's words and device, and what is due if it is known."""

    shop: Shop
    words: Catalogue
    device: str
    due_minor: int | None = None

    @property
    def currency(self) -> str:
        """The shop's."""
        return self.shop.settings.text("shop.currency")

    def money(self, minor: int, currency: str = "") -> str:
        """An amount as the buyer's language writes it."""
        return money_text(Money(minor, currency or self.currency), self.words.locale)


def pay_choices(till: Till, on_offer: Sequence[Choice], *, chosen: str = "") -> tuple[PayChoice, ...]:
    """The ways on offer, those last that cannot be used in this browser; the first is chosen unless the buyer chose.

    Two that sound alike and cost the same name their accounts.
    """
    ordered = sorted(on_offer, key=lambda c: not works_in(till.device, c.method))
    notes = [" · ".join(_notes(till, c.terms, works=works_in(till.device, c.method))) for c in ordered]
    heard = Counter((c.label, note) for c, note in zip(ordered, notes, strict=True))
    values = [value_of(choice.gateway, choice.method) for choice in ordered]
    mark = chosen if chosen in values else (values[0] if values else "")
    return tuple(
        PayChoice(
            value=value,
            label=_label(choice, till.words, is_alone=heard[choice.label, note] == 1),
            icon=icon_of(choice.method, choice.gateway),
            is_chosen=value == mark,
            note=note,
            fee_bp=choice.terms.fee_bp if choice.terms.fee == "added" else 0,
            fee_fixed=choice.terms.fee_fixed_minor if choice.terms.fee == "added" else 0,
            least=choice.terms.least_minor,
            most=choice.terms.most_minor,
        )
        for choice, value, note in zip(ordered, values, notes, strict=True)
    )


def _label(choice: Choice, words: Catalogue, *, is_alone: bool) -> str:
    said = words.gettext(choice.label)
    return said if is_alone else f"{said} · {choice.account_label or choice.gateway}"


def _notes(till: Till, terms: AccountRules, *, works: bool) -> list[str]:
    """What a buyer has to know of a way to pay before he takes it."""
    notes = [] if works else [till.words.gettext("not in this app: open the page in a browser")]
    if till.due_minor is not None:
        bill = rules.bill(terms, till.due_minor, till.currency)
        if bill.fee_minor:
            notes.append(till.words.say("fee {amount}", {"amount": till.money(bill.fee_minor)}))
        if bill.currency != till.currency:
            notes.append(till.money(bill.amount_minor, bill.currency))
        return notes
    notes += _fee_note(till, terms)
    if terms.currency and terms.currency != till.currency:
        notes.append(till.words.say("paid in {currency}", {"currency": terms.currency}))
    if terms.least_minor:
        notes.append(till.words.say("from {amount} on", {"amount": till.money(terms.least_minor)}))
    if terms.most_minor:
        notes.append(till.words.say("up to {amount}", {"amount": till.money(terms.most_minor)}))
    return notes


def _fee_note(till: Till, terms: AccountRules) -> list[str]:
    if terms.fee != "added" or not (terms.fee_bp or terms.fee_fixed_minor):
        return []
    parts = [f"{percent(terms.fee_bp)}%"] if terms.fee_bp else []
    parts += [till.money(terms.fee_fixed_minor)] if terms.fee_fixed_minor else []
    return [till.words.say("fee {amount}", {"amount": " + ".join(parts)})]


def percent(bp: int) -> str:
    """Hundredths of a percent as a percent: `60` is `0.6`."""
    text = str(Decimal(bp).scaleb(-2))
    return text.rstrip("0").rstrip(".") if "." in text else text


def value_of(gateway: str, method: str) -> str:
    """What a form sends for a way to pay."""
    return f"{gateway}:{method}"


def parsed(value: str) -> tuple[str, str]:
    """(gateway, method) of what a form sent."""
    gateway, _, method = value.partition(":")
    return gateway[:64], method[:64]


def icon_of(method: str, gateway: str) -> str:
    """The name of the little mark beside a way to pay."""
    return method if method in ICONS else "practice" if "practice" in (method, gateway) else "other"


def payment_view(shop: Shop, attempt: Attempt | None, account: GatewayAccount | None, words: Catalogue) -> PaymentView:
    """How the newest attempt is paid, and what it costs."""
    if attempt is None or account is None or attempt.status not in ("open", "failed"):
        return PaymentView(kind="none")
    if not attempt.kind:
        return PaymentView(kind="failed" if attempt.problem else "none")
    if attempt.status == "failed":
        return PaymentView(kind="failed")
    known, currency = shop.plugins.gateway_types.get(account.type), shop.settings.text("shop.currency")
    labels = {m.name: m.label for m in methods(account, known)} if known else {}
    has_passed = 0 < attempt.vendor_expires_at <= shop.clock.now()
    return PaymentView(
        kind="lapsed" if has_passed else attempt.kind,
        label=words.gettext(labels[attempt.method]) if attempt.method in labels else account.label or account.name,
        icon=icon_of(attempt.method, account.name),
        method=attempt.method,
        url=attempt.url,
        qr=attempt.qr,
        fields=tuple(_fields(attempt, words)),
        amount=Money(attempt.amount_minor, attempt.currency),
        fee=Money(attempt.fee_minor, currency),
        coin=attempt.coin,
        coin_amount=attempt.coin_amount,
        is_exact=_is_exact(attempt, currency),
        again=value_of(account.name, attempt.method),
    )


def _fields(attempt: Attempt, words: Catalogue) -> list[tuple[str, str]]:
    """What a form posts as it is; what a transfer shows with its labels in the buyer's language."""
    given = msgspec.json.decode(attempt.fields, type=dict[str, str])
    return [(words.gettext(name) if attempt.kind == "transfer" else name, value) for name, value in given.items()]


def _is_exact(attempt: Attempt, currency: str) -> bool:
    """Whether the buyer types the amount himself and it must be right to the last digit."""
    has_odd_cents = attempt.currency == currency and attempt.amount_minor != attempt.due_minor + attempt.fee_minor
    return bool(attempt.coin_amount) or attempt.kind == "transfer" or has_odd_cents
