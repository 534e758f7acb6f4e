"""Looks across rooms, for the panel's overview."""

import msgspec

from kashop.db import Reader
from kashop.lib.clock import DAY

LATE_MONEY = 3 * DAY
"""An order is paid within so long of being placed, or never."""


class Day(msgspec.Struct, frozen=True):
    """Orders placed and paid since a moment; `revenue_minor` is what the paid ones cost."""

    placed: int
    paid: int
    revenue_minor: int


class Desk(msgspec.Struct, frozen=True):
    """What waits for a person."""

    exceptions: int
    undelivered: int


class LowStock(msgspec.Struct, frozen=True):
    """A SKU at or below its line, or with nothing left."""

    product_id: int
    product_name: str
    sku_name: str
    sku_code: str
    free: int
    low_stock_line: int


class StockRow(msgspec.Struct, frozen=True):
    """A SKU's codes by state, over all pools."""

    product_id: int
    product_name: str
    sku_name: str
    sku_code: str
    delivery: str
    low_stock_line: int
    free: int
    held: int
    sold: int
    void: int


def day(db: Reader, since: int) -> Day:
    """What happened since a moment."""
    placed = "SELECT COUNT(*) FROM orders WHERE order_id >= :first AND created_at >= :since"
    sql = """SELECT CAST(:placed AS BIGINT) AS placed, COUNT(*) AS paid, COALESCE(SUM(total_minor), 0) AS revenue_minor
             FROM orders WHERE order_id >= :first AND paid_at >= :since"""
    count = db.value(placed, first=_first_order(db, since), since=since)
    found = db.one(sql, Day, placed=count, first=_first_order(db, since - LATE_MONEY), since=since)
    assert found is not None
    return found


def desk(db: Reader) -> Desk:
    """How much waits."""
    exceptions = db.value("SELECT COUNT(*) FROM order_exceptions WHERE closed_at IS NULL")
    undelivered = db.value("SELECT COUNT(*) FROM orders WHERE status IN ('paid', 'delivering')")
    return Desk(int(exceptions), int(undelivered))


def low_stock(db: Reader, *, limit: int = 20) -> list[LowStock]:
    """Visible, automatic SKUs at or below their line, the emptiest first."""
    sql = """SELECT p.product_id, p.name AS product_name, s.name AS sku_name, s.sku_code,
               COALESCE(SUM(c.free), 0) AS free, s.low_stock_line
             FROM skus s JOIN products p ON p.product_id = s.product_id LEFT JOIN stock_counts c ON c.sku_id = s.sku_id
             WHERE p.is_hidden = 0 AND s.is_hidden = 0 AND p.delivery = 'auto'
             GROUP BY p.product_id, p.name, s.name, s.sku_code, s.low_stock_line
             HAVING COALESCE(SUM(c.free), 0) <= s.low_stock_line
             ORDER BY free, p.product_id, s.sku_code LIMIT :limit"""
    return db.all(sql, LowStock, limit=limit)


def stock(db: Reader) -> list[StockRow]:
    """Every SKU with its counts, in the catalogue's order."""
    sql = """SELECT p.product_id, p.name AS product_name, s.name AS sku_name, s.sku_code, p.delivery, s.low_stock_line,
               COALESCE(SUM(c.free), 0) AS free, COALESCE(SUM(c.held), 0) AS held, COALESCE(SUM(c.sold), 0) AS sold,
               COALESCE(SUM(c.void), 0) AS void
             FROM skus s JOIN products p ON p.product_id = s.product_id LEFT JOIN stock_counts c ON c.sku_id = s.sku_id
             GROUP BY p.product_id, p.name, p.position, p.delivery, s.name, s.sku_code, s.low_stock_line, s.position, s.sku_id
             ORDER BY p.position, p.product_id, s.position, s.sku_id"""
    return db.all(sql, StockRow)


def _first_order(db: Reader, since: int) -> int:
    """The first order placed since a moment: numbers and times rise together, so it is found by halving, without a scan."""
    low, high = 0, int(db.value("SELECT COALESCE(MAX(order_id), 0) FROM orders")) + 1
    while low < high:
        middle = (low + high) // 2
        sql = "SELECT created_at FROM orders WHERE order_id >= :middle ORDER BY order_id LIMIT 1"
        at = db.value(sql, middle=middle)
        if at is None or at >= since:
            high = middle
        else:
            low = middle + 1
    return low
