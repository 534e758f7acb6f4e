"""What staff write to a buyer whose order stands on the exceptions desk: a prepared text in the buyer's language, and a way to
send it. It holds no code and no link that opens the order; the buyer finds that himself."""

from urllib.parse import quote

import msgspec

from kashop.lib.catalogue import core_catalogues, translations
from kashop.lib.money import Money
from kashop.orders.types import Order
from kashop.web.text import money_text


class Letter(msgspec.Struct, frozen=True):
    """A prepared text. `href` opens the program that sends it, '' where it is copied; `way` is email, phone or copy."""

    way: str
    href: str
    subject: str
    body: str
    locale: str


def letter(order: Order, kind: str, *, shop_name: str, base_url: str, locale: str) -> Letter:
    """What to write about an exception of that kind; in the shop's own `locale` to a buyer whose language is not known."""
    locale = order.locale if order.locale in core_catalogues() else locale
    words = translations(locale)

    def money(minor: int) -> str:
        return money_text(Money(minor, order.currency), locale)

    over = order.paid_minor - order.refunded_minor - order.total_minor
    filled = {
        "order_no": order.order_no,
        "shop": shop_name,
        "paid": money(order.paid_minor),
        "total": money(order.total_minor),
        "missing": money(max(order.total_minor - order.paid_minor, 0)),
        "over": money(max(over, 0)),
        "url": f"{base_url}/lookup",
    }
    subject = words.say("Your order {order_no} at {shop}", filled)
    parts = (_GREETING, _BODIES.get(kind, _LATER), _WHERE)
    body = "\n\n".join([*(words.say(part, filled) for part in parts), shop_name])
    way = _way(order)
    return Letter(way, _href(way, order.contact, subject, body), subject, body, locale)


_GREETING = "Hello,"
_WHERE = "You find your order here: {url}"
_LATER = (
    "Your payment for order {order_no} has arrived. The delivery takes a little longer than usual; we are working on it, "
    "and you need not do anything."
)
_UNSEEN = (
    "We cannot see yet whether order {order_no} was paid. If you have paid, please send us the number of the payment or a "
    "picture of it."
)
_TAKEN_BACK = (
    "The payment for order {order_no} was taken back, or is being disputed. Is anything wrong with your order? Please tell us: "
    "we would like to put it right."
)
_BODIES = {
    "paid_late": "Your payment for order {order_no} came when its time was over, so that the goods were no longer held for you. "
    "Your money is safe. Shall we deliver as soon as we can, or send the money back?",
    "paid_partly": "For order {order_no} we have received {paid} of {total}; {missing} is missing. Would you like to pay the "
    "rest, or to have your money back?",
    "paid_over": "For order {order_no} you have paid {over} more than was due. We will send the difference back.",
    "paid_twice": "Order {order_no} was paid twice. We will send the second payment back.",
    "mismatch": "A payment for order {order_no} does not fit what was asked for, so that nothing was delivered yet. Please tell "
    "us how you paid, and the number of the payment.",
    "gateway_unclear": _UNSEEN,
    "statement": _UNSEEN,
    "refund_failed": "We want to send your money for order {order_no} back, and could not do so the way that you paid. Please "
    "tell us where it may go.",
    "refunded_elsewhere": _TAKEN_BACK,
    "disputed": _TAKEN_BACK,
}


def _way(order: Order) -> str:
    if "@" in order.contact:
        return "email"
    return "phone" if order.contact_type == "phone" else "copy"


def _href(way: str, contact: str, subject: str, body: str) -> str:
    if way == "email":
        text = body.replace("\n", "\r\n")
        return f"mailto:{quote(contact, safe='@')}?subject={quote(subject)}&body={quote(text)}"
    return f"tel:{quote(contact, safe='+')}" if way == "phone" else ""
