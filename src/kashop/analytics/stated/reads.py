"""Invariants of reconciliation: each look gives the first witness against it, or None."""

from kashop.analytics.types import Witness
from kashop.db import Reader


def lines_agree(db: Reader) -> Witness | None:
    """K-10: a line that matches agrees with its receipt or refund, and every line of a statement that counts was judged."""
    sql = """SELECT 'statement ' || CAST(l.statement_id AS TEXT) || ', line ' || CAST(l.number AS TEXT) AS subject,
               CASE WHEN l.verdict = '' THEN 'was never judged' ELSE 'does not agree with what it matches' END AS problem
             FROM statement_lines l JOIN statements s ON s.statement_id = l.statement_id
               LEFT JOIN receipts r ON r.receipt_id = l.receipt_id LEFT JOIN refunds b ON b.refund_id = l.refund_id
             WHERE s.status = 'current' AND (l.verdict = '' OR (l.verdict IN ('matched', 'found') AND (
               (l.kind = 'payment' AND (r.receipt_id IS NULL OR r.amount_minor <> l.amount_minor OR r.currency <> l.currency
                                        OR r.gateway_id <> s.gateway_id))
               OR (l.kind = 'refund' AND (b.refund_id IS NULL OR b.amount_minor <> l.amount_minor OR b.currency <> l.currency
                                          OR b.gateway_id <> s.gateway_id))))) LIMIT 1"""
    wrong = db.one(sql, Witness)
    if wrong is not None:
        return wrong
    sql = """SELECT 'statement ' || CAST(s.statement_id AS TEXT) AS subject,
               'has ' || CAST(COUNT(l.line_id) AS TEXT) || ' lines of ' || CAST(s.lines AS TEXT) AS problem
             FROM statements s LEFT JOIN statement_lines l ON l.statement_id = s.statement_id
             WHERE s.status = 'current' GROUP BY s.statement_id, s.lines HAVING COUNT(l.line_id) <> s.lines LIMIT 1"""
    return db.one(sql, Witness)


def stated_once(db: Reader) -> Witness | None:
    """K-10: a receipt or refund is stated once by the statements that count."""
    sql = """SELECT 'receipt ' || CAST(l.receipt_id AS TEXT) AS subject,
               'is stated ' || CAST(COUNT(*) AS TEXT) || ' times' AS problem
             FROM statement_lines l JOIN statements s ON s.statement_id = l.statement_id
             WHERE s.status = 'current' AND l.kind = 'payment' AND l.verdict IN ('matched', 'found', 'differs')
               AND l.receipt_id IS NOT NULL
             GROUP BY l.receipt_id HAVING COUNT(*) > 1 LIMIT 1"""
    twice = db.one(sql, Witness)
    if twice is not None:
        return twice
    sql = """SELECT 'refund ' || CAST(l.refund_id AS TEXT) AS subject,
               'is stated ' || CAST(COUNT(*) AS TEXT) || ' times' AS problem
             FROM statement_lines l JOIN statements s ON s.statement_id = l.statement_id
             WHERE s.status = 'current' AND l.verdict IN ('matched', 'found', 'differs') AND l.refund_id IS NOT NULL
             GROUP BY l.refund_id HAVING COUNT(*) > 1 LIMIT 1"""
    return db.one(sql, Witness)


def differences_are_told(db: Reader) -> Witness | None:
    """K-11: what a statement shows to differ was opened, a closed difference says why, and one of an order was on the desk."""
    sql = """SELECT 'difference ' || CAST(difference_id AS TEXT) AS subject, 'is closed without a reason' AS problem
             FROM differences
             WHERE closed_at IS NOT NULL AND (COALESCE(reason, '') = '' OR COALESCE(closed_by, '') = '') LIMIT 1"""
    silent = db.one(sql, Witness)
    if silent is not None:
        return silent
    sql = """SELECT 'difference ' || CAST(d.difference_id AS TEXT) AS subject, 'was never on the desk' AS problem
             FROM differences d
             WHERE d.order_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM order_exceptions e
                                                          WHERE e.order_id = d.order_id AND e.kind = 'statement') LIMIT 1"""
    hidden = db.one(sql, Witness)
    if hidden is not None:
        return hidden
    sql = """SELECT 'statement ' || CAST(s.statement_id AS TEXT) AS subject,
               'differs in ' || CAST(n.lines AS TEXT) || ' lines, of which ' || CAST(n.told AS TEXT) || ' were told' AS problem
             FROM (SELECT p.statement_id,
                     (SELECT COUNT(*) FROM statement_lines l WHERE l.statement_id = p.statement_id
                        AND l.verdict IN ('differs', 'twice', 'unknown', 'proposed')) AS lines,
                     (SELECT COUNT(*) FROM differences d WHERE d.gateway_id = p.gateway_id AND d.day = p.day
                        AND d.kind NOT IN ('no_statement', 'payments_foreign', 'receipt_missing', 'refund_missing')) AS told
                   FROM statements p WHERE p.status = 'current'
                     AND EXISTS (SELECT 1 FROM job_runs j WHERE j.job = 'reconcile' AND j.started_at > p.taken_at + :grace)) n
               JOIN statements s ON s.statement_id = n.statement_id
             WHERE n.told < n.lines LIMIT 1"""
    return db.one(sql, Witness, grace=3_600_000)
