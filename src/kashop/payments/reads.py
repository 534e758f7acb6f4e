"""Looks at payments."""

from kashop.db import Reader
from kashop.lib.errors import NotFound
from kashop.payments.rows import Attempt, Callback, Evidence, GatewayAccount, Receipt, Refund


def gateways(db: Reader) -> list[GatewayAccount]:
    """Every account, in the order buyers see them."""
    sql = """SELECT gateway_id, name, type, label, options, secrets, is_enabled, position, version, rules FROM gateways
             ORDER BY position, gateway_id"""
    return db.all(sql, GatewayAccount)


def find_gateway(db: Reader, name: str) -> GatewayAccount | None:
    """The account of that name."""
    sql = """SELECT gateway_id, name, type, label, options, secrets, is_enabled, position, version, rules FROM gateways
             WHERE name = :name"""
    return db.one(sql, GatewayAccount, name=name)


def get_gateway(db: Reader, gateway_id: int) -> GatewayAccount:
    """The account of that id."""
    sql = """SELECT gateway_id, name, type, label, options, secrets, is_enabled, position, version, rules FROM gateways
             WHERE gateway_id = :gateway_id"""
    account = db.one(sql, GatewayAccount, gateway_id=gateway_id)
    if account is None:
        raise NotFound("There is no such gateway.")
    return account


def gateway_name(db: Reader, gateway_id: int) -> str:
    """The name of the account of that id."""
    return str(db.value("SELECT name FROM gateways WHERE gateway_id = :gateway_id", gateway_id=gateway_id))


def is_current(db: Reader, account: GatewayAccount) -> bool:
    """Whether an account is still as it was seen."""
    version = db.value("SELECT version FROM gateways WHERE gateway_id = :gateway_id", gateway_id=account.gateway_id)
    return bool(version == account.version)


def find_attempt(db: Reader, gateway_id: int, attempt_no: str) -> Attempt | None:
    """The attempt of that number, if it is one of this account."""
    sql = """SELECT attempt_id, attempt_no, order_id, gateway_id, method, currency, amount_minor, status, kind, url, qr, fields,
               gateway_ref, problem, created_at, expires_at, next_query_at, queries, ended_at, due_minor, fee_minor,
               tolerance_minor, coin, coin_amount, vendor_expires_at, device
             FROM attempts WHERE attempt_no = :attempt_no AND gateway_id = :gateway_id"""
    return db.one(sql, Attempt, attempt_no=attempt_no, gateway_id=gateway_id)


def find_attempt_of_any(db: Reader, attempt_no: str) -> Attempt | None:
    """The attempt of that number, whatever its account: to say whose it is, never to settle it."""
    attempt_id = db.value("SELECT attempt_id FROM attempts WHERE attempt_no = :attempt_no", attempt_no=attempt_no)
    return None if attempt_id is None else get_attempt(db, int(attempt_id))


def get_attempt(db: Reader, attempt_id: int) -> Attempt:
    """The attempt of that id."""
    sql = """SELECT attempt_id, attempt_no, order_id, gateway_id, method, currency, amount_minor, status, kind, url, qr, fields,
               gateway_ref, problem, created_at, expires_at, next_query_at, queries, ended_at, due_minor, fee_minor,
               tolerance_minor, coin, coin_amount, vendor_expires_at, device
             FROM attempts WHERE attempt_id = :attempt_id"""
    attempt = db.one(sql, Attempt, attempt_id=attempt_id)
    if attempt is None:
        raise NotFound("There is no such payment.")
    return attempt


def attempts(db: Reader, order_id: int) -> list[Attempt]:
    """An order's attempts, oldest first."""
    sql = """SELECT attempt_id, attempt_no, order_id, gateway_id, method, currency, amount_minor, status, kind, url, qr, fields,
               gateway_ref, problem, created_at, expires_at, next_query_at, queries, ended_at, due_minor, fee_minor,
               tolerance_minor, coin, coin_amount, vendor_expires_at, device
             FROM attempts WHERE order_id = :order_id ORDER BY attempt_id"""
    return db.all(sql, Attempt, order_id=order_id)


def due_queries(db: Reader, *, limit: int) -> list[int]:
    """Attempts whose gateway should be asked now, longest waiting first."""
    sql = """SELECT attempt_id FROM attempts WHERE next_query_at IS NOT NULL AND next_query_at <= :now
             ORDER BY next_query_at, attempt_id LIMIT :limit"""
    return db.values(sql, now=db.now, limit=limit)


def due_closes(db: Reader, *, limit: int) -> list[int]:
    """Attempts whose gateway should be told now that they are closed, longest waiting first."""
    sql = """SELECT attempt_id FROM attempts WHERE next_close_at IS NOT NULL AND next_close_at <= :now
             ORDER BY next_close_at, attempt_id LIMIT :limit"""
    return db.values(sql, now=db.now, limit=limit)


def orders_of_number(db: Reader, number: str) -> list[int]:
    """Orders of an attempt, a vendor's order, a transfer's reference or a payment of this number, newest first: for staff.

    Our own numbers and references may be written small.
    """
    sql = """/*hot*/
             SELECT order_id FROM attempts WHERE attempt_no = :ours
             UNION SELECT order_id FROM attempts WHERE gateway_ref = :ours AND gateway_ref <> ''
             UNION SELECT order_id FROM attempts WHERE gateway_ref = :number AND gateway_ref <> ''
             UNION SELECT order_id FROM receipts WHERE gateway_txn = :number
             ORDER BY order_id DESC LIMIT 50"""
    return db.values(sql, ours=number.upper(), number=number)


def find_receipt(db: Reader, gateway_id: int, gateway_txn: str) -> Receipt | None:
    """The receipt of a vendor's transaction."""
    sql = """SELECT receipt_id, gateway_id, gateway_txn, attempt_id, order_id, method, currency, amount_minor, counted_minor,
               source, callback_id, received_at, coin, coin_amount
             FROM receipts WHERE gateway_id = :gateway_id AND gateway_txn = :gateway_txn"""
    return db.one(sql, Receipt, gateway_id=gateway_id, gateway_txn=gateway_txn)


def receipts(db: Reader, order_id: int) -> list[Receipt]:
    """The money that arrived for an order, oldest first."""
    sql = """SELECT receipt_id, gateway_id, gateway_txn, attempt_id, order_id, method, currency, amount_minor, counted_minor,
               source, callback_id, received_at, coin, coin_amount
             FROM receipts WHERE order_id = :order_id ORDER BY receipt_id"""
    return db.all(sql, Receipt, order_id=order_id)


def refunds(db: Reader, order_id: int) -> list[Refund]:
    """An order's refunds, oldest first."""
    sql = """SELECT refund_id, refund_no, order_id, receipt_id, gateway_id, way, status, amount_minor, currency, counted_minor,
               gateway_refund, reason, reference, claim_url, problem, asked_by, created_at, next_try_at, tries, ended_at,
               approval_id
             FROM refunds WHERE order_id = :order_id ORDER BY refund_id"""
    return db.all(sql, Refund, order_id=order_id)


def callbacks_of_order(db: Reader, order_id: int) -> list[Callback]:
    """What the inbox holds about an order, oldest first."""
    sql = """SELECT c.callback_id, c.gateway_name, c.gateway_id, c.received_at, c.method, c.query, c.headers, c.body, c.ip,
               c.verdict, c.reason, c.attempt_id
             FROM callbacks c JOIN attempts a ON a.attempt_id = c.attempt_id
             WHERE a.order_id = :order_id ORDER BY c.callback_id LIMIT 200"""
    return db.all(sql, Callback, order_id=order_id)


def callbacks(db: Reader, before: int, *, limit: int = 50) -> list[Callback]:
    """The inbox below a cursor, newest first."""
    sql = """SELECT callback_id, gateway_name, gateway_id, received_at, method, query, headers, body, ip, verdict, reason,
               attempt_id
             FROM callbacks WHERE callback_id < :before ORDER BY callback_id DESC LIMIT :limit"""
    return db.all(sql, Callback, before=before, limit=limit)


def inbox(db: Reader, *, verdict: str | None, gateway: str | None, before: int, limit: int) -> list[Callback]:
    """The inbox below a cursor, newest first: of one verdict, of one account's name, or all."""
    if verdict is not None:
        return _of_verdict(db, verdict, gateway, before, limit)
    if gateway is None:
        return callbacks(db, before, limit=limit)
    sql = """SELECT callback_id, gateway_name, gateway_id, received_at, method, query, headers, body, ip, verdict, reason,
               attempt_id
             FROM callbacks WHERE gateway_name = :gateway AND callback_id < :before ORDER BY callback_id DESC LIMIT :limit"""
    return db.all(sql, Callback, gateway=gateway, before=before, limit=limit)


def _of_verdict(db: Reader, verdict: str, gateway: str | None, before: int, limit: int) -> list[Callback]:
    """Along the index by age; an account's are sifted from it."""
    at: int | None = db.value("SELECT received_at FROM callbacks WHERE callback_id = :before", before=before)
    sql = """SELECT callback_id, gateway_name, gateway_id, received_at, method, query, headers, body, ip, verdict, reason,
               attempt_id
             FROM callbacks
             WHERE verdict = :verdict AND (received_at, callback_id) < (:at, :before)
               AND (CAST(:gateway AS TEXT) IS NULL OR gateway_name = :gateway)
             ORDER BY received_at DESC, callback_id DESC LIMIT :limit"""
    newest = 2**62 if at is None else at
    return db.all(sql, Callback, verdict=verdict, gateway=gateway, at=newest, before=before, limit=limit)


def verdicts(db: Reader) -> list[str]:
    """Which verdicts there are in the inbox, by a step of the index for each."""
    sql = "SELECT verdict FROM callbacks WHERE verdict > :after ORDER BY verdict LIMIT 1"
    found: list[str] = []
    while (verdict := db.value(sql, after=found[-1] if found else "")) is not None:
        found.append(verdict)
    return found


def get_callback(db: Reader, callback_id: int) -> Callback:
    """A request in the inbox. Raises NotFound."""
    sql = """SELECT callback_id, gateway_name, gateway_id, received_at, method, query, headers, body, ip, verdict, reason,
               attempt_id
             FROM callbacks WHERE callback_id = :callback_id"""
    callback = db.one(sql, Callback, callback_id=callback_id)
    if callback is None:
        raise NotFound("There is no such callback, or it was kept no longer.")
    return callback


def receipt_of_callback(db: Reader, callback: Callback) -> Receipt | None:
    """The money that a callback brought."""
    if callback.attempt_id is None:
        return None
    order_id = get_attempt(db, callback.attempt_id).order_id
    return next((r for r in receipts(db, order_id) if r.callback_id == callback.callback_id), None)


def evidence(db: Reader, order_id: int) -> list[Evidence]:
    """What was handed in for an order's payments, oldest first."""
    sql = """SELECT evidence_id, order_id, name, content_type, size, digest, added_by, added_at
             FROM evidence WHERE order_id = :order_id ORDER BY evidence_id"""
    return db.all(sql, Evidence, order_id=order_id)


def get_evidence(db: Reader, evidence_id: int) -> Evidence:
    """One of them. Raises NotFound."""
    sql = """SELECT evidence_id, order_id, name, content_type, size, digest, added_by, added_at
             FROM evidence WHERE evidence_id = :evidence_id"""
    found = db.one(sql, Evidence, evidence_id=evidence_id)
    if found is None:
        raise NotFound("There is no such file.")
    return found


def unread_callbacks(db: Reader, received_before: int, *, limit: int) -> list[Callback]:
    """Callbacks that were stored but never judged, because the process died between the two; oldest first."""
    sql = """SELECT callback_id, gateway_name, gateway_id, received_at, method, query, headers, body, ip, verdict, reason,
               attempt_id
             FROM callbacks WHERE verdict = 'new' AND received_at < :before
             ORDER BY received_at, callback_id LIMIT :limit"""
    return db.all(sql, Callback, before=received_before, limit=limit)
