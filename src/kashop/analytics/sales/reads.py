"""Invariants of orders: each look gives the first witness against it, or None."""

from kashop.analytics.types import PricedLine, Witness
from kashop.db import Reader
from kashop.lib.clock import MINUTE
from kashop.orders.rules import recomputed

CHUNK = 5000


def paid_is_delivered_or_listed(db: Reader) -> Witness | None:
    """I-08: a minute after it was paid, what a machine delivers is delivered, on the desk, or its money is on the way back."""
    sql = """SELECT 'order ' || o.order_no AS subject, 'is ' || o.status || ', undelivered and not on the desk' AS problem
             FROM orders o
             WHERE o.status IN ('paid', 'delivering') AND o.paid_at < :before
               AND (o.status = 'paid' OR EXISTS (SELECT 1 FROM order_lines l WHERE l.order_id = o.order_id
                                                 AND l.delivery = 'auto' AND l.delivered < l.quantity))
               AND NOT EXISTS (SELECT 1 FROM order_exceptions e WHERE e.order_id = o.order_id AND e.closed_at IS NULL)
               AND o.total_minor <= o.paid_minor - o.refunded_minor
                 - (SELECT COALESCE(SUM(f.counted_minor), 0) FROM refunds f WHERE f.order_id = o.order_id AND f.status = 'open')
             LIMIT 1"""
    return db.one(sql, Witness, before=db.now - MINUTE)


def paid_is_not_pending(db: Reader) -> Witness | None:
    """I-08, from the other side: no order waits for money that it has."""
    sql = """SELECT 'order ' || o.order_no AS subject,
               'was paid ' || CAST(o.paid_minor AS TEXT) || ' of ' || CAST(o.total_minor AS TEXT) || ' and still waits' AS problem
             FROM orders o
             WHERE o.status = 'pending' AND o.total_minor <= o.paid_minor - o.refunded_minor
               - (SELECT COALESCE(SUM(f.counted_minor), 0) FROM refunds f WHERE f.order_id = o.order_id AND f.status = 'open')
             LIMIT 1"""
    return db.one(sql, Witness)


def late_money_is_told(db: Reader) -> Witness | None:
    """I-13: an order that ended unpaid and was delivered all the same was late money on the desk, or a person's word."""
    sql = """SELECT 'order ' || o.order_no AS subject, 'went by ' || e.name || ' and is silently ' || o.status AS problem
             FROM events e JOIN orders o ON o.order_id = e.object_id
             WHERE e.name IN ('order.expired', 'order.cancelled') AND e.object_kind = 'order'
               AND o.status IN ('paid', 'delivering', 'delivered')
               AND NOT EXISTS (SELECT 1 FROM order_exceptions x WHERE x.order_id = o.order_id AND x.kind = 'paid_late')
               AND NOT EXISTS (SELECT 1 FROM receipts r WHERE r.order_id = o.order_id AND r.source = 'manual')
             LIMIT 1"""
    return db.one(sql, Witness)


def sums_are_right(db: Reader) -> Witness | None:
    """I-14, in sums: a line costs its unit price times its quantity, an order costs its lines."""
    sql = """SELECT 'order ' || o.order_no AS subject,
               'line ' || CAST(l.line_id AS TEXT) || ' costs ' || CAST(l.total_minor AS TEXT) || ', not '
                 || CAST(l.unit_minor * l.quantity AS TEXT) AS problem
             FROM order_lines l JOIN orders o ON o.order_id = l.order_id
             WHERE l.total_minor <> l.unit_minor * l.quantity LIMIT 1"""
    wrong = db.one(sql, Witness)
    if wrong is not None:
        return wrong
    sql = """SELECT 'order ' || o.order_no AS subject,
               'costs ' || CAST(o.total_minor AS TEXT) || ', its lines cost ' || CAST(COALESCE(SUM(l.total_minor), 0) AS TEXT)
                 AS problem
             FROM orders o LEFT JOIN order_lines l ON l.order_id = o.order_id
             GROUP BY o.order_no, o.total_minor HAVING COALESCE(SUM(l.total_minor), 0) <> o.total_minor LIMIT 1"""
    return db.one(sql, Witness)


def prices_are_the_kept_ones(db: Reader) -> Witness | None:
    """I-14: what is due is what an independent computation makes of the price list kept with each line."""
    after = 0
    while lines := _lines(db, after):
        for line in lines:
            due = recomputed(line.prices, line.quantity)
            if due != line.total_minor:
                return Witness(f"order {line.order_no}", f"line {line.line_id} costs {line.total_minor}, its prices say {due}")
        after = lines[-1].line_id
    return None


def _lines(db: Reader, after: int) -> list[PricedLine]:
    sql = """SELECT l.line_id, o.order_no, l.quantity, l.total_minor, l.prices
             FROM order_lines l JOIN orders o ON o.order_id = l.order_id
             WHERE l.line_id > :after ORDER BY l.line_id LIMIT :limit"""
    return db.all(sql, PricedLine, after=after, limit=CHUNK)


def nothing_is_free_by_accident(db: Reader) -> Witness | None:
    """I-24: what costs nothing carries the explicit free mark; nothing costs less."""
    sql = """SELECT 'order ' || o.order_no AS subject,
               'line ' || CAST(l.line_id AS TEXT) || ' costs ' || CAST(l.unit_minor AS TEXT) || ', not marked free' AS problem
             FROM order_lines l JOIN orders o ON o.order_id = l.order_id
             WHERE l.unit_minor < 0 OR o.total_minor < 0 OR (l.unit_minor = 0 AND l.is_free = 0) LIMIT 1"""
    wrong = db.one(sql, Witness)
    if wrong is not None:
        return wrong
    sql = """SELECT 'SKU ' || s.sku_code AS subject, 'costs nothing and is not marked free' AS problem
             FROM skus s
             WHERE s.is_free = 0 AND (s.price_minor <= 0 OR EXISTS (SELECT 1 FROM price_tiers t WHERE t.sku_id = s.sku_id
                                                                    AND t.price_minor <= 0)) LIMIT 1"""
    return db.one(sql, Witness)


def one_order_for_a_key(db: Reader) -> Witness | None:
    """I-36: a client's key made one order, in that order's own transaction; no order has two keys."""
    sql = """SELECT 'order ' || COALESCE(o.order_no, CAST(i.order_id AS TEXT)) AS subject,
               CASE WHEN o.order_id IS NULL THEN 'a key stands for it and it does not exist'
                    ELSE 'was not placed together with its key' END AS problem
             FROM idempotency i LEFT JOIN orders o ON o.order_id = i.order_id
             WHERE o.order_id IS NULL OR o.created_at <> i.created_at LIMIT 1"""
    wrong = db.one(sql, Witness)
    if wrong is not None:
        return wrong
    sql = """SELECT 'order ' || o.order_no AS subject, CAST(COUNT(*) AS TEXT) || ' keys stand for it' AS problem
             FROM idempotency i JOIN orders o ON o.order_id = i.order_id
             GROUP BY o.order_no HAVING COUNT(*) > 1 LIMIT 1"""
    return db.one(sql, Witness)


def none_overdue(db: Reader) -> Witness | None:
    """K-02: no unpaid order outlives its deadline by more than 60 s while jobs run, which their last noted run tells."""
    sql = """SELECT 'order ' || o.order_no AS subject, 'is still pending long after its deadline' AS problem
             FROM orders o JOIN job_runs j ON j.job = 'expire_orders'
             WHERE o.status = 'pending' AND o.expires_at + :grace < j.started_at LIMIT 1"""
    return db.one(sql, Witness, grace=MINUTE)
