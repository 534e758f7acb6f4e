"""Looks at refunds."""

from kashop.db import Reader
from kashop.lib.errors import NotFound
from kashop.payments.refunding.types import Ahead
from kashop.payments.rows import Receipt, Refund


def get(db: Reader, refund_id: int) -> Refund:
    """The refund of that id."""
    sql = """SELECT refund_id, refund_no, order_id, receipt_id, gateway_id, way, status, amount_minor, currency, counted_minor,
               gateway_refund, reason, reference, claim_url, problem, asked_by, created_at, next_try_at, tries, ended_at,
               approval_id
             FROM refunds WHERE refund_id = :refund_id"""
    refund = db.one(sql, Refund, refund_id=refund_id)
    if refund is None:
        raise NotFound("There is no such refund.")
    return refund


def find(db: Reader, gateway_id: int, refund_no: str) -> Refund | None:
    """The refund of that number of ours, if it is one of this account."""
    sql = """SELECT refund_id, refund_no, order_id, receipt_id, gateway_id, way, status, amount_minor, currency, counted_minor,
               gateway_refund, reason, reference, claim_url, problem, asked_by, created_at, next_try_at, tries, ended_at,
               approval_id
             FROM refunds WHERE refund_no = :refund_no AND gateway_id = :gateway_id"""
    return db.one(sql, Refund, refund_no=refund_no, gateway_id=gateway_id)


def find_vendors(db: Reader, gateway_id: int, gateway_refund: str) -> Refund | None:
    """The refund that a vendor gave a number."""
    sql = """SELECT refund_id, refund_no, order_id, receipt_id, gateway_id, way, status, amount_minor, currency, counted_minor,
               gateway_refund, reason, reference, claim_url, problem, asked_by, created_at, next_try_at, tries, ended_at,
               approval_id
             FROM refunds WHERE gateway_id = :gateway_id AND gateway_refund = :gateway_refund AND gateway_refund <> ''"""
    return db.one(sql, Refund, gateway_id=gateway_id, gateway_refund=gateway_refund)


def of_receipt(db: Reader, receipt_id: int) -> list[Refund]:
    """A receipt's refunds, oldest first."""
    sql = """SELECT refund_id, refund_no, order_id, receipt_id, gateway_id, way, status, amount_minor, currency, counted_minor,
               gateway_refund, reason, reference, claim_url, problem, asked_by, created_at, next_try_at, tries, ended_at,
               approval_id
             FROM refunds WHERE receipt_id = :receipt_id ORDER BY refund_id"""
    return db.all(sql, Refund, receipt_id=receipt_id)


def due(db: Reader, *, limit: int) -> list[int]:
    """Refunds whose gateway should be asked now, longest waiting first."""
    sql = """SELECT refund_id FROM refunds WHERE next_try_at IS NOT NULL AND next_try_at <= :now
             ORDER BY next_try_at, refund_id LIMIT :limit"""
    return db.values(sql, now=db.now, limit=limit)


def going_back(db: Reader, order_id: int) -> int:
    """What of an order's money is on its way back, in the order's currency: asked for, and neither done nor failed."""
    sql = "SELECT COALESCE(SUM(counted_minor), 0) FROM refunds WHERE order_id = :order_id AND status = 'open'"
    return int(db.value(sql, order_id=order_id))


def asked_alone(db: Reader, by: str, since: int) -> int:
    """What somebody asked to send back since a moment without a second person."""
    sql = """SELECT COALESCE(SUM(amount_minor), 0) FROM refunds
             WHERE asked_by = :by AND created_at > :since AND approval_id IS NULL AND status <> 'failed'"""
    return int(db.value(sql, by=by, since=since))


def ahead(db: Reader, attempt_id: int) -> list[Ahead]:
    """What was told of an attempt's refunds before its payment, oldest first."""
    sql = """SELECT attempt_id, gateway_refund, amount_minor FROM refunds_ahead
             WHERE attempt_id = :attempt_id ORDER BY heard_at, gateway_refund"""
    return db.all(sql, Ahead, attempt_id=attempt_id)


def get_receipt(db: Reader, receipt_id: int) -> Receipt:
    """The receipt of that id."""
    sql = """SELECT receipt_id, gateway_id, gateway_txn, attempt_id, order_id, method, currency, amount_minor, counted_minor,
               source, callback_id, received_at, coin, coin_amount
             FROM receipts WHERE receipt_id = :receipt_id"""
    receipt = db.one(sql, Receipt, receipt_id=receipt_id)
    if receipt is None:
        raise NotFound("There is no such payment.")
    return receipt
