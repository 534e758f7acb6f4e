"""Invariants of refunds: each look gives the first witness against it, or None."""

from kashop.analytics.types import Witness
from kashop.db import Reader


def never_more_than_came(db: Reader) -> Witness | None:
    """I-20: what went back of a receipt and what is on its way are together no more than it brought, in either currency."""
    sql = """SELECT 'receipt ' || CAST(r.receipt_id AS TEXT) AS subject,
               'brought ' || CAST(r.amount_minor AS TEXT) || ' (counts ' || CAST(r.counted_minor AS TEXT) || '), '
                 || CAST(SUM(f.amount_minor) AS TEXT) || ' (' || CAST(SUM(f.counted_minor) AS TEXT) || ') goes back' AS problem
             FROM refunds f JOIN receipts r ON r.receipt_id = f.receipt_id
             WHERE f.status <> 'failed'
             GROUP BY r.receipt_id, r.amount_minor, r.counted_minor
             HAVING SUM(f.amount_minor) > r.amount_minor OR SUM(f.counted_minor) > r.counted_minor LIMIT 1"""
    return db.one(sql, Witness)


def once_for_a_number(db: Reader) -> Witness | None:
    """I-20: a number of ours stands for one refund, and so does a number of a vendor's; what is done was told once."""
    sql = """SELECT 'refund ' || refund_no AS subject, 'stands ' || CAST(COUNT(*) AS TEXT) || ' times' AS problem
             FROM refunds GROUP BY refund_no HAVING COUNT(*) > 1 LIMIT 1"""
    twice = db.one(sql, Witness)
    if twice is not None:
        return twice
    sql = """SELECT 'gateway ' || CAST(gateway_id AS TEXT) AS subject,
               'refund ' || gateway_refund || ' stands ' || CAST(COUNT(*) AS TEXT) || ' times' AS problem
             FROM refunds WHERE gateway_refund <> '' GROUP BY gateway_id, gateway_refund HAVING COUNT(*) > 1 LIMIT 1"""
    twice = db.one(sql, Witness)
    if twice is not None:
        return twice
    sql = """SELECT 'order ' || o.order_no AS subject,
               CAST(n.done AS TEXT) || ' refunds are done, ' || CAST(n.told AS TEXT) || ' were told' AS problem
             FROM (SELECT f.order_id, COUNT(*) AS done,
                     (SELECT COUNT(*) FROM events e WHERE e.name || '' = 'refund.done' AND e.object_kind = 'order'
                        AND e.object_id = f.order_id) AS told
                   FROM refunds f WHERE f.status = 'done' GROUP BY f.order_id) n JOIN orders o ON o.order_id = n.order_id
             WHERE n.done <> n.told LIMIT 1"""
    return db.one(sql, Witness)


def of_their_receipts(db: Reader) -> Witness | None:
    """I-20: a refund agrees with its receipt in order, account and currency."""
    sql = """SELECT 'refund ' || f.refund_no AS subject, 'does not fit the receipt that it is of' AS problem
             FROM refunds f LEFT JOIN receipts r ON r.receipt_id = f.receipt_id
             WHERE r.receipt_id IS NULL OR r.order_id <> f.order_id OR r.gateway_id <> f.gateway_id OR r.currency <> f.currency
             LIMIT 1"""
    return db.one(sql, Witness)


def refunded_is_their_sum(db: Reader) -> Witness | None:
    """K-04: what an order says went back is the sum of what its refunds that are done count."""
    sql = """SELECT 'order ' || o.order_no AS subject,
               'says ' || CAST(o.refunded_minor AS TEXT) || ' went back, its refunds '
                 || CAST(COALESCE(SUM(f.counted_minor), 0) AS TEXT) AS problem
             FROM orders o LEFT JOIN refunds f ON f.order_id = o.order_id AND f.status = 'done'
             GROUP BY o.order_no, o.refunded_minor HAVING COALESCE(SUM(f.counted_minor), 0) <> o.refunded_minor LIMIT 1"""
    return db.one(sql, Witness)


def paid_keep_their_price(db: Reader) -> Witness | None:
    """K-05: an order that counts as paid keeps its price; one that does not is refunded."""
    sql = """SELECT 'order ' || order_no AS subject,
               'is ' || status || ' and keeps ' || CAST(paid_minor - refunded_minor AS TEXT) || ' of '
                 || CAST(total_minor AS TEXT) AS problem
             FROM orders
             WHERE status IN ('paid', 'delivering', 'delivered') AND paid_minor - refunded_minor < total_minor LIMIT 1"""
    return db.one(sql, Witness)


def refunded_hold_nothing(db: Reader) -> Witness | None:
    """K-05: a refunded order holds no codes; those that it was sold stay its own."""
    sql = """SELECT 'order ' || o.order_no AS subject, 'is refunded and holds ' || CAST(COUNT(*) AS TEXT) || ' codes' AS problem
             FROM orders o JOIN order_lines l ON l.order_id = o.order_id
               JOIN codes c ON c.line_id = l.line_id AND c.status = 'held'
             WHERE o.status = 'refunded' GROUP BY o.order_no LIMIT 1"""
    return db.one(sql, Witness)
