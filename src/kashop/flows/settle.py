"""Money arrives: by callback or by query. It is recorded first; then it finds its order, or the desk.

Always true: the same payment settles once; only a proved, paid notice for this account's own attempt settles anything.
"""

import msgspec

from kashop.db import Tx
from kashop.db.queue import Work, does
from kashop.delivery import writes as delivery
from kashop.flows import unfit
from kashop.flows.unfit import Policy
from kashop.inventory import writes as inventory
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.errors import Conflict, SoldOut, Unavailable
from kashop.orders import reads as orders_reads
from kashop.orders import rules as order_rules
from kashop.orders import writes as orders
from kashop.orders.types import Order
from kashop.payments import reads, writes
from kashop.payments.refunding import reads as refunding_reads
from kashop.payments.refunding import writes as refunding
from kashop.payments.rows import Attempt, GatewayAccount, Receipt
from kashop.payments.types import CallbackRequest, Notice, RefundWord
from kashop.shop import Shop


class _Heard(msgspec.Struct, frozen=True):
    """A proved notice, how it came and who brought it."""

    account: GatewayAccount
    notice: Notice
    actor: Actor
    source: str
    callback_id: int | None
    arrival: "Arrival | None" = None


class Arrival(msgspec.Struct, frozen=True):
    """A callback that is not in the inbox yet: what settles it puts it there, in the same commit."""

    request: CallbackRequest
    ip: str


async def settle_arrival(shop: Shop, account: GatewayAccount, notice: Notice, actor: Actor, arrival: Arrival) -> str:
    """Put a proved callback into the inbox and settle it, both or neither: settled, noted, repeated, ignored or rejected.

    Raises AccountChanged, and whatever breaks behind the money: nothing is recorded then.
    """
    return await shop.db.write(_settle, _Heard(account, notice, actor, "callback", None, arrival), unfit.policy(shop))


@does(Work.MONEY)
async def settle_notice(
    shop: Shop, account: GatewayAccount, notice: Notice, actor: Actor, *, source: str, callback_id: int | None = None
) -> str:
    """Settle a proved notice of one account: settled, repeated, ignored or rejected.

    When something breaks behind the money, the money is recorded all the same and its order is on the desk.
    """
    heard = _Heard(account, notice, actor, source, callback_id)
    try:
        return await shop.db.write(_settle, heard, unfit.policy(shop))
    except Unavailable:
        raise
    except Exception as error:
        if notice.state != "paid":
            raise
        shop.log.exception("an order could not be settled; its money is recorded", attempt=notice.attempt_no)
        return await shop.db.write(_record_alone, heard, type(error).__name__)


def put_on_desk(tx: Tx, attempt_id: int, actor: Actor) -> None:
    """A gateway says that an attempt was paid, but neither how much nor by what proof: staff look, once; nothing is settled."""
    attempt = reads.get_attempt(tx, attempt_id)
    if attempt.status != "succeeded" and not orders_reads.was_on_desk(tx, attempt.order_id, "gateway_unclear"):
        told = {"attempt": attempt.attempt_no, "reference": attempt.gateway_ref}
        orders.open_exception(tx, attempt.order_id, "gateway_unclear", actor, why="paid without proof", **told)


def _settle(tx: Tx, heard: _Heard, chosen: Policy) -> str:
    attempt = reads.find_attempt(tx, heard.account.gateway_id, heard.notice.attempt_no)
    if heard.arrival is None:
        verdict, reason = _decide(tx, heard, attempt, heard.callback_id, chosen)
        _note(tx, heard, attempt, verdict, reason)
        return verdict
    expected = _expected(heard.notice, attempt)
    attempt_id = attempt.attempt_id if attempt else None
    callback_id = writes.keep_callback(
        tx, heard.account, heard.arrival.request, ip=heard.arrival.ip, verdict=expected, attempt_id=attempt_id
    )
    verdict, reason = _decide(tx, heard, attempt, callback_id, chosen)
    if (verdict, reason) != (expected, ""):
        writes.correct_callback(tx, callback_id, verdict, reason=reason)
    return verdict


def _expected(notice: Notice, attempt: Attempt | None) -> str:
    """The likeliest verdict, which then needs no second statement."""
    if attempt is None:
        return "rejected"
    return "settled" if notice.state == "paid" else "ignored"


def _record_alone(tx: Tx, heard: _Heard, problem: str) -> str:
    attempt = reads.find_attempt(tx, heard.account.gateway_id, heard.notice.attempt_no)
    assert attempt is not None  # there was an order that broke
    source, callback_id = heard.source, heard.callback_id
    credit = writes.credit(tx, attempt, heard.notice, source=source, callback_id=callback_id, actor=heard.actor)
    if credit.receipt is None:  # the same payment, told of many times at once, broke each time: another of them recorded it
        _note(tx, heard, attempt, "repeated", credit.flaw)
        return "repeated"
    orders.open_exception(tx, attempt.order_id, "delivery_failed", heard.actor, why=problem, txn=heard.notice.gateway_txn)
    _note(tx, heard, attempt, "settled", "delivery_failed")
    return "settled"


def _note(tx: Tx, heard: _Heard, attempt: Attempt | None, verdict: str, reason: str) -> None:
    if heard.callback_id is not None:
        attempt_id = attempt.attempt_id if attempt else None
        writes.judge_callback(tx, heard.callback_id, verdict, reason=reason, attempt_id=attempt_id)


def _decide(tx: Tx, heard: _Heard, attempt: Attempt | None, callback_id: int | None, chosen: Policy) -> tuple[str, str]:
    notice, actor = heard.notice, heard.actor
    if attempt is None:
        return "rejected", _foreign(tx, notice, actor)
    if notice.state != "paid":
        return _hear(tx, attempt, notice, actor)
    if notice.amount_minor <= 0 or not notice.gateway_txn:
        return "rejected", "amount"
    credit = writes.credit(tx, attempt, notice, source=heard.source, callback_id=callback_id, actor=actor)
    if credit.verdict == "of_other_order":
        orders.open_exception(tx, attempt.order_id, "mismatch", actor, why="transaction", txn=notice.gateway_txn)
        return "rejected", "transaction_of_other_order"
    if credit.flaw:
        orders.open_exception(tx, attempt.order_id, "mismatch", actor, why=credit.flaw, txn=notice.gateway_txn)
    if credit.receipt is None:
        return "repeated", credit.flaw
    _use(tx, credit.receipt, credit, chosen, actor)
    return "settled", credit.flaw


def _foreign(tx: Tx, notice: Notice, actor: Actor) -> str:
    """An account vouches for what it never began: why it is not believed. Money said to be another account's is told to staff."""
    other = reads.find_attempt_of_any(tx, notice.attempt_no)
    if other is None:
        return "unknown_attempt"
    if notice.state == "paid":
        orders.open_exception(tx, other.order_id, "mismatch", actor, why="account", txn=notice.gateway_txn)
    return "attempt_of_other_account"


def _hear(tx: Tx, attempt: Attempt, notice: Notice, actor: Actor) -> tuple[str, str]:
    """A gateway tells of something else than a payment."""
    if notice.refund is not None:
        return _went_back(tx, attempt, notice, notice.refund, actor)
    if notice.state != "disputed":
        return "ignored", notice.state
    orders.open_exception(tx, attempt.order_id, "disputed", actor, attempt=attempt.attempt_no, txn=notice.gateway_txn)
    return "noted", notice.state


def _use(tx: Tx, receipt: Receipt, credit: writes.Credit, chosen: Policy, actor: Actor) -> None:
    """Money is recorded: what becomes of it."""
    is_ahead = refunding.take_ahead(tx, receipt, actor)
    if not credit.flaw:
        order = orders_reads.get(tx, receipt.order_id) if is_ahead or credit.order is None else credit.order
        _find_order(tx, order, receipt, chosen, actor, is_ahead=is_ahead)
    elif chosen.mismatch == "refund":
        unfit.send_back(tx, receipt, receipt.amount_minor, chosen, reason="the payment is not what was asked for")


def _find_order(tx: Tx, order: Order, receipt: Receipt, chosen: Policy, actor: Actor, *, is_ahead: bool) -> None:
    """Money has been counted: what does it do for its order? Of what went back before it was told, the desk knows already."""
    missing = order.total_minor - unfit.free(tx, order)
    if order.status in order_rules.PAID:
        told = {"txn": receipt.gateway_txn, "amount": receipt.amount_minor, "currency": receipt.currency}
        orders.open_exception(tx, order.order_id, "paid_twice", actor, **told)
        if chosen.twice == "refund":
            unfit.send_surplus_back(tx, receipt, chosen, reason="the order was paid already")
    elif missing > 0:
        if not is_ahead:
            orders.open_exception(tx, order.order_id, "paid_partly", actor, missing=missing, late=order.status != "pending")
        unfit.at_the_end(tx, order.order_id, chosen)
    elif order.status == "pending":
        _pay(tx, order, receipt, chosen, actor, over=-missing)
    else:
        _pay_late(tx, order, receipt, chosen, actor, over=-missing)


def _pay(tx: Tx, order: Order, receipt: Receipt, chosen: Policy, actor: Actor, *, over: int) -> None:
    pay(tx, order, actor, over=over)
    if chosen.over == "refund" and over > 0:
        unfit.send_surplus_back(tx, receipt, chosen, reason="more was paid than the order costs")


def pay(tx: Tx, order: Order, actor: Actor, *, over: int | None = None) -> None:
    """An order whose money is there moves on and is delivered, unless so much of it is on its way back that the rest does not
    pay it. `over` is what there is beyond its price, if the caller knows. Raises Conflict when it is no longer in that state."""
    over = unfit.free(tx, order) - order.total_minor if over is None else over
    if not orders.mark_paid(tx, order.order_id, actor, expected=order.status):
        raise Conflict("This order is in another state than its money.")
    desk = orders_reads.open_exceptions(tx, order.order_id)
    orders.close_exceptions(tx, order.order_id, ("paid_partly", "gateway_unclear"), actor, reason="paid in full", among=desk)
    if over > 0:
        orders.open_exception(tx, order.order_id, "paid_over", actor, over=over)
    if over >= 0:
        delivery.deliver_paid(tx, msgspec.structs.replace(order, status="paid", paid_at=tx.now), actor, desk=desk)


def _pay_late(tx: Tx, order: Order, receipt: Receipt, chosen: Policy, actor: Actor, *, over: int) -> None:
    """Late money: held again and delivered, sent back, or left to staff, as the policy says."""
    exception_id = orders.open_exception(tx, order.order_id, "paid_late", actor, status=order.status)
    if chosen.late in ("deliver", "deliver_or_refund") and hold_again(tx, order):
        _pay(tx, order, receipt, chosen, actor, over=over)
        waits = any(e.kind == "sealed" for e in orders_reads.open_exceptions(tx, order.order_id))
        how = "held from stock until the vault is unsealed" if waits else "delivered from stock"
        orders.close_exception(tx, exception_id, SYSTEM, reason=f"late payment: {how}, by the shop's policy")
    elif chosen.late in ("refund", "deliver_or_refund"):
        unfit.send_all_back(tx, order.order_id, chosen, reason="the payment came too late")


def reconsider(tx: Tx, order_id: int, actor: Actor) -> None:
    """Money that was on its way back is not: an order that waits for it is paid after all. What is paid is swept up by a job."""
    order = orders_reads.get(tx, order_id)
    if order.status == "pending" and order.total_minor > 0 and unfit.free(tx, order) >= order.total_minor:
        pay(tx, order, actor)


def _went_back(tx: Tx, attempt: Attempt, notice: Notice, word: RefundWord, actor: Actor) -> tuple[str, str]:
    """A gateway tells of a refund: of one of ours, or of one that was made without us."""
    receipts = [r for r in reads.receipts(tx, attempt.order_id) if r.attempt_id == attempt.attempt_id]
    named = [r for r in receipts if r.gateway_txn == notice.gateway_txn] or receipts
    known = refunding_reads.find(tx, attempt.gateway_id, word.refund_no)
    known = known or refunding_reads.find_vendors(tx, attempt.gateway_id, word.gateway_refund)
    if known is None and named and not word.refund_no:
        known = refunding.adopt(tx, named[-1], word)
    if known is not None and known.order_id != attempt.order_id:
        orders.open_exception(tx, attempt.order_id, "mismatch", actor, why="refund", txn=word.gateway_refund)
        return "rejected", "refund_of_other_order"
    if known is not None:
        before, after = known.status, refunding.hear(tx, known.refund_id, word, actor)
        reconsider(tx, attempt.order_id, actor)
        return "repeated" if before == after != "open" else "noted", f"refund_{word.state}"
    if word.state != "done":
        return "ignored", f"refund_{word.state}"
    if not named:
        is_news = refunding.hear_ahead(tx, attempt, word, actor)
    else:
        number = word.gateway_refund or word.refund_no
        is_news = refunding.find_elsewhere(tx, named[-1], number, word.amount_minor, actor)
    return "noted" if is_news else "repeated", "refund_elsewhere"


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
