"""What the copy's database holds after the rush: the proof is read here, not from status codes."""

import msgspec

from kashop.db import Reader


class Kept(msgspec.Struct, frozen=True):
    """An order as it stands: codes that its line wants, holds and owns."""

    order_no: str
    status: str
    quantity: int
    held: int
    sold: int


def orders(db: Reader) -> list[Kept]:
    """Every order."""
    sql = """SELECT o.order_no, o.status, l.quantity,
               (SELECT COUNT(*) FROM codes c WHERE c.line_id = l.line_id AND c.status = 'held') AS held,
               (SELECT COUNT(*) FROM codes c WHERE c.line_id = l.line_id AND c.status = 'sold') AS sold
             FROM orders o JOIN order_lines l ON l.order_id = o.order_id ORDER BY o.order_id"""
    return db.all(sql, Kept)


def payments(db: Reader) -> dict[str, str]:
    """The order of every payment, by the vendor's number."""
    sql = "SELECT r.gateway_txn, o.order_no FROM receipts r JOIN orders o ON o.order_id = r.order_id ORDER BY r.receipt_id"
    return {p.gateway_txn: p.order_no for p in db.all(sql, _Paid)}


class _Paid(msgspec.Struct, frozen=True):
    gateway_txn: str
    order_no: str


def codes(db: Reader, sku_id: int) -> dict[str, int]:
    """How many codes of a SKU are free, held, sold and void."""
    sql = "SELECT status, COUNT(*) AS n FROM codes WHERE sku_id = :sku_id GROUP BY status"
    return {c.status: c.n for c in db.all(sql, _Count, sku_id=sku_id)}


class _Count(msgspec.Struct, frozen=True):
    status: str
    n: int


"""A status and how many codes have it."""
