"""Looks at differences."""

import msgspec

from kashop.db import Reader
from kashop.lib.errors import NotFound
from kashop.payments.statements.types import Day, Difference, DifferenceDraft, Meanwhile, Same, StoredLine


def open_differences(db: Reader, *, after: int = 0, limit: int = 200, without_order: bool = False) -> list[Difference]:
    """What is open, oldest first. With `without_order` only what is of no order: the rest is on the desk by its order."""
    sql = """SELECT d.difference_id, d.gateway_id, g.name AS account, d.day, d.kind, d.subject, d.order_id, o.order_no,
               d.attempt_id, d.receipt_id, d.refund_id, d.ours_minor, d.ours_currency, d.theirs_minor, d.theirs_currency,
               d.detail, d.line_id, d.opened_at, d.closed_at, d.closed_by, d.reason, d.owner
             FROM differences d JOIN gateways g ON g.gateway_id = d.gateway_id LEFT JOIN orders o ON o.order_id = d.order_id
             WHERE d.closed_at IS NULL AND d.difference_id > :after AND (:without_order = 0 OR d.order_id IS NULL)
             ORDER BY d.difference_id LIMIT :limit"""
    return db.all(sql, Difference, after=after, limit=limit, without_order=int(without_order))


def differences(db: Reader, gateway_id: int, day: str, *, limit: int = 1000) -> list[Difference]:
    """What a day showed: what is open first, then what was closed."""
    sql = """SELECT d.difference_id, d.gateway_id, g.name AS account, d.day, d.kind, d.subject, d.order_id, o.order_no,
               d.attempt_id, d.receipt_id, d.refund_id, d.ours_minor, d.ours_currency, d.theirs_minor, d.theirs_currency,
               d.detail, d.line_id, d.opened_at, d.closed_at, d.closed_by, d.reason, d.owner
             FROM differences d JOIN gateways g ON g.gateway_id = d.gateway_id LEFT JOIN orders o ON o.order_id = d.order_id
             WHERE d.gateway_id = :gateway_id AND d.day = :day
             ORDER BY CASE WHEN d.closed_at IS NULL THEN 0 ELSE 1 END, d.difference_id LIMIT :limit"""
    return db.all(sql, Difference, gateway_id=gateway_id, day=day, limit=limit)


def get_difference(db: Reader, difference_id: int) -> Difference:
    """The difference of that id."""
    sql = """SELECT d.difference_id, d.gateway_id, g.name AS account, d.day, d.kind, d.subject, d.order_id, o.order_no,
               d.attempt_id, d.receipt_id, d.refund_id, d.ours_minor, d.ours_currency, d.theirs_minor, d.theirs_currency,
               d.detail, d.line_id, d.opened_at, d.closed_at, d.closed_by, d.reason, d.owner
             FROM differences d JOIN gateways g ON g.gateway_id = d.gateway_id LEFT JOIN orders o ON o.order_id = d.order_id
             WHERE d.difference_id = :difference_id"""
    found = db.one(sql, Difference, difference_id=difference_id)
    if found is None:
        raise NotFound("There is no such difference.")
    return found


def find_line(db: Reader, difference: Difference) -> StoredLine | None:
    """The line that shows a difference, while its statement counts."""
    sql = """SELECT l.number, l.kind, l.gateway_txn, l.attempt_no, l.refund_no, l.gateway_refund, l.amount_minor, l.currency,
               l.fee_minor, l.happened_at, l.reference, l.line_id, l.verdict, l.receipt_id, l.refund_id, l.attempt_id
             FROM statement_lines l JOIN statements s ON s.statement_id = l.statement_id
             WHERE l.line_id = :line_id AND s.status = 'current'"""
    return db.one(sql, StoredLine, line_id=difference.line_id)


def same(db: Reader, draft: DifferenceDraft) -> list[Same]:
    """Every difference, open or closed, of the same kind about the same."""
    sql = """SELECT difference_id, ours_minor, theirs_minor, closed_at, reason FROM differences
             WHERE gateway_id = :gateway_id AND kind = :kind AND subject = :subject ORDER BY difference_id"""
    return db.all(sql, Same, gateway_id=draft.gateway_id, kind=draft.kind, subject=draft.subject)


def has_open(db: Reader, order_id: int) -> bool:
    """Whether a difference of an order is open."""
    sql = "SELECT 1 FROM differences WHERE order_id = :order_id AND closed_at IS NULL LIMIT 1"
    return db.value(sql, order_id=order_id) is not None


def not_seen(db: Reader, day: Day, statement_id: int) -> list[int]:
    """The open differences of a day's lines, or of there being none, that its newest statement does not show."""
    sql = """SELECT difference_id FROM differences
             WHERE gateway_id = :gateway_id AND day = :day AND closed_at IS NULL
               AND kind NOT IN ('receipt_missing', 'refund_missing') AND (seen_in IS NULL OR seen_in <> :statement_id)
             ORDER BY difference_id"""
    return db.values(sql, gateway_id=day.gateway_id, day=day.day, statement_id=statement_id)


def stated_meanwhile(db: Reader, gateway_id: int) -> list[int]:
    """The open differences about what was missing in the statements of an account, and has come in one."""
    sql = """SELECT d.difference_id FROM differences d
             WHERE d.gateway_id = :gateway_id AND d.closed_at IS NULL AND d.kind IN ('receipt_missing', 'refund_missing')
               AND EXISTS (SELECT 1 FROM statement_lines l JOIN statements s ON s.statement_id = l.statement_id
                           WHERE s.status = 'current' AND ((d.kind = 'receipt_missing' AND l.receipt_id = d.receipt_id)
                             OR (d.kind = 'refund_missing' AND l.refund_id = d.refund_id)))
             ORDER BY d.difference_id"""
    return db.values(sql, gateway_id=gateway_id)


def recorded_meanwhile(db: Reader, *, limit: int) -> list[Meanwhile]:
    """Open differences about payments that the shop did not know, and has recorded meanwhile."""
    sql = """SELECT d.difference_id, l.line_id, MIN(r.receipt_id) AS receipt_id,
               MIN(CASE WHEN r.amount_minor = l.amount_minor AND r.currency = l.currency THEN 1 ELSE 0 END) AS is_same
             FROM differences d JOIN statement_lines l ON l.line_id = d.line_id
               JOIN receipts r ON r.gateway_id = d.gateway_id AND r.gateway_txn = l.gateway_txn
             WHERE d.closed_at IS NULL AND d.kind IN ('payment_unknown', 'payment_unconfirmed')
             GROUP BY d.difference_id, l.line_id ORDER BY d.difference_id, l.line_id LIMIT :limit"""
    found = db.all(sql, Meanwhile, limit=limit)
    sql = """SELECT d.difference_id, l.line_id, MIN(r.receipt_id) AS receipt_id, 1 AS is_same
             FROM differences d JOIN statement_lines l ON l.line_id = d.line_id
               JOIN receipts r ON r.order_id = d.order_id AND r.attempt_id = d.attempt_id AND r.source = 'manual'
                 AND r.amount_minor = l.amount_minor AND r.currency = l.currency
             WHERE d.closed_at IS NULL AND d.kind IN ('payment_unknown', 'payment_unconfirmed')
               AND NOT EXISTS (SELECT 1 FROM statement_lines x JOIN statements s ON s.statement_id = x.statement_id
                               WHERE x.receipt_id = r.receipt_id AND s.status = 'current')
             GROUP BY d.difference_id, l.line_id ORDER BY d.difference_id, l.line_id LIMIT :limit"""
    known = {each.difference_id for each in found}
    return found + [each for each in db.all(sql, Meanwhile, limit=limit) if each.difference_id not in known]


def off_the_desk(db: Reader, *, limit: int) -> list[int]:
    """Open differences whose order's entry on the desk was closed since."""
    sql = """SELECT d.difference_id FROM differences d
             WHERE d.closed_at IS NULL AND d.order_id IS NOT NULL
               AND EXISTS (SELECT 1 FROM order_exceptions e WHERE e.order_id = d.order_id AND e.kind = 'statement'
                             AND e.closed_at IS NOT NULL AND e.closed_at >= d.opened_at)
               AND NOT EXISTS (SELECT 1 FROM order_exceptions e WHERE e.order_id = d.order_id AND e.kind = 'statement'
                                 AND e.closed_at IS NULL)
             ORDER BY d.difference_id LIMIT :limit"""
    return db.values(sql, limit=limit)


def count_open(db: Reader) -> dict[tuple[int, str], int]:
    """How many are open, by account and day."""
    sql = """SELECT gateway_id, day, COUNT(*) AS count FROM differences WHERE closed_at IS NULL GROUP BY gateway_id, day"""
    return {(row.gateway_id, row.day): row.count for row in db.all(sql, _OpenCount)}


class _OpenCount(msgspec.Struct, frozen=True):
    gateway_id: int
    day: str
    count: int
