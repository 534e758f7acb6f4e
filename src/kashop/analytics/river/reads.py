"""Invariants of history: each look gives the first witness against it, or None."""

from collections.abc import Iterable, Iterator

import msgspec

from kashop.analytics.types import CodePlace, Delivery, Ending, Fact, SoldCode, Witness
from kashop.audit.chain import reads as chain
from kashop.db import Reader
from kashop.orders.rules import MOVES

CHUNK = 5000


def chain_is_whole(db: Reader) -> Witness | None:
    """I-32: every event follows from the one before it, its personal values are those it was written with or were erased as
    an event tells, and it passes through every stored checkpoint.
    """
    flaw = chain.verify(db).flaw
    return Witness(f"event {flaw.seq}" if flaw.seq else "the audit", flaw.problem) if flaw else None


def orders_moved_as_allowed(db: Reader) -> Witness | None:
    """I-12: each order went through its states by allowed moves only, and stands where its last event says."""
    states: dict[int, str] = {}
    for fact in _moves(db):
        state = "pending" if fact.name == "order.placed" else fact.name.removeprefix("order.")
        before = states.get(fact.object_id)
        is_allowed = state in MOVES[before] if before is not None else state == "pending"
        if not is_allowed:
            return Witness(f"event {fact.seq}", f"an order went from {before or 'nothing'} to {state}")
        states[fact.object_id] = state
    for order in db.all("SELECT order_id, order_no, status FROM orders ORDER BY order_id", Ending):
        if states.get(order.order_id) != order.status:
            said = states.get(order.order_id, "that it was never placed")
            return Witness(f"order {order.order_no}", f"is {order.status}, its events say {said}")
    return None


def _moves(db: Reader) -> Iterator[Fact]:
    sql = """SELECT seq, name, object_id, payload FROM events
             WHERE seq > :after AND object_kind = 'order'
               AND name IN ('order.placed', 'order.paid', 'order.delivering', 'order.delivered', 'order.refunded',
                            'order.expired', 'order.cancelled')
             ORDER BY seq LIMIT :limit"""
    after = 0
    while facts := db.all(sql, Fact, after=after, limit=CHUNK):
        yield from facts
        after = facts[-1].seq


def delivered_for_good(db: Reader) -> Witness | None:
    """I-07 and I-01, in events: what was delivered was delivered once, and is still its line's."""
    owners: dict[int, int] = {}
    for fact in _deliveries(db):
        told = msgspec.json.decode(fact.payload, type=Delivery)
        for code_id in told.codes:
            if code_id in owners:
                return Witness(f"code {code_id}", f"was delivered twice, the second time by event {fact.seq}")
            owners[code_id] = told.line
    sql = "SELECT code_id, line_id FROM codes WHERE status = 'sold' ORDER BY code_id"
    for code in db.all(sql, SoldCode):
        if owners.pop(code.code_id, None) != code.line_id:
            return Witness(f"code {code.code_id}", "is sold and no event delivered it to its line")
    for code_id in owners:
        return Witness(f"code {code_id}", "was delivered and is no longer sold")
    return None


def _deliveries(db: Reader) -> Iterator[Fact]:
    sql = """SELECT seq, name, object_id, payload FROM events
             WHERE seq > :after AND name = 'line.delivered' ORDER BY seq LIMIT :limit"""
    after = 0
    while facts := db.all(sql, Fact, after=after, limit=CHUNK):
        yield from facts
        after = facts[-1].seq


def code_place(db: Reader, code_id: int) -> CodePlace | None:
    """Where a code came from and where it went; None if there never was such a code."""
    sql = """SELECT c.code_id, c.product_id, p.name AS product, s.sku_code, c.batch_id, b.name AS batch, b.kind, b.created_at,
               b.created_by, c.status, c.changed_at, c.replaces_code_id, l.line_id, o.order_id, o.order_no
             FROM codes c JOIN products p ON p.product_id = c.product_id JOIN skus s ON s.sku_id = c.sku_id
               JOIN batches b ON b.batch_id = c.batch_id LEFT JOIN order_lines l ON l.line_id = c.line_id
               LEFT JOIN orders o ON o.order_id = l.order_id
             WHERE c.code_id = :code_id"""
    return db.one(sql, CodePlace, code_id=code_id)


def things(db: Reader, kind: str, ids: Iterable[int]) -> dict[int, str]:
    """What people call things of a kind, by id: order numbers, names of gateways, products, batches, staff."""
    return {each: name for each in ids if (name := _name(db, kind, each)) is not None}


def _name(db: Reader, kind: str, id_: int) -> str | None:
    name: str | None = None
    if kind == "order":
        name = db.value("SELECT order_no FROM orders WHERE order_id = :id", id=id_)
    elif kind == "gateway":
        name = db.value("SELECT name FROM gateways WHERE gateway_id = :id", id=id_)
    elif kind == "product":
        name = db.value("SELECT name FROM products WHERE product_id = :id", id=id_)
    elif kind == "sku":
        name = db.value("SELECT sku_code FROM skus WHERE sku_id = :id", id=id_)
    elif kind == "category":
        name = db.value("SELECT name FROM categories WHERE category_id = :id", id=id_)
    elif kind == "batch":
        name = db.value("SELECT name FROM batches WHERE batch_id = :id", id=id_)
    elif kind == "staff":
        name = db.value("SELECT email FROM staff WHERE staff_id = :id", id=id_)
    return name
