"""Looks at orders."""

from kashop.db import Reader
from kashop.lib.errors import NotFound
from kashop.orders.types import DeskCount, DeskFilter, DeskRow, ExceptionNote, Line, Order, OrderException, Replay


def find(db: Reader, order_no: str) -> Order | None:
    """The order of that number."""
    sql = """SELECT order_id, order_no, token_hash, channel, pool_id, status, contact_type, contact, lookup_hash, currency,
               total_minor, paid_minor, locale, created_at, expires_at, paid_at, delivered_at, ended_at, note,
               refunded_minor
             FROM orders WHERE order_no = :order_no"""
    return db.one(sql, Order, order_no=order_no)


def get(db: Reader, order_id: int) -> Order:
    """The order of that id."""
    sql = """SELECT order_id, order_no, token_hash, channel, pool_id, status, contact_type, contact, lookup_hash, currency,
               total_minor, paid_minor, locale, created_at, expires_at, paid_at, delivered_at, ended_at, note,
               refunded_minor
             FROM orders WHERE order_id = :order_id"""
    order = db.one(sql, Order, order_id=order_id)
    if order is None:
        raise NotFound("There is no such order.")
    return order


def lines(db: Reader, order_id: int) -> list[Line]:
    """An order's lines."""
    sql = """SELECT line_id, order_id, product_id, sku_id, sku_code, product_name, sku_name, delivery, quantity, delivered,
               unit_minor, total_minor, is_free, prices, fields
             FROM order_lines WHERE order_id = :order_id ORDER BY line_id"""
    return db.all(sql, Line, order_id=order_id)


def was_on_desk(db: Reader, order_id: int, kind: str) -> bool:
    """Whether an order ever stood on the desk for that reason."""
    sql = "SELECT COUNT(*) FROM order_exceptions WHERE order_id = :order_id AND kind = :kind"
    return bool(db.value(sql, order_id=order_id, kind=kind))


def open_exceptions(db: Reader, order_id: int) -> list[OrderException]:
    """What is on the desk about an order, oldest first."""
    return [e for e in exceptions(db, order_id) if e.closed_at is None]


def exceptions(db: Reader, order_id: int) -> list[OrderException]:
    """What ever was on the desk about an order, oldest first."""
    sql = """SELECT exception_id, order_id, kind, detail, opened_at, closed_at, closed_by, reason, owner
             FROM order_exceptions WHERE order_id = :order_id ORDER BY exception_id"""
    return db.all(sql, OrderException, order_id=order_id)


def desk(db: Reader, after: int = 0, *, limit: int = 100) -> list[DeskRow]:
    """Open exceptions after a cursor, oldest first."""
    sql = """SELECT e.exception_id, e.kind, e.detail, e.opened_at, o.order_no, o.status, o.currency, o.total_minor, o.paid_minor,
               e.owner
             FROM order_exceptions e JOIN orders o ON o.order_id = e.order_id
             WHERE e.closed_at IS NULL AND e.exception_id > :after ORDER BY e.exception_id LIMIT :limit"""
    return db.all(sql, DeskRow, after=after, limit=limit)


def desk_page(db: Reader, sought: DeskFilter, after: tuple[int, int] = (0, 0), *, limit: int) -> list[DeskRow]:
    """Open exceptions that fit, behind a cursor (opened at, exception id), longest waiting first."""
    sql = """SELECT e.exception_id, e.kind, e.detail, e.opened_at, o.order_no, o.status, o.currency, o.total_minor, o.paid_minor,
               e.owner
             FROM order_exceptions e JOIN orders o ON o.order_id = e.order_id
             WHERE e.closed_at IS NULL AND e.opened_at >= :at AND (e.opened_at > :at OR e.exception_id > :id)
               AND (CAST(:kind AS TEXT) IS NULL OR e.kind = :kind) AND (CAST(:owner AS TEXT) IS NULL OR e.owner = :owner)
               AND (CAST(:before AS BIGINT) IS NULL OR e.opened_at <= :before)
             ORDER BY e.opened_at, e.exception_id LIMIT :limit"""
    values = {"kind": sought.kind, "owner": sought.owner, "before": sought.opened_before}
    return db.all(sql, DeskRow, at=after[0], id=after[1], limit=limit, **values)


def desk_counts(db: Reader) -> list[DeskCount]:
    """What is open by kind."""
    sql = """SELECT kind, COUNT(*) AS count, MIN(opened_at) AS oldest_at FROM order_exceptions WHERE closed_at IS NULL
             GROUP BY kind ORDER BY kind"""
    return db.all(sql, DeskCount)


def count_desk(db: Reader, owner: str) -> int:
    """How many open exceptions are somebody's; '' counts nobody's."""
    return int(db.value("SELECT COUNT(*) FROM order_exceptions WHERE closed_at IS NULL AND owner = :owner", owner=owner))


def find_exception(db: Reader, exception_id: int) -> OrderException | None:
    """An entry of the desk, open or closed."""
    sql = """SELECT exception_id, order_id, kind, detail, opened_at, closed_at, closed_by, reason, owner
             FROM order_exceptions WHERE exception_id = :exception_id"""
    return db.one(sql, OrderException, exception_id=exception_id)


def get_exception(db: Reader, exception_id: int) -> OrderException:
    """An entry of the desk, open or closed. Raises NotFound."""
    found = find_exception(db, exception_id)
    if found is None:
        raise NotFound("There is no such exception.")
    return found


def exception_notes(db: Reader, exception_id: int) -> list[ExceptionNote]:
    """What was written down about an exception, oldest first."""
    sql = """SELECT note_id, text, written_by, written_at FROM order_exception_notes
             WHERE exception_id = :exception_id ORDER BY note_id LIMIT 200"""
    return db.all(sql, ExceptionNote, exception_id=exception_id)


def find_replay(db: Reader, scope: str, key_hash: bytes) -> Replay | None:
    """What an idempotency key did before."""
    sql = "SELECT request_digest, order_id FROM idempotency WHERE scope = :scope AND key_hash = :key_hash"
    return db.one(sql, Replay, scope=scope, key_hash=key_hash)


def due(db: Reader, *, limit: int) -> list[int]:
    """Unpaid orders whose deadline has passed, longest overdue first."""
    sql = """SELECT order_id FROM orders WHERE status = 'pending' AND expires_at <= :now
             ORDER BY expires_at, order_id LIMIT :limit"""
    return db.values(sql, now=db.now, limit=limit)


def undelivered(db: Reader, before: int, *, limit: int) -> list[int]:
    """Orders paid before a time whose automatic lines are not delivered in whole, oldest first."""
    # state by state: each is a run of the index, in order
    sql = """SELECT o.order_id, o.paid_at FROM orders o
             WHERE o.status IN ('paid', 'delivering') AND o.status = 'paid' AND o.paid_at <= :before
               AND EXISTS (SELECT 1 FROM order_lines l
                           WHERE l.order_id = o.order_id AND l.delivery = 'auto' AND l.delivered < l.quantity)
             UNION ALL
             SELECT o.order_id, o.paid_at FROM orders o
             WHERE o.status IN ('paid', 'delivering') AND o.status = 'delivering' AND o.paid_at <= :before
               AND EXISTS (SELECT 1 FROM order_lines l
                           WHERE l.order_id = o.order_id AND l.delivery = 'auto' AND l.delivered < l.quantity)
             ORDER BY paid_at, order_id LIMIT :limit"""
    return db.values(sql, before=before, limit=limit)


def open_of_kind(db: Reader, kind: str, after: int, *, limit: int) -> list[int]:
    """Orders after a cursor that stand on the desk for one reason, by number."""
    sql = """SELECT order_id FROM order_exceptions
             WHERE closed_at IS NULL AND kind = :kind AND order_id > :after ORDER BY order_id LIMIT :limit"""
    return db.values(sql, kind=kind, after=after, limit=limit)


def count_open_of_kind(db: Reader, kind: str) -> int:
    """How many orders stand on the desk for one reason."""
    return int(db.value("SELECT COUNT(*) FROM order_exceptions WHERE closed_at IS NULL AND kind = :kind", kind=kind))


def of_contact(db: Reader, contact: str, *, limit: int) -> list[Order]:
    """The newest orders of a contact that can be looked up by a password."""
    sql = """SELECT order_id, order_no, token_hash, channel, pool_id, status, contact_type, contact, lookup_hash, currency,
               total_minor, paid_minor, locale, created_at, expires_at, paid_at, delivered_at, ended_at, note,
               refunded_minor
             FROM orders WHERE contact = :contact AND lookup_hash IS NOT NULL ORDER BY order_id DESC LIMIT :limit"""
    return db.all(sql, Order, contact=contact, limit=limit)


def paid_of_contact(db: Reader, contact: str, *, limit: int) -> list[Order]:
    """The newest of them that were paid: orders that cost a stranger nothing are not among them."""
    sql = """SELECT order_id, order_no, token_hash, channel, pool_id, status, contact_type, contact, lookup_hash, currency,
               total_minor, paid_minor, locale, created_at, expires_at, paid_at, delivered_at, ended_at, note,
               refunded_minor
             FROM orders WHERE contact = :contact AND lookup_hash IS NOT NULL AND paid_minor > 0
             ORDER BY order_id DESC LIMIT :limit"""
    return db.all(sql, Order, contact=contact, limit=limit)


def page(db: Reader, before: int, *, limit: int = 50) -> list[Order]:
    """Orders below a cursor (an order id), newest first."""
    sql = """SELECT order_id, order_no, token_hash, channel, pool_id, status, contact_type, contact, lookup_hash, currency,
               total_minor, paid_minor, locale, created_at, expires_at, paid_at, delivered_at, ended_at, note,
               refunded_minor
             FROM orders WHERE order_id < :before ORDER BY order_id DESC LIMIT :limit"""
    return db.all(sql, Order, before=before, limit=limit)


def page_of_status(db: Reader, status: str, before: int, *, limit: int = 50) -> list[Order]:
    """Orders in one state below a cursor, newest first."""
    sql = """SELECT order_id, order_no, token_hash, channel, pool_id, status, contact_type, contact, lookup_hash, currency,
               total_minor, paid_minor, locale, created_at, expires_at, paid_at, delivered_at, ended_at, note,
               refunded_minor
             FROM orders WHERE status = :status AND order_id < :before ORDER BY order_id DESC LIMIT :limit"""
    return db.all(sql, Order, status=status, before=before, limit=limit)


def page_of_contact(db: Reader, contact: str, before: int, *, limit: int = 50) -> list[Order]:
    """Orders of one contact below a cursor, newest first: for staff."""
    sql = """SELECT order_id, order_no, token_hash, channel, pool_id, status, contact_type, contact, lookup_hash, currency,
               total_minor, paid_minor, locale, created_at, expires_at, paid_at, delivered_at, ended_at, note,
               refunded_minor
             FROM orders WHERE contact = :contact AND order_id < :before ORDER BY order_id DESC LIMIT :limit"""
    return db.all(sql, Order, contact=contact, before=before, limit=limit)


def order_of_line(db: Reader, line_id: int) -> int | None:
    """Whose line that is."""
    order_id: int | None = db.value("SELECT order_id FROM order_lines WHERE line_id = :line_id", line_id=line_id)
    return order_id


def numbers_of_lines(db: Reader, line_ids: list[int]) -> dict[int, str]:
    """The order numbers of these lines."""
    sql = "SELECT o.order_no FROM order_lines l JOIN orders o ON o.order_id = l.order_id WHERE l.line_id = :line_id"
    found = {line_id: db.value(sql, line_id=line_id) for line_id in line_ids}
    return {line_id: order_no for line_id, order_no in found.items() if order_no is not None}


def count_lines_of(db: Reader, product_id: int, *, after: int = 0) -> tuple[int, int]:
    """How many order lines behind a cursor (a line id) a product has, whatever became of their orders; the newest line of all.
    Reads them all."""
    sql = "SELECT COUNT(*) FROM order_lines WHERE line_id > :after AND product_id = :product_id"
    newest = db.value("SELECT COALESCE(MAX(line_id), 0) FROM order_lines")
    return int(db.value(sql, product_id=product_id, after=after)), int(newest)
