"""Ways to pay, as a buyer chooses and sees them."""

from collections import Counter

import msgspec

from kashop.flows.gateways import Choice
from kashop.payments.rows import Attempt
from kashop.shop import Shop
from kashop.web.context import PayChoice, PaymentView
from kashop.web.text import Catalogue

ICONS = frozenset({"alipay", "wxpay", "qqpay", "bank"})


def pay_choices(shop: Shop, on_offer: list[Choice], words: Catalogue, *, chosen: str = "") -> tuple[PayChoice, ...]:
    """The ways on offer; the first is chosen unless the buyer chose. Two that sound alike name their accounts."""
    heard = Counter(choice.label for choice in on_offer)
    values = [value_of(choice.gateway, choice.method) for choice in on_offer]
    mark = chosen if chosen in values else (values[0] if values else "")
    return tuple(
        PayChoice(
            value=value,
            label=_label(choice, words, is_alone=heard[choice.label] == 1),
            icon=icon_of(choice.method, choice.gateway),
            is_chosen=value == mark,
        )
        for choice, value in zip(on_offer, values, strict=True)
    )


def _label(choice: Choice, words: Catalogue, *, is_alone: bool) -> str:
    said = words.gettext(choice.label)
    return said if is_alone else f"{said} · {choice.account_label or choice.gateway}"


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


def payment_view(attempt: Attempt | None, on_offer: list[Choice], gateway: str, words: Catalogue) -> PaymentView:
    """How the newest attempt is paid."""
    if attempt is None or attempt.status != "open":
        return PaymentView(kind="none")
    known = [c for c in on_offer if c.gateway == gateway and c.method == attempt.method]
    if not attempt.kind:
        return PaymentView(kind="failed" if attempt.problem else "none")
    return PaymentView(
        kind=attempt.kind,
        label=words.gettext(known[0].label) if known else gateway,
        icon=icon_of(attempt.method, gateway),
        url=attempt.url,
        qr=attempt.qr,
        fields=tuple(msgspec.json.decode(attempt.fields, type=dict[str, str]).items()),
    )
