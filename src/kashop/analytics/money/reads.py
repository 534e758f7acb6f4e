"""Invariants of money: each look gives the first witness against it, or None."""

import msgspec

from kashop.analytics.types import Witness
from kashop.db import Reader
from kashop.lib.clock import MINUTE
from kashop.payments.reads import gateways
from kashop.payments.rules import Asked, counted
from kashop.vault import Keyring, Tampered


def paid_before_delivered(db: Reader) -> Witness | None:
    """I-09: an order that counts as paid has receipts for what is due, and what it says was paid is their sum."""
    sql = """SELECT 'order ' || o.order_no AS subject,
               'is ' || o.status || ', due ' || CAST(o.total_minor AS TEXT) || ', says ' || CAST(o.paid_minor AS TEXT)
                 || ' was paid, receipts ' || CAST(COALESCE(SUM(r.counted_minor), 0) AS TEXT) AS problem
             FROM orders o LEFT JOIN receipts r ON r.order_id = o.order_id
             GROUP BY o.order_no, o.status, o.total_minor, o.paid_minor
             HAVING COALESCE(SUM(r.counted_minor), 0) <> o.paid_minor
               OR (o.status IN ('paid', 'delivering', 'delivered', 'refunded') AND o.paid_minor < o.total_minor) LIMIT 1"""
    return db.one(sql, Witness) or _miscounted(db)


def _miscounted(db: Reader) -> Witness | None:
    """A receipt that counts for something else than its share of what its attempt asked for (docs/decisions/0019)."""
    sql = """SELECT r.receipt_id, r.amount_minor, r.counted_minor, a.amount_minor AS asked_minor, a.due_minor, a.tolerance_minor
             FROM receipts r JOIN attempts a ON a.attempt_id = r.attempt_id
             WHERE r.counted_minor <> 0 AND (r.amount_minor <> a.amount_minor OR r.counted_minor <> a.due_minor)"""
    for row in db.all(sql, _Counted):
        asked = Asked(row.due_minor, row.asked_minor, row.tolerance_minor)
        if row.counted_minor != counted(asked, row.amount_minor):
            return Witness(f"receipt {row.receipt_id}", f"counts for {row.counted_minor}, which is not its share of what is due")
    return None


class _Counted(msgspec.Struct, frozen=True):
    receipt_id: int
    amount_minor: int
    counted_minor: int
    asked_minor: int
    due_minor: int
    tolerance_minor: int


def credited_once(db: Reader) -> Witness | None:
    """I-10: a vendor's transaction is credited once for each account, to one order."""
    sql = """SELECT 'gateway ' || CAST(gateway_id AS TEXT) AS subject,
               'transaction ' || gateway_txn || ' is credited ' || CAST(COUNT(*) AS TEXT) || ' times' AS problem
             FROM receipts GROUP BY gateway_id, gateway_txn HAVING COUNT(*) > 1 LIMIT 1"""
    return db.one(sql, Witness)


def told_once(db: Reader) -> Witness | None:
    """I-11: however often a callback came, an order was paid once and each receipt was told once."""
    sql = """SELECT 'order ' || o.order_no AS subject, 'was paid ' || CAST(COUNT(*) AS TEXT) || ' times' AS problem
             FROM events e JOIN orders o ON o.order_id = e.object_id
             WHERE e.name = 'order.paid' AND e.object_kind = 'order'
             GROUP BY o.order_no HAVING COUNT(*) > 1 LIMIT 1"""
    twice = db.one(sql, Witness)
    if twice is not None:
        return twice
    # the name joined to nothing: by its index every order would go through all that was ever received
    sql = """SELECT 'order ' || o.order_no AS subject,
               CAST(n.receipts AS TEXT) || ' receipts, ' || CAST(n.told AS TEXT) || ' were told' AS problem
             FROM (SELECT order_id, (SELECT COUNT(*) FROM receipts r WHERE r.order_id = p.order_id) AS receipts,
                     (SELECT COUNT(*) FROM events e WHERE e.name || '' = 'payment.received' AND e.object_kind = 'order'
                        AND e.object_id = p.order_id) AS told
                   FROM orders p WHERE EXISTS (SELECT 1 FROM receipts x WHERE x.order_id = p.order_id)) n
               JOIN orders o ON o.order_id = n.order_id
             WHERE n.receipts <> n.told LIMIT 1"""
    return db.one(sql, Witness)


def odd_money_is_listed(db: Reader) -> Witness | None:
    """I-12: money that is too little, too much or not countable is, or was, on the desk."""
    sql = """SELECT 'order ' || o.order_no AS subject,
               'was paid ' || CAST(o.paid_minor AS TEXT) || ' of ' || CAST(o.total_minor AS TEXT) || ' and was never on the desk'
                 AS problem
             FROM orders o
             WHERE ((o.paid_minor > 0 AND o.paid_minor < o.total_minor) OR o.paid_minor > o.total_minor
                    OR (o.paid_minor >= o.total_minor AND o.total_minor > 0 AND o.status IN ('expired', 'cancelled'))
                    OR EXISTS (SELECT 1 FROM receipts r WHERE r.order_id = o.order_id AND r.counted_minor = 0))
               AND NOT EXISTS (SELECT 1 FROM order_exceptions e WHERE e.order_id = o.order_id
                                 AND e.kind IN ('paid_partly', 'paid_over', 'paid_twice', 'paid_late', 'mismatch',
                                                'refunded_elsewhere')) LIMIT 1"""
    return db.one(sql, Witness)


def receipts_fit_their_attempts(db: Reader) -> Witness | None:
    """I-15: a receipt agrees with its attempt in account and order, with its callback in account, and, if counted, in money."""
    sql = """SELECT 'receipt ' || CAST(r.receipt_id AS TEXT) AS subject,
               CASE WHEN a.attempt_id IS NULL THEN 'has no attempt'
                    WHEN a.gateway_id <> r.gateway_id THEN 'came by another gateway account than its attempt'
                    WHEN a.order_id <> r.order_id THEN 'is of another order than its attempt'
                    WHEN a.currency <> r.currency THEN 'is counted in another currency than its attempt'
                    ELSE 'is counted by another method than its attempt' END AS problem
             FROM receipts r LEFT JOIN attempts a ON a.attempt_id = r.attempt_id
             WHERE a.attempt_id IS NULL OR a.gateway_id <> r.gateway_id OR a.order_id <> r.order_id
               OR (r.counted_minor > 0 AND (a.currency <> r.currency
                                         OR (r.method <> '' AND a.method <> '' AND r.method <> a.method))) LIMIT 1"""
    wrong = db.one(sql, Witness)
    if wrong is not None:
        return wrong
    sql = """SELECT 'receipt ' || CAST(r.receipt_id AS TEXT) AS subject, 'does not fit the callback that brought it' AS problem
             FROM receipts r JOIN callbacks c ON c.callback_id = r.callback_id
             WHERE c.verdict = 'rejected' OR c.gateway_id IS NULL OR c.gateway_id <> r.gateway_id OR c.attempt_id IS NULL
               OR c.attempt_id <> r.attempt_id LIMIT 1"""
    return db.one(sql, Witness)


def settled_callbacks_brought_money(db: Reader) -> Witness | None:
    """I-15, from the other side: a callback that is said to have settled something has its receipt."""
    sql = """SELECT 'callback ' || CAST(c.callback_id AS TEXT) AS subject, 'is settled and brought no receipt' AS problem
             FROM callbacks c LEFT JOIN attempts a ON a.attempt_id = c.attempt_id
               LEFT JOIN receipts r ON r.order_id = a.order_id AND r.callback_id = c.callback_id
             WHERE c.verdict = 'settled' AND r.receipt_id IS NULL LIMIT 1"""
    return db.one(sql, Witness)


def callbacks_are_judged(db: Reader) -> Witness | None:
    """K-03: no callback lies unread while jobs run, which their last noted run tells."""
    sql = """SELECT 'callback ' || CAST(c.callback_id AS TEXT) AS subject,
               'for ' || c.gateway_name || ' was never judged' AS problem
             FROM callbacks c JOIN job_runs j ON j.job = 'read_callbacks'
             WHERE c.verdict = 'new' AND c.received_at + :grace < j.started_at LIMIT 1"""
    return db.one(sql, Witness, grace=5 * MINUTE)


def accounts_have_their_secrets(db: Reader, keyring: Keyring) -> Witness | None:
    """I-16: an enabled gateway account's secrets open and none of them is empty."""
    for account in gateways(db):
        if not account.is_enabled:
            continue
        try:
            opened = keyring.open_settings(account.secrets, name=f"gateway/{account.name}")
        except Tampered:
            return Witness(f"gateway {account.name}", "its sealed options do not open")
        empty = [name for name, value in msgspec.json.decode(opened, type=dict[str, str]).items() if not value]
        if empty:
            return Witness(f"gateway {account.name}", f"is enabled without {', '.join(sorted(empty))}")
    return None
