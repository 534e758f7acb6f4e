"""Looks at what is held unpaid and by whom, and at orders that ended."""

import msgspec

from kashop.db import Reader
from kashop.risk.budgets import Held, Who
from kashop.risk.pressure import Ended, Shelf


def held_by(db: Reader, who: Who) -> list[Held]:
    """What each of those who are counted holds unpaid, in one statement over indexes of unpaid orders alone."""
    sql = """SELECT 'client' AS kind, COUNT(*) AS orders, COALESCE(SUM(units), 0) AS codes FROM orders
             WHERE status = 'pending' AND client = CAST(:client AS BIGINT)
             UNION ALL
             SELECT 'contact' AS kind, COUNT(*) AS orders, COALESCE(SUM(units), 0) AS codes FROM orders
             WHERE status = 'pending' AND contact = CAST(:contact AS TEXT) AND client = CAST(:beside AS BIGINT)
             UNION ALL
             SELECT 'browser' AS kind, COUNT(*) AS orders, COALESCE(SUM(units), 0) AS codes FROM orders
             WHERE status = 'pending' AND browser = CAST(:browser AS BIGINT) AND browser <> 0"""
    return db.all(sql, Held, client=who.client, contact=who.contact, beside=who.beside, browser=who.browser)


def newest_event(db: Reader) -> int:
    """The number of the newest event."""
    return int(db.value("SELECT COALESCE(MAX(seq), 0) FROM events"))


def ended(db: Reader, name: str, after: int, *, limit: int) -> list[Ended]:
    """Lines of orders of which that was told since an event, the newest first; of cancelled ones, those that buyers ended."""
    sql = """SELECT e.seq, e.at, o.client, o.browser, l.sku_id, l.quantity
             FROM events e JOIN orders o ON o.order_id = e.object_id JOIN order_lines l ON l.order_id = o.order_id
             WHERE e.name = :name AND e.seq > :after AND (e.name = 'order.paid' OR o.paid_minor = 0)
               AND (e.name <> 'order.cancelled' OR e.actor_kind = 'buyer')
             ORDER BY e.seq DESC LIMIT :limit"""
    return db.all(sql, Ended, name=name, after=after, limit=limit)


def shelves(db: Reader) -> list[Shelf]:
    """Every SKU of which there are codes to sell, over all pools."""
    sql = """SELECT sku_id, CAST(SUM(free) AS BIGINT) AS free, CAST(SUM(held) AS BIGINT) AS held FROM stock_counts
             GROUP BY sku_id HAVING SUM(held) + SUM(free) > 0"""
    return db.all(sql, Shelf)


class _Kept(msgspec.Struct, frozen=True):
    sku_id: int
    codes: int


def kept_for_paid(db: Reader) -> dict[int, int]:
    """Codes by SKU that are held for orders that are paid and not delivered yet."""
    sql = """SELECT l.sku_id, CAST(SUM(l.quantity - l.delivered) AS BIGINT) AS codes
             FROM orders o JOIN order_lines l ON l.order_id = o.order_id
             WHERE o.status IN ('paid', 'delivering') AND l.delivery = 'auto' GROUP BY l.sku_id"""
    return {row.sku_id: row.codes for row in db.all(sql, _Kept)}
