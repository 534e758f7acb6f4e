"""Money that does not fit its order: too late, too little, too much, twice, or not what was asked for.

Always true: it is on the desk before anything else is done about it; what the shop sends back by itself goes the same way as
what staff send back, and only as far as the order does not need it; what cannot go back by itself waits for staff.
"""

import msgspec

from kashop.db import Reader, Tx
from kashop.lib.actor import SYSTEM
from kashop.orders import reads as orders
from kashop.orders.types import Order
from kashop.payments import reads
from kashop.payments.refunding import reads as refunding_reads
from kashop.payments.refunding import rules
from kashop.payments.refunding import writes as refunding
from kashop.payments.refunding.types import RefundDraft
from kashop.payments.rows import Receipt
from kashop.shop import Shop

UNPAID = ("pending", "expired", "cancelled")


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the merchant chose: `late` is deliver, deliver_or_refund, hold or refund, the others hold or refund.

    `abilities` says of each gateway type whether it refunds any amount, whole payments or none. More than `most` at once is
    never sent back without a person; 0: no bound.
    """

    late: str
    partly: str
    over: str
    twice: str
    mismatch: str
    abilities: dict[str, str]
    most: int


def policy(shop: Shop) -> Policy:
    """As the settings say."""
    text = shop.settings.text
    return Policy(
        late=text("orders.late_payment"),
        partly=text("payments.on_partly_paid"),
        over=text("payments.on_overpaid"),
        twice=text("payments.on_paid_twice"),
        mismatch=text("payments.on_mismatch"),
        abilities={name: kind.refunds for name, kind in shop.plugins.gateway_types.items()},
        most=shop.settings.number("payments.second_person_above"),
    )


def free(db: Reader, order: Order) -> int:
    """What an order has: paid, not gone back, and not on its way back."""
    return order.kept_minor - refunding_reads.going_back(db, order.order_id)


def send_back(tx: Tx, receipt: Receipt, amount_minor: int, chosen: Policy, *, reason: str) -> bool:
    """Let so much of a receipt go back by itself; whether it does. What a person vouched for never does."""
    account = reads.get_gateway(tx, receipt.gateway_id)
    ability = chosen.abilities.get(account.type, "none")
    amount = min(amount_minor, rules.rest(receipt, refunding_reads.of_receipt(tx, receipt.receipt_id)))
    is_able = ability == "any" or (ability == "whole" and amount == receipt.amount_minor)
    if amount <= 0 or not is_able or receipt.source == "manual" or 0 < chosen.most < amount:
        return False
    refunding.ask(tx, receipt, RefundDraft(amount_minor=amount, reason=reason), SYSTEM)
    return True


def send_all_back(tx: Tx, order_id: int, chosen: Policy, *, reason: str) -> None:
    """Let all that an unpaid order was paid go back by itself, as far as it can."""
    for receipt in reads.receipts(tx, order_id):
        if receipt.counted_minor:
            send_back(tx, receipt, receipt.amount_minor, chosen, reason=reason)


def send_surplus_back(tx: Tx, receipt: Receipt, chosen: Policy, *, reason: str) -> None:
    """Let of a payment go back by itself what its paid order does not need; all of it when the order was refunded."""
    order = orders.get(tx, receipt.order_id)
    if order.status == "refunded":
        send_back(tx, receipt, receipt.amount_minor, chosen, reason=reason)
        return
    over = free(tx, order) - order.total_minor
    whole = rules.counted(receipt, refunding_reads.of_receipt(tx, receipt.receipt_id), receipt.amount_minor)
    amount = receipt.amount_minor if over >= whole else rules.amount_of(receipt, over)
    send_back(tx, receipt, amount, chosen, reason=reason)


def at_the_end(tx: Tx, order_id: int, chosen: Policy) -> None:
    """An unpaid order has ended: what was paid of it goes back, if the merchant chose so."""
    order = orders.get(tx, order_id)
    if chosen.partly == "refund" and order.status != "pending" and order.kept_minor > 0:
        send_all_back(tx, order_id, chosen, reason="the order was not paid in full")
