"""Looks at statements, at what the shop knows round their lines, and at differences."""

from kashop.db import Reader
from kashop.lib.clock import DAY
from kashop.lib.errors import NotFound
from kashop.payments.statements import rules
from kashop.payments.statements.types import (
    Day,
    Judged,
    Known,
    Line,
    OurAttempt,
    OurReceipt,
    OurRefund,
    Statement,
    StoredLine,
    Sum,
)

WAITING_FOR = 30 * DAY
"""For how long an attempt may still wait for a transfer."""


def newest_day(db: Reader, gateway_id: int) -> tuple[str | None, int]:
    """The newest day of an account that was planned, and when the account was made."""
    made_at = db.value("SELECT created_at FROM gateways WHERE gateway_id = :gateway_id", gateway_id=gateway_id)
    sql = "SELECT MAX(day) FROM statement_days WHERE gateway_id = :gateway_id"
    return db.value(sql, gateway_id=gateway_id), int(made_at or db.now)


def is_used(db: Reader, gateway_id: int) -> bool:
    """Whether somebody tried to pay by an account within the last month."""
    sql = """SELECT 1 FROM attempts WHERE gateway_id = :gateway_id AND created_at > :since LIMIT 1"""
    return db.value(sql, gateway_id=gateway_id, since=db.now - WAITING_FOR) is not None


def due_days(db: Reader, *, limit: int) -> list[Day]:
    """Days whose vendor should be asked now, longest waiting first."""
    sql = """SELECT gateway_id, day, begins_at, ends_at, status, next_try_at, give_up_at, tries, problem, looked_back_at
             FROM statement_days WHERE next_try_at IS NOT NULL AND next_try_at <= :now
             ORDER BY next_try_at, day, gateway_id LIMIT :limit"""
    return db.all(sql, Day, now=db.now, limit=limit)


def unlooked_days(db: Reader, *, limit: int) -> list[Day]:
    """Stated days whose receipts and refunds were not yet held against it, oldest first."""
    sql = """SELECT gateway_id, day, begins_at, ends_at, status, next_try_at, give_up_at, tries, problem, looked_back_at
             FROM statement_days WHERE looked_back_at IS NULL AND status = 'stated'
             ORDER BY ends_at, day, gateway_id LIMIT :limit"""
    return db.all(sql, Day, limit=limit)


def find_day(db: Reader, gateway_id: int, day: str) -> Day | None:
    """A day of an account."""
    sql = """SELECT gateway_id, day, begins_at, ends_at, status, next_try_at, give_up_at, tries, problem, looked_back_at
             FROM statement_days WHERE gateway_id = :gateway_id AND day = :day"""
    return db.one(sql, Day, gateway_id=gateway_id, day=day)


def days(db: Reader, gateway_id: int, *, before: str = "9999", limit: int = 31) -> list[Day]:
    """An account's days, newest first."""
    sql = """SELECT gateway_id, day, begins_at, ends_at, status, next_try_at, give_up_at, tries, problem, looked_back_at
             FROM statement_days WHERE gateway_id = :gateway_id AND day < :before ORDER BY day DESC LIMIT :limit"""
    return db.all(sql, Day, gateway_id=gateway_id, before=before, limit=limit)


def current(db: Reader, gateway_id: int, day: str) -> Statement | None:
    """The statement that counts for a day."""
    sql = """SELECT statement_id, gateway_id, day, source, digest, file_name, lines, left_out, status, taken_by, taken_at
             FROM statements WHERE gateway_id = :gateway_id AND day = :day AND status = 'current'"""
    return db.one(sql, Statement, gateway_id=gateway_id, day=day)


def statements(db: Reader, gateway_id: int, day: str) -> list[Statement]:
    """Every statement that came for a day, newest first."""
    sql = """SELECT statement_id, gateway_id, day, source, digest, file_name, lines, left_out, status, taken_by, taken_at
             FROM statements WHERE gateway_id = :gateway_id AND day = :day ORDER BY statement_id DESC"""
    return db.all(sql, Statement, gateway_id=gateway_id, day=day)


def lines(db: Reader, statement_id: int, *, after: int = 0, verdict: str | None = None, limit: int) -> list[StoredLine]:
    """A statement's lines in their order, from one number on."""
    sql = """SELECT number, kind, gateway_txn, attempt_no, refund_no, gateway_refund, amount_minor, currency, fee_minor,
               happened_at, reference, line_id, verdict, receipt_id, refund_id, attempt_id
             FROM statement_lines
             WHERE statement_id = :statement_id AND number > :after AND (CAST(:verdict AS TEXT) IS NULL OR verdict = :verdict)
             ORDER BY number LIMIT :limit"""
    return db.all(sql, StoredLine, statement_id=statement_id, after=after, verdict=verdict, limit=limit)


def sums(db: Reader, statement_id: int) -> list[Sum]:
    """What a statement's lines come to."""
    sql = """SELECT kind, verdict, currency, COUNT(*) AS count, SUM(amount_minor) AS amount_minor, SUM(fee_minor) AS fee_minor
             FROM statement_lines WHERE statement_id = :statement_id
             GROUP BY kind, verdict, currency ORDER BY kind, verdict, currency"""
    return db.all(sql, Sum, statement_id=statement_id)


def our_sums(db: Reader, day: Day) -> list[Sum]:
    """What the shop recorded on a day of an account; `verdict` is stated or open."""
    sql = """SELECT 'payment' AS kind, CASE WHEN r.is_stated = 1 THEN 'stated' ELSE 'open' END AS verdict, r.currency,
               COUNT(*) AS count, SUM(r.amount_minor) AS amount_minor, 0 AS fee_minor
             FROM (SELECT p.currency, p.amount_minor,
                     CASE WHEN EXISTS (SELECT 1 FROM statement_lines l JOIN statements s ON s.statement_id = l.statement_id
                                       WHERE l.receipt_id = p.receipt_id AND s.status = 'current') THEN 1 ELSE 0 END AS is_stated
                   FROM receipts p
                   WHERE p.gateway_id = :gateway_id AND p.received_at >= :begins AND p.received_at < :ends) r
             GROUP BY r.currency, r.is_stated"""
    found = db.all(sql, Sum, gateway_id=day.gateway_id, begins=day.begins_at, ends=day.ends_at)
    sql = """SELECT 'refund' AS kind, CASE WHEN r.is_stated = 1 THEN 'stated' ELSE 'open' END AS verdict, r.currency,
               COUNT(*) AS count, SUM(r.amount_minor) AS amount_minor, 0 AS fee_minor
             FROM (SELECT p.currency, p.amount_minor,
                     CASE WHEN EXISTS (SELECT 1 FROM statement_lines l JOIN statements s ON s.statement_id = l.statement_id
                                       WHERE l.refund_id = p.refund_id AND s.status = 'current') THEN 1 ELSE 0 END AS is_stated
                   FROM refunds p
                   WHERE p.gateway_id = :gateway_id AND p.status = 'done' AND p.ended_at >= :begins AND p.ended_at < :ends) r
             GROUP BY r.currency, r.is_stated"""
    return found + db.all(sql, Sum, gateway_id=day.gateway_id, begins=day.begins_at, ends=day.ends_at)


def known(db: Reader, statement: Statement, chunk: list[StoredLine], *, is_manual: bool, day: Day) -> Known:
    """What the shop knows round some lines that follow one another in a statement."""
    first, last = chunk[0].number, chunk[-1].number
    of_attempts: dict[str, list[OurReceipt]] = {}
    for receipt in _of_attempts(db, statement, first, last):
        of_attempts.setdefault(receipt.attempt_no, []).append(receipt)
    return Known(
        gateway_id=statement.gateway_id,
        is_manual=is_manual,
        receipts={r.gateway_txn: r for r in _receipts(db, statement, first, last)},
        of_attempts=of_attempts,
        attempts={a.attempt_no: a for a in _attempts(db, statement, first, last)},
        refunds={r.refund_no: r for r in _refunds(db, statement, first, last)},
        vendor_refunds={r.gateway_refund: r for r in _vendor_refunds(db, statement, first, last)},
        loose_receipts=_loose_receipts(db, day) if is_manual else [],
        loose_refunds=_loose_refunds(db, day) if is_manual else [],
        waiting=waiting(db, statement.gateway_id) if is_manual else [],
    )


def _receipts(db: Reader, statement: Statement, first: int, last: int) -> list[OurReceipt]:
    sql = """SELECT DISTINCT r.receipt_id, r.gateway_txn, a.attempt_no, r.attempt_id, r.order_id, r.amount_minor, r.currency,
               r.source, CASE WHEN EXISTS (SELECT 1 FROM statement_lines x JOIN statements s ON s.statement_id = x.statement_id
                 WHERE x.receipt_id = r.receipt_id AND x.kind = 'payment' AND x.verdict IN ('matched', 'found', 'differs')
                   AND s.status = 'current' AND s.day <> :day) THEN 1 ELSE 0 END AS is_stated
             FROM statement_lines l JOIN receipts r ON r.gateway_id = :gateway_id AND r.gateway_txn = l.gateway_txn
               JOIN attempts a ON a.attempt_id = r.attempt_id
             WHERE l.statement_id = :statement_id AND l.number BETWEEN :first AND :last AND l.gateway_txn <> ''"""
    return db.all(sql, OurReceipt, **_of(statement, first, last), day=statement.day, gateway_id=statement.gateway_id)


def _of_attempts(db: Reader, statement: Statement, first: int, last: int) -> list[OurReceipt]:
    sql = """SELECT DISTINCT r.receipt_id, r.gateway_txn, a.attempt_no, r.attempt_id, r.order_id, r.amount_minor, r.currency,
               r.source, CASE WHEN EXISTS (SELECT 1 FROM statement_lines x JOIN statements s ON s.statement_id = x.statement_id
                 WHERE x.receipt_id = r.receipt_id AND x.kind = 'payment' AND x.verdict IN ('matched', 'found', 'differs')
                   AND s.status = 'current' AND s.day <> :day) THEN 1 ELSE 0 END AS is_stated
             FROM statement_lines l JOIN attempts a ON a.attempt_no = l.attempt_no AND a.gateway_id = :gateway_id
               JOIN receipts r ON r.order_id = a.order_id AND r.attempt_id = a.attempt_id
             WHERE l.statement_id = :statement_id AND l.number BETWEEN :first AND :last AND l.attempt_no <> ''
             ORDER BY r.receipt_id"""
    return db.all(sql, OurReceipt, **_of(statement, first, last), day=statement.day, gateway_id=statement.gateway_id)


def _attempts(db: Reader, statement: Statement, first: int, last: int) -> list[OurAttempt]:
    sql = """SELECT DISTINCT a.attempt_id, a.attempt_no, a.gateway_id, a.order_id, o.order_no, a.gateway_ref, a.status,
               a.amount_minor, a.currency
             FROM statement_lines l JOIN attempts a ON a.attempt_no = l.attempt_no JOIN orders o ON o.order_id = a.order_id
             WHERE l.statement_id = :statement_id AND l.number BETWEEN :first AND :last AND l.attempt_no <> ''"""
    return db.all(sql, OurAttempt, **_of(statement, first, last))


def _refunds(db: Reader, statement: Statement, first: int, last: int) -> list[OurRefund]:
    sql = """SELECT DISTINCT r.refund_id, r.refund_no, r.gateway_refund, r.order_id, r.status, r.amount_minor, r.currency,
               r.reference, CASE WHEN EXISTS (SELECT 1 FROM statement_lines x JOIN statements s
                 ON s.statement_id = x.statement_id WHERE x.refund_id = r.refund_id AND x.verdict IN ('matched', 'differs')
                   AND s.status = 'current' AND s.day <> :day) THEN 1 ELSE 0 END AS is_stated
             FROM statement_lines l JOIN refunds r ON r.refund_no = l.refund_no AND r.gateway_id = :gateway_id
             WHERE l.statement_id = :statement_id AND l.number BETWEEN :first AND :last AND l.refund_no <> ''"""
    return db.all(sql, OurRefund, **_of(statement, first, last), day=statement.day, gateway_id=statement.gateway_id)


def _vendor_refunds(db: Reader, statement: Statement, first: int, last: int) -> list[OurRefund]:
    sql = """SELECT DISTINCT r.refund_id, r.refund_no, r.gateway_refund, r.order_id, r.status, r.amount_minor, r.currency,
               r.reference, CASE WHEN EXISTS (SELECT 1 FROM statement_lines x JOIN statements s
                 ON s.statement_id = x.statement_id WHERE x.refund_id = r.refund_id AND x.verdict IN ('matched', 'differs')
                   AND s.status = 'current' AND s.day <> :day) THEN 1 ELSE 0 END AS is_stated
             FROM statement_lines l JOIN refunds r ON r.gateway_id = :gateway_id AND r.gateway_refund = l.gateway_refund
             WHERE l.statement_id = :statement_id AND l.number BETWEEN :first AND :last AND l.gateway_refund <> ''
               AND r.gateway_refund <> ''"""
    return db.all(sql, OurRefund, **_of(statement, first, last), day=statement.day, gateway_id=statement.gateway_id)


def _loose_receipts(db: Reader, day: Day) -> list[OurReceipt]:
    """What was recorded round a day and is in no other day's statement."""
    sql = """SELECT r.receipt_id, r.gateway_txn, a.attempt_no, r.attempt_id, r.order_id, r.amount_minor, r.currency, r.source,
               0 AS is_stated
             FROM receipts r JOIN attempts a ON a.attempt_id = r.attempt_id
             WHERE r.gateway_id = :gateway_id AND r.received_at >= :begins AND r.received_at < :ends
               AND NOT EXISTS (SELECT 1 FROM statement_lines x JOIN statements s ON s.statement_id = x.statement_id
                               WHERE x.receipt_id = r.receipt_id AND s.status = 'current' AND s.day <> :day)
             ORDER BY r.receipt_id"""
    begins, ends = day.begins_at - rules.EDGE, day.ends_at + rules.EDGE
    return db.all(sql, OurReceipt, gateway_id=day.gateway_id, begins=begins, ends=ends, day=day.day)


def _loose_refunds(db: Reader, day: Day) -> list[OurRefund]:
    sql = """SELECT r.refund_id, r.refund_no, r.gateway_refund, r.order_id, r.status, r.amount_minor, r.currency, r.reference,
               0 AS is_stated
             FROM refunds r
             WHERE r.gateway_id = :gateway_id AND r.ended_at >= :begins AND r.ended_at < :ends AND r.status = 'done'
               AND NOT EXISTS (SELECT 1 FROM statement_lines x JOIN statements s ON s.statement_id = x.statement_id
                               WHERE x.refund_id = r.refund_id AND s.status = 'current' AND s.day <> :day)
             ORDER BY r.refund_id"""
    begins, ends = day.begins_at - rules.EDGE, day.ends_at + rules.EDGE
    return db.all(sql, OurRefund, gateway_id=day.gateway_id, begins=begins, ends=ends, day=day.day)


def waiting(db: Reader, gateway_id: int) -> list[OurAttempt]:
    """The attempts of an account that may wait for a transfer: of each order the newest."""
    sql = """SELECT a.attempt_id, a.attempt_no, a.gateway_id, a.order_id, o.order_no, a.gateway_ref, a.status, a.amount_minor,
               a.currency
             FROM attempts a JOIN orders o ON o.order_id = a.order_id
             WHERE a.gateway_id = :gateway_id AND a.status IN ('open', 'closed') AND a.created_at > :since
             ORDER BY a.created_at DESC, a.attempt_id DESC LIMIT 5000"""
    return rules.best(db.all(sql, OurAttempt, gateway_id=gateway_id, since=db.now - WAITING_FOR))


def _of(statement: Statement, first: int, last: int) -> dict[str, int]:
    return {"statement_id": statement.statement_id, "first": first, "last": last}


def unstated_receipts(db: Reader, day: Day, *, after: int, limit: int) -> list[OurReceipt]:
    """What was recorded on a day of an account and is in no statement."""
    sql = """SELECT r.receipt_id, r.gateway_txn, a.attempt_no, r.attempt_id, r.order_id, r.amount_minor, r.currency, r.source,
               0 AS is_stated
             FROM receipts r JOIN attempts a ON a.attempt_id = r.attempt_id
             WHERE r.gateway_id = :gateway_id AND r.received_at >= :begins AND r.received_at < :ends AND r.receipt_id > :after
               AND NOT EXISTS (SELECT 1 FROM statement_lines x JOIN statements s ON s.statement_id = x.statement_id
                               WHERE x.receipt_id = r.receipt_id AND s.status = 'current')
             ORDER BY r.receipt_id LIMIT :limit"""
    facts = {"gateway_id": day.gateway_id, "begins": day.begins_at, "ends": day.ends_at, "after": after, "limit": limit}
    return db.all(sql, OurReceipt, **facts)


def unstated_refunds(db: Reader, day: Day, *, after: int, limit: int) -> list[OurRefund]:
    """What went back through its gateway on a day of an account and is in no statement."""
    sql = """SELECT r.refund_id, r.refund_no, r.gateway_refund, r.order_id, r.status, r.amount_minor, r.currency, r.reference,
               0 AS is_stated
             FROM refunds r
             WHERE r.gateway_id = :gateway_id AND r.ended_at >= :begins AND r.ended_at < :ends AND r.refund_id > :after
               AND r.status = 'done' AND r.way <> 'recorded'
               AND NOT EXISTS (SELECT 1 FROM statement_lines x JOIN statements s ON s.statement_id = x.statement_id
                               WHERE x.refund_id = r.refund_id AND s.status = 'current')
             ORDER BY r.refund_id LIMIT :limit"""
    facts = {"gateway_id": day.gateway_id, "begins": day.begins_at, "ends": day.ends_at, "after": after, "limit": limit}
    return db.all(sql, OurRefund, **facts)


def get(db: Reader, statement_id: int) -> Statement:
    """The statement of that id."""
    sql = """SELECT statement_id, gateway_id, day, source, digest, file_name, lines, left_out, status, taken_by, taken_at
             FROM statements WHERE statement_id = :statement_id"""
    found = db.one(sql, Statement, statement_id=statement_id)
    if found is None:
        raise NotFound("There is no such statement.")
    return found


def receipt_of(db: Reader, gateway_id: int, line: Line) -> OurReceipt | None:
    """The receipt of a line's payment."""
    sql = """SELECT r.receipt_id, r.gateway_txn, a.attempt_no, r.attempt_id, r.order_id, r.amount_minor, r.currency, r.source,
               0 AS is_stated
             FROM receipts r JOIN attempts a ON a.attempt_id = r.attempt_id
             WHERE r.gateway_id = :gateway_id AND r.gateway_txn = :txn"""
    return db.one(sql, OurReceipt, gateway_id=gateway_id, txn=line.gateway_txn) if line.gateway_txn else None


def refund_of(db: Reader, gateway_id: int, line: Line) -> OurRefund | None:
    """The refund of a line, by our number or by the vendor's."""
    sql = """SELECT refund_id, refund_no, gateway_refund, order_id, status, amount_minor, currency, reference, 0 AS is_stated
             FROM refunds WHERE gateway_id = :gateway_id
               AND ((refund_no = :refund_no AND refund_no <> '') OR (gateway_refund = :vendors AND gateway_refund <> ''))"""
    facts = {"gateway_id": gateway_id, "refund_no": line.refund_no, "vendors": line.gateway_refund or line.refund_no}
    return db.one(sql, OurRefund, **facts)


def judged(db: Reader, line: StoredLine) -> Judged:
    """A stored line with what it was found to be of."""
    sql = """SELECT r.receipt_id, r.gateway_txn, a.attempt_no, r.attempt_id, r.order_id, r.amount_minor, r.currency, r.source,
               0 AS is_stated
             FROM receipts r JOIN attempts a ON a.attempt_id = r.attempt_id WHERE r.receipt_id = :receipt_id"""
    receipt = db.one(sql, OurReceipt, receipt_id=line.receipt_id) if line.receipt_id else None
    sql = """SELECT refund_id, refund_no, gateway_refund, order_id, status, amount_minor, currency, reference, 0 AS is_stated
             FROM refunds WHERE refund_id = :refund_id"""
    refund = db.one(sql, OurRefund, refund_id=line.refund_id) if line.refund_id else None
    sql = """SELECT a.attempt_id, a.attempt_no, a.gateway_id, a.order_id, o.order_no, a.gateway_ref, a.status, a.amount_minor,
               a.currency
             FROM attempts a JOIN orders o ON o.order_id = a.order_id WHERE a.attempt_id = :attempt_id"""
    attempt = db.one(sql, OurAttempt, attempt_id=line.attempt_id) if line.attempt_id else None
    return Judged(line=line, verdict=line.verdict, receipt=receipt, refund=refund, attempt=attempt)
