"""Changes of refunds."""

from typing import Any

import msgspec

from kashop.audit.writes import record
from kashop.db import Tx
from kashop.lib import ids, money
from kashop.lib.actor import Actor
from kashop.lib.errors import Invalid
from kashop.orders import reads as orders_reads
from kashop.orders import writes as orders
from kashop.orders.types import Order, OrderException
from kashop.payments.refunding import reads, rules
from kashop.payments.refunding.types import RefundDraft
from kashop.payments.rows import Attempt, Receipt, Refund
from kashop.payments.types import RefundWord

UNFIT = ("paid_late", "paid_partly", "paid_over", "paid_twice")
"""Why money may be on the desk that is settled once it went back."""

MOST_URL = 1000


def ask(tx: Tx, receipt: Receipt, draft: RefundDraft, actor: Actor) -> Refund:
    """Write down that money is to go back, before its gateway hears of it. A recorded one is done at once.

    Raises Invalid for more than is left of the receipt: what is done and what is open count alike, also what came in parallel.
    """
    refuse_more_than_rest(tx, receipt, draft.amount_minor)
    refund = _write_down(tx, receipt, draft, actor, next_try_at=tx.now if draft.way == "gateway" else None)
    record(
        tx,
        "refund.asked",
        actor,
        ("order", receipt.order_id),
        reason=draft.reason,
        refund=refund.refund_no,
        amount=draft.amount_minor,
        currency=receipt.currency,
        way=draft.way,
        approval=draft.approval_id,
    )
    if draft.way == "recorded":
        _done(tx, refund, RefundWord(state="done"), actor)
    return reads.get(tx, refund.refund_id)


def refuse_more_than_rest(tx: Tx, receipt: Receipt, amount_minor: int) -> None:
    """Raises Invalid unless so much is left of a receipt."""
    left = rules.rest(receipt, reads.of_receipt(tx, receipt.receipt_id))
    if not 0 < amount_minor <= left:
        text = f"{money.to_text(left, receipt.currency)} {receipt.currency}"
        raise Invalid.of("amount", "Of this payment {left} is left to go back.", left=text)


def _write_down(
    tx: Tx, receipt: Receipt, draft: RefundDraft, actor: Actor, *, next_try_at: int | None = None, gateway_refund: str = ""
) -> Refund:
    sql = """INSERT INTO refunds (refund_no, order_id, receipt_id, gateway_id, way, status, amount_minor, currency, counted_minor,
               gateway_refund, reason, reference, asked_by, created_at, next_try_at, approval_id)
             VALUES (:refund_no, :order_id, :receipt_id, :gateway_id, :way, 'open', :amount_minor, :currency, :counted_minor,
               :gateway_refund, :reason, :reference, :asked_by, :now, :next_try_at, :approval_id)
             RETURNING refund_id"""
    refund_id = tx.value(
        sql,
        refund_no=ids.number("R", tx.now),
        order_id=receipt.order_id,
        receipt_id=receipt.receipt_id,
        gateway_id=receipt.gateway_id,
        currency=receipt.currency,
        counted_minor=rules.counted(receipt, reads.of_receipt(tx, receipt.receipt_id), draft.amount_minor),
        gateway_refund=gateway_refund,
        asked_by=str(actor),
        now=tx.now,
        next_try_at=next_try_at,
        **msgspec.structs.asdict(draft),
    )
    return reads.get(tx, int(refund_id))


def take(tx: Tx, refund_id: int) -> Refund | None:
    """Take a due refund for asking: whoever moved its time ahead asks; as it was before; None when another did.

    Its tries are counted before its gateway hears of it, so that one whose process died is queried and not asked for again.
    """
    refund = reads.get(tx, refund_id)
    sql = """UPDATE refunds SET next_try_at = :next, tries = tries + 1
             WHERE refund_id = :refund_id AND status = 'open' AND next_try_at = :seen AND next_try_at <= :now"""
    later = rules.next_try(refund.created_at, refund.tries + 1, tx.now)
    return refund if tx.run(sql, refund_id=refund_id, next=later, seen=refund.next_try_at, now=tx.now) else None


def keep_problem(tx: Tx, refund: Refund, problem: str, actor: Actor) -> None:
    """Its gateway said nothing that settles it. One that is open for a day is put on the desk."""
    sql = "UPDATE refunds SET problem = :problem WHERE refund_id = :refund_id AND status = 'open'"
    tx.run(sql, refund_id=refund.refund_id, problem=problem[:300])
    if refund.status == "open" and tx.now > refund.created_at + rules.UNCLEAR_AFTER:
        orders.open_exception(tx, refund.order_id, "gateway_unclear", actor, refund=refund.refund_no, problem=problem[:300])


def hear(tx: Tx, refund_id: int, word: RefundWord, actor: Actor) -> str:
    """Take a gateway's word of a refund; its state then. What was done stays done: a vendor who takes it back is on the desk."""
    refund = reads.get(tx, refund_id)
    if word.amount_minor and word.amount_minor != refund.amount_minor and word.state == "done":
        told = {"refund": refund.refund_no, "amount": word.amount_minor, "why": "amount"}
        orders.open_exception(tx, refund.order_id, "refunded_elsewhere", actor, **told)
    if refund.status == "done":
        if word.state == "failed":
            _put_failed_on_desk(tx, refund, word, actor)
        return "done"
    if word.state == "done":
        _done(tx, refund, word, actor)
    elif word.state == "failed" and refund.status == "open":
        _failed(tx, refund, word, actor)
    elif refund.status == "open":
        _keep(tx, refund, word)
        keep_problem(tx, refund, word.problem, actor)
    return reads.get(tx, refund_id).status


def _keep(tx: Tx, refund: Refund, word: RefundWord) -> None:
    sql = """UPDATE refunds SET gateway_refund = :gateway_refund, claim_url = :claim_url WHERE refund_id = :refund_id"""
    is_link = word.claim_url.startswith(("https://", "http://")) and len(word.claim_url) <= MOST_URL
    claim_url = word.claim_url if is_link else refund.claim_url
    tx.run(sql, refund_id=refund.refund_id, gateway_refund=_number(tx, refund, word), claim_url=claim_url)


def _number(tx: Tx, refund: Refund, word: RefundWord) -> str:
    """The vendor's number of a refund; none when he gave the same one to another."""
    known = reads.find_vendors(tx, refund.gateway_id, word.gateway_refund)
    is_free = known is None or known.refund_id == refund.refund_id
    return word.gateway_refund if word.gateway_refund and is_free else refund.gateway_refund


def _done(tx: Tx, refund: Refund, word: RefundWord, actor: Actor) -> None:
    """It went back. One that was said to have failed counts all the same when it did not; beyond the receipt for nothing."""
    receipt = reads.get_receipt(tx, refund.receipt_id)
    counted = refund.counted_minor
    if refund.status == "failed":
        others = [r for r in reads.of_receipt(tx, receipt.receipt_id) if r.refund_id != refund.refund_id]
        if rules.rest(receipt, others) < refund.amount_minor:
            told = {"refund": refund.refund_no, "amount": refund.amount_minor, "why": "beyond"}
            orders.open_exception(tx, refund.order_id, "refunded_elsewhere", actor, **told)
            return
        counted = rules.counted(receipt, others, refund.amount_minor)
    sql = """UPDATE refunds SET status = 'done', ended_at = :now, next_try_at = NULL, problem = '', counted_minor = :counted
             WHERE refund_id = :refund_id AND status = :seen"""
    _keep(tx, refund, word)
    if not tx.run(sql, refund_id=refund.refund_id, seen=refund.status, counted=counted, now=tx.now):
        return
    record(tx, "refund.done", actor, ("order", refund.order_id), refund=refund.refund_no, **_sum(refund))
    orders.give_back(tx, refund.order_id, counted, actor)
    _clear_desk(tx, reads.get(tx, refund.refund_id), receipt, actor)


def _failed(tx: Tx, refund: Refund, word: RefundWord, actor: Actor) -> None:
    sql = """UPDATE refunds SET status = 'failed', ended_at = :now, next_try_at = NULL, problem = :problem
             WHERE refund_id = :refund_id AND status = 'open'"""
    _keep(tx, refund, word)
    tx.run(sql, refund_id=refund.refund_id, problem=word.problem[:300], now=tx.now)
    record(tx, "refund.failed", actor, ("order", refund.order_id), refund=refund.refund_no, problem=word.problem[:300])
    _put_failed_on_desk(tx, refund, word, actor)


def _put_failed_on_desk(tx: Tx, refund: Refund, word: RefundWord, actor: Actor) -> None:
    told = {"refund": refund.refund_no, "problem": word.problem[:300], "receipt": refund.receipt_id}
    orders.open_exception(tx, refund.order_id, "refund_failed", actor, **told, **_sum(refund))


def _sum(refund: Refund) -> dict[str, Any]:
    return {"amount": refund.amount_minor, "currency": refund.currency}


def _clear_desk(tx: Tx, refund: Refund, receipt: Receipt, actor: Actor) -> None:
    """Take off the desk what this refund settled, with its reason."""
    order = orders_reads.get(tx, refund.order_id)
    is_whole = sum(r.amount_minor for r in reads.of_receipt(tx, receipt.receipt_id) if r.status == "done") >= receipt.amount_minor
    for exception in orders_reads.open_exceptions(tx, order.order_id):
        detail: dict[str, Any] = msgspec.json.decode(exception.detail)
        settles = {
            "mismatch": is_whole and detail.get("txn") == receipt.gateway_txn,
            "refund_failed": detail.get("receipt") == receipt.receipt_id and detail.get("amount", 0) <= refund.amount_minor,
            "gateway_unclear": detail.get("refund") == refund.refund_no,
        }
        if settles.get(exception.kind, exception.kind in UNFIT and _fits(order, receipt)):
            _close(tx, exception, refund, actor)


def _close(tx: Tx, exception: OrderException, refund: Refund, actor: Actor) -> None:
    orders.close_exception(tx, exception.exception_id, actor, reason=f"refunded ({refund.refund_no}): {refund.reason}"[:300])


def _fits(order: Order, receipt: Receipt) -> bool:
    """Whether an order keeps what it should: its price once it was paid, else nothing; up to less than can go back at all."""
    over = order.kept_minor - (order.total_minor if order.status in ("paid", "delivering", "delivered") else 0)
    if order.status == "refunded":
        return order.kept_minor < order.total_minor
    is_too_small = over > 0 and receipt.counted_minor > 0 and rules.amount_of(receipt, over) == 0
    return over == 0 or is_too_small


def adopt(tx: Tx, receipt: Receipt, word: RefundWord) -> Refund | None:
    """The open refund that a vendor means who does not name our number: the only one of that amount without one of his."""
    waiting = [
        refund
        for refund in reads.of_receipt(tx, receipt.receipt_id)
        if refund.status == "open" and refund.tries and not refund.gateway_refund and refund.way == "gateway"
        if word.amount_minor in (0, refund.amount_minor)
    ]
    return waiting[0] if len(waiting) == 1 else None


def find_elsewhere(tx: Tx, receipt: Receipt, gateway_refund: str, amount_minor: int, actor: Actor) -> bool:
    """Write down a refund made without us, once; whether it was news. More than its receipt brought is on the desk alone."""
    refunds = reads.of_receipt(tx, receipt.receipt_id)
    left = rules.rest(receipt, refunds)
    amount = min(amount_minor or left, left)
    told = {"txn": receipt.gateway_txn, "amount": amount_minor or left, "currency": receipt.currency}
    if not gateway_refund and any(not amount_minor or (r.way == "elsewhere" and r.amount_minor == amount_minor) for r in refunds):
        return False
    if amount < (amount_minor or 1):
        told["why"] = "beyond"
    elif not amount_minor:
        told["why"] = "amount"
    if amount > 0:
        draft = RefundDraft(amount_minor=amount, reason="refunded at the gateway, not by this shop", way="elsewhere")
        refund = _write_down(tx, receipt, draft, actor, gateway_refund=gateway_refund)
        record(tx, "refund.found", actor, ("order", receipt.order_id), refund=refund.refund_no, **_sum(refund))
        told["refund"] = refund.refund_no
        _done(tx, refund, RefundWord(state="done"), actor)
    orders.open_exception(tx, receipt.order_id, "refunded_elsewhere", actor, **told)
    return True


def hear_ahead(tx: Tx, attempt: Attempt, word: RefundWord, actor: Actor) -> bool:
    """Keep what a vendor says of a refund whose payment we have not heard of, until it arrives; whether it was news."""
    sql = """INSERT INTO refunds_ahead (attempt_id, gateway_refund, amount_minor, heard_at)
             VALUES (:attempt_id, :gateway_refund, :amount_minor, :now) ON CONFLICT (attempt_id, gateway_refund) DO NOTHING"""
    number = word.gateway_refund or word.refund_no
    if not tx.run(sql, attempt_id=attempt.attempt_id, gateway_refund=number, amount_minor=word.amount_minor, now=tx.now):
        return False
    told = {"attempt": attempt.attempt_no, "amount": word.amount_minor, "why": "ahead"}
    orders.open_exception(tx, attempt.order_id, "refunded_elsewhere", actor, **told)
    return True


def take_ahead(tx: Tx, receipt: Receipt, actor: Actor) -> bool:
    """Set what was told of a payment's refunds before it against the payment; whether there was any.

    One that was told again once the attempt had another receipt, as after a confirmation by hand, went back from that one.
    """
    heard = reads.ahead(tx, receipt.attempt_id)
    news = [told for told in heard if reads.find_vendors(tx, receipt.gateway_id, told.gateway_refund) is None]
    for told in news:
        find_elsewhere(tx, receipt, told.gateway_refund, told.amount_minor, actor)
    if heard:
        tx.run("DELETE FROM refunds_ahead WHERE attempt_id = :attempt_id", attempt_id=receipt.attempt_id)
    return bool(news)
