"""Money arrives: by callback or by query. It is recorded first; then it finds its order, or the desk.

Always true: the same payment settles once; only a proved, paid notice for this account's own attempt settles anything.
"""

import msgspec

from kashop.db import Tx
from kashop.delivery import writes as delivery
from kashop.inventory import writes as inventory
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.errors import Conflict, SoldOut, Unavailable
from kashop.orders import reads as orders_reads
from kashop.orders import rules as order_rules
from kashop.orders import writes as orders
from kashop.orders.types import Order
from kashop.payments import reads, writes
from kashop.payments.rows import Attempt, GatewayAccount
from kashop.payments.types import Notice
from kashop.shop import Shop


class Policy(msgspec.Struct, frozen=True):
    """What the shop does with money that comes late."""

    delivers_late: bool


def policy(shop: Shop) -> Policy:
    """As the merchant chose."""
    return Policy(shop.settings.text("orders.late_payment") == "deliver")


class _Heard(msgspec.Struct, frozen=True):
    """A proved notice, how it came and who brought it."""

    account: GatewayAccount
    notice: Notice
    actor: Actor
    source: str
    callback_id: int | None


async def settle_notice(
    shop: Shop, account: GatewayAccount, notice: Notice, actor: Actor, *, source: str, callback_id: int | None = None
) -> str:
    """Settle a proved notice of one account: settled, repeated, ignored or rejected.

    When something breaks behind the money, the money is recorded all the same and its order is on the desk.
    """
    heard = _Heard(account, notice, actor, source, callback_id)
    try:
        return await shop.db.write(_settle, heard, policy(shop))
    except Unavailable:
        raise
    except Exception as error:
        shop.log.exception("an order could not be settled; its money is recorded", attempt=notice.attempt_no)
        return await shop.db.write(_record_alone, heard, type(error).__name__)


def _settle(tx: Tx, heard: _Heard, late: Policy) -> str:
    verdict, reason = _decide(tx, heard, late)
    _note(tx, heard, verdict, reason)
    return verdict


def _record_alone(tx: Tx, heard: _Heard, problem: str) -> str:
    attempt = reads.find_attempt(tx, heard.account.gateway_id, heard.notice.attempt_no)
    assert attempt is not None  # there was an order that broke
    source, callback_id = heard.source, heard.callback_id
    writes.credit(tx, attempt, heard.notice, source=source, callback_id=callback_id, actor=heard.actor)
    orders.open_exception(tx, attempt.order_id, "delivery_failed", heard.actor, why=problem, txn=heard.notice.gateway_txn)
    _note(tx, heard, "settled", "delivery_failed")
    return "settled"


def _note(tx: Tx, heard: _Heard, verdict: str, reason: str) -> None:
    if heard.callback_id is not None:
        attempt = reads.find_attempt(tx, heard.account.gateway_id, heard.notice.attempt_no)
        attempt_id = attempt.attempt_id if attempt else None
        writes.judge_callback(tx, heard.callback_id, verdict, reason=reason, attempt_id=attempt_id)


def _decide(tx: Tx, heard: _Heard, late: Policy) -> tuple[str, str]:
    gateway_id, notice, actor = heard.account.gateway_id, heard.notice, heard.actor
    source, callback_id = heard.source, heard.callback_id
    attempt = reads.find_attempt(tx, gateway_id, notice.attempt_no)
    if attempt is None:
        return "rejected", "unknown_attempt"
    if notice.state != "paid":
        return "ignored", notice.state
    if notice.amount_minor <= 0 or not notice.gateway_txn:
        return "rejected", "amount"
    credit = writes.credit(tx, attempt, notice, source=source, callback_id=callback_id, actor=actor)
    if credit.verdict == "of_other_order":
        orders.open_exception(tx, attempt.order_id, "mismatch", actor, why="transaction", txn=notice.gateway_txn)
        return "rejected", "transaction_of_other_order"
    if credit.flaw:
        orders.open_exception(tx, attempt.order_id, "mismatch", actor, why=credit.flaw, txn=notice.gateway_txn)
    if credit.verdict == "repeated":
        return "repeated", credit.flaw
    if credit.flaw:
        return "settled", credit.flaw
    _find_order(tx, attempt, notice, late, actor)
    return "settled", ""


def _find_order(tx: Tx, attempt: Attempt, notice: Notice, late: Policy, actor: Actor) -> None:
    """Money has been counted: what does it do for its order?"""
    order = orders_reads.get(tx, attempt.order_id)
    if order.status in order_rules.PAID:
        orders.open_exception(tx, order.order_id, "paid_twice", actor, txn=notice.gateway_txn, amount=notice.amount_minor)
    elif order.paid_minor < order.total_minor:
        missing = order.total_minor - order.paid_minor
        orders.open_exception(tx, order.order_id, "paid_partly", actor, missing=missing, late=order.status != "pending")
    elif order.status == "pending":
        pay(tx, order, actor)
    else:
        _pay_late(tx, order, late, actor)


def pay(tx: Tx, order: Order, actor: Actor) -> None:
    """An order whose money is there moves on and is delivered. Raises Conflict when it is no longer in that state."""
    if not orders.mark_paid(tx, order.order_id, actor, expected=order.status):
        raise Conflict("This order is in another state than its money.")
    orders.close_exceptions(tx, order.order_id, ("paid_partly",), actor, reason="paid in full")
    if order.paid_minor > order.total_minor:
        orders.open_exception(tx, order.order_id, "paid_over", actor, over=order.paid_minor - order.total_minor)
    delivery.deliver_auto(tx, order.order_id, actor)


def _pay_late(tx: Tx, order: Order, late: Policy, actor: Actor) -> None:
    """Late money: held again and delivered if the policy says so and stock is left; otherwise it waits for staff."""
    exception_id = orders.open_exception(tx, order.order_id, "paid_late", actor, status=order.status)
    if not late.delivers_late or not hold_again(tx, order):
        return
    pay(tx, order, actor)
    orders.close_exception(tx, exception_id, SYSTEM, reason="late payment: delivered from stock by the shop's policy")


def hold_again(tx: Tx, order: Order) -> bool:
    """Hold the codes of an order that gave them back, all of them or none; whether stock was left."""
    lines = [line for line in orders_reads.lines(tx, order.order_id) if line.delivery == "auto"]
    taken: list[dict[str, int]] = []
    for line in lines:
        place = {"line_id": line.line_id, "sku_id": line.sku_id, "pool_id": order.pool_id}
        try:
            inventory.hold(tx, quantity=line.quantity, until=tx.now, **place)
        except SoldOut:
            for earlier in taken:
                inventory.release(tx, **earlier)
            return False
        taken.append(place)
    return True
