"""Invariants of history: each look gives the first witness against it, or None."""

from collections.abc import Iterator

import msgspec

from kashop.analytics.types import Delivery, Ending, Fact, Kept, SoldCode, Witness
from kashop.audit import rules as audit_rules
from kashop.audit.reads import broken_link
from kashop.db import Reader
from kashop.orders.rules import MOVES

CHUNK = 5000


def chain_is_whole(db: Reader) -> Witness | None:
    """I-32: every event follows from the one before it, and the personal values kept apart are those it was written with."""
    seq = broken_link(db)
    if seq is not None:
        return Witness(f"event {seq}", "does not follow from the one before it: changed, removed or inserted")
    after = 0
    while kept := _kept(db, after):
        for each in kept:
            if audit_rules.commitment(each.salt, each.value) != each.personal_hash:
                return Witness(f"event {each.seq}", "its personal values were changed")
        after = kept[-1].seq
    return None


def _kept(db: Reader, after: int) -> list[Kept]:
    sql = """SELECT e.seq, e.personal_hash, p.salt, p.value
             FROM events e JOIN event_personal p ON p.personal_id = e.personal_id
             WHERE e.seq > :after ORDER BY e.seq LIMIT :limit"""
    return db.all(sql, Kept, after=after, limit=CHUNK)


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
