"""Manual confirmation (补单): a person vouches for money that no gateway told of.

Always true: what a person vouches for settles as a proved notice would, once for each number of a payment.
"""

from kashop.db import Tx
from kashop.flows import settle, unfit
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.orders import reads as orders_reads
from kashop.orders import rules as order_rules
from kashop.orders import writes as orders
from kashop.payments import reads, rules, writes
from kashop.payments.types import Notice
from kashop.shop import Shop


async def confirm(shop: Shop, order_no: str, *, reference: str, note: str, actor: Actor) -> str:
    """A person vouches that the rest of an order was paid (补单); the order's state then. `reference` is the payment's number."""
    if not 0 < len(reference.strip()) <= 64:
        raise Invalid.of("reference", "Write the payment's number: 1 to 64 characters.")
    if not note.strip():
        raise Invalid.of("note", "Say how you know that it was paid.")
    return await shop.db.write(_confirm, order_no, reference.strip(), note.strip(), actor)


def _confirm(tx: Tx, order_no: str, reference: str, note: str, actor: Actor) -> str:
    order = orders_reads.find(tx, order_no)
    if order is None:
        raise NotFound("There is no order {order_no}.", order_no=order_no)
    if order.status in order_rules.PAID:
        raise Conflict("This order is already paid.", code="already_paid")
    attempts = reads.attempts(tx, order.order_id)
    if not attempts:
        raise Conflict("This order never had a payment to confirm.", code="no_attempt")
    missing = order.total_minor - unfit.free(tx, order)
    attempt = attempts[-1]
    if missing > 0:
        notice = Notice(
            state="paid",
            attempt_no=attempt.attempt_no,
            gateway_txn=reference,
            amount_minor=rules.asked_for(attempt, missing),
            currency=attempt.currency,
        )
        if writes.credit(tx, attempt, notice, source="manual", callback_id=None, actor=actor).verdict != "new":
            raise Invalid.of("reference", "This payment was already counted.")
    order = orders_reads.get(tx, order.order_id)
    if order.status == "pending" or settle.hold_again(tx, order):
        settle.pay(tx, order, actor)
    else:
        orders.open_exception(tx, order.order_id, "paid_late", actor, status=order.status)
        return order.status
    orders.close_exceptions(tx, order.order_id, ("paid_late", "paid_partly", "gateway_unclear"), actor, reason=note)
    return orders_reads.get(tx, order.order_id).status
