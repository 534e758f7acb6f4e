"""Invariants of history: each look gives the first witness against it, or None."""

from collections.abc import Iterator

import msgspec

from kashop.analytics.types import Delivery, Ending, Fact, SoldCode, Witness
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
