"""What `bench.scale` measures: each look and change on its own, as the flows and pages call it.

A look is one call on a reader's connection. A change is timed whole: the units, their group and its durable COMMIT.
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench import goods
from kashop.analytics import invariants
from kashop.analytics import reads as analytics
from kashop.audit import reads as audit
from kashop.audit.search import reads as search
from kashop.audit.search.types import Wish
from kashop.catalog import reads as catalog
from kashop.db import Reader, Tx
from kashop.flows import lookup
from kashop.inventory import reads as inventory
from kashop.inventory.codelist import reads as codelist
from kashop.inventory.codelist.types import Sought
from kashop.jobs import schedule
from kashop.lib.actor import Actor
from kashop.lib.clock import DAY, MINUTE
from kashop.lib.errors import Refusal
from kashop.orders import reads as orders
from kashop.orders import writes as order_writes
from kashop.orders.types import DeskFilter, OrderDraft
from kashop.payments import reads as payments
from kashop.payments.refunding import reads as refunding
from kashop.shop import Shop

BUYER = Actor("buyer", ip="203.0.113.7", request_id="bench")

GROUP = 64
"""Orders placed at once, so that one COMMIT holds most of them."""

CHEAP = ("I-08", "K-02", "K-03")
"""Invariants that cost what is open costs, not what ever was."""


@dataclass(frozen=True)
class Sample:
    """Things of one shop to ask for: another at each call, so that no page is in memory for having been asked for."""

    order_nos: list[str]
    attempt_nos: list[str]
    order_ids: list[int]
    contacts: list[str]
    midnight: int
    chance: random.Random

    @classmethod
    def of(cls, shop: Shop, *, seed: int) -> "Sample":
        """Some of everything."""
        chance = random.Random(seed)
        con = sqlite3.connect(f"file:{shop.config.file}?mode=ro", uri=True)
        (most,) = con.execute("SELECT MAX(order_id) FROM orders").fetchone()
        ids = [chance.randint(1, most) for _ in range(1000)]
        sql = """SELECT o.order_no, a.attempt_no, o.order_id, o.contact FROM orders o JOIN attempts a ON a.order_id = o.order_id
                 WHERE o.order_id = ?"""
        rows = [row for n in ids if (row := con.execute(sql, (n,)).fetchone()) is not None]
        con.close()
        nos, attempts, order_ids, contacts = (list(column) for column in zip(*rows, strict=True))
        return cls(nos, attempts, order_ids, contacts, int(time.time() * 1000) - DAY, chance)

    def one(self, things: list[str]) -> str:
        """Any of them."""
        return self.chance.choice(things)


Look = Callable[[Reader, Sample], object]

LOOKS: dict[str, Look] = {
    "order by number": lambda db, s: orders.find(db, s.one(s.order_nos)),
    "order by payment's number": lambda db, s: payments.orders_of_number(db, s.one(s.attempt_nos)),
    "attempt by number": lambda db, s: payments.find_attempt(db, 1, s.one(s.attempt_nos)),
    "an order's lines, receipts, attempts": lambda db, s: _whole(db, s.chance.choice(s.order_ids)),
    "look-up by contact": lambda db, s: lookup.candidates(db, s.one(s.contacts)),
    "look-up by an agent's contact": lambda db, s: lookup.candidates(db, "agent@example.com"),
    "due orders": lambda db, s: orders.due(db, limit=500),
    "due queries": lambda db, s: payments.due_queries(db, limit=300),
    "due closes": lambda db, s: payments.due_closes(db, limit=100),
    "due refunds": lambda db, s: refunding.due(db, limit=100),
    "unread callbacks": lambda db, s: payments.unread_callbacks(db, db.now, limit=100),
    "undelivered orders": lambda db, s: orders.undelivered(db, db.now, limit=1000),
    "free counts": lambda db, s: inventory.counts(db),
    "storefront home": lambda db, s: (catalog.cards(db), catalog.categories(db), inventory.counts(db)),
    "storefront product": lambda db, s: catalog.find_offer(db, goods.SLUG),
    "dashboard, today": lambda db, s: analytics.day(db, s.midnight),
    "dashboard, waiting": lambda db, s: (analytics.desk(db), analytics.low_stock(db), orders.desk(db, limit=6)),
    "dashboard, alarms": lambda db, s: audit.count_since(db, "vault.alarm", db.now - 7 * DAY),
    "panel orders": lambda db, s: orders.page(db, 2**62, limit=51),
    "panel orders, deep": lambda db, s: orders.page(db, s.chance.choice(s.order_ids), limit=51),
    "panel orders, delivered": lambda db, s: orders.page_of_status(db, "delivered", 2**62, limit=51),
    "panel orders, cancelled": lambda db, s: orders.page_of_status(db, "cancelled", 2**62, limit=51),
    "panel orders, delivering": lambda db, s: orders.page_of_status(db, "delivering", 2**62, limit=51),
    "panel orders of an agent": lambda db, s: orders.page_of_contact(db, "agent@example.com", 2**62, limit=51),
    "panel codes": lambda db, s: codelist.page(db, Sought(), 2**62, limit=51),
    "panel codes, sold of a SKU": lambda db, s: codelist.page(db, Sought(sku_id=1, status="sold"), 2**62, limit=51),
    "panel codes, void": lambda db, s: codelist.page(db, Sought(status="void"), 2**62, limit=51),
    "panel codes, counts": lambda db, s: codelist.count(db, Sought()),
    "panel batches": lambda db, s: inventory.batches(db, limit=51),
    "panel stock": lambda db, s: analytics.stock(db),
    "panel callbacks": lambda db, s: payments.inbox(db, verdict=None, gateway=None, before=2**62, limit=51),
    "panel callbacks, rejected": lambda db, s: payments.inbox(db, verdict="rejected", gateway=None, before=2**62, limit=51),
    "panel callbacks, of nobody": lambda db, s: payments.inbox(db, verdict=None, gateway="nobody", before=2**62, limit=51),
    "panel exceptions": lambda db, s: (orders.desk_page(db, DeskFilter(), limit=51), orders.desk_counts(db)),
    "panel exceptions, of nobody": lambda db, s: orders.count_desk(db, ""),
    "audit head": lambda db, s: audit.head(db),
    "audit page": lambda db, s: search.find(db, Wish(), limit=51),
    "audit of a name": lambda db, s: search.find(db, Wish(names=("order.cancelled",)), limit=51),
    "audit of an order": lambda db, s: audit.timeline(db, "order", s.chance.choice(s.order_ids)),
    "check, what is open": lambda db, s: _checked(db),
}


def _whole(db: Reader, order_id: int) -> object:
    lines = orders.lines(db, order_id)
    owned = [inventory.owned_codes(db, line.line_id) for line in lines]
    return owned, payments.receipts(db, order_id), payments.attempts(db, order_id), orders.exceptions(db, order_id)


def _checked(db: Reader) -> object:
    return [look(db) for i in invariants.INVARIANTS if i.id in CHEAP for look in i.looks]


@dataclass(frozen=True)
class Change:
    """Prepared first, then timed; `each` of its units shares the time."""

    prepare: Callable[[Shop, list[OrderDraft]], Awaitable[object]]
    run: Callable[[Shop, list[OrderDraft]], Awaitable[object]]
    each: int = GROUP


async def _nothing(shop: Shop, drafts: list[OrderDraft]) -> None:
    """Nothing is to be prepared."""


async def _placed(shop: Shop, drafts: list[OrderDraft]) -> None:
    """Order, line, held code, key and their events."""
    await asyncio.gather(*(shop.db.write(place, draft) for draft in drafts))


def place(tx: Tx, draft: OrderDraft) -> int:
    """What placing an order changes, but its attempt; the order's id."""
    order = order_writes.place(tx, draft, BUYER)[0]
    key = order.token_hash
    order_writes.remember_key(tx, scope="order/api", key_hash=key, request_digest=key, order_id=order.order_id)
    return order.order_id


async def _overdue(shop: Shop, drafts: list[OrderDraft]) -> None:
    """Orders that nobody paid, and whose gateways have nothing to be asked."""

    def late(tx: Tx, draft: OrderDraft) -> None:
        order_id = place(tx, draft)
        tx.run("UPDATE orders SET expires_at = :due WHERE order_id = :order_id", due=tx.now - MINUTE, order_id=order_id)

    while await schedule.expire_orders(shop):  # what an earlier run has left, and nobody paid since
        pass
    await asyncio.gather(*(shop.db.write(late, draft) for draft in drafts))


async def _expired(shop: Shop, drafts: list[OrderDraft]) -> None:
    done = await schedule.expire_orders(shop)
    assert done == len(drafts), f"{done} of {len(drafts)} orders were ended"


async def _forgotten(shop: Shop, drafts: list[OrderDraft]) -> None:
    await schedule.forget(shop)


async def _swept(shop: Shop, drafts: list[OrderDraft]) -> None:
    """What cannot be delivered for want of codes is looked at each time."""
    try:
        await schedule.sweep_undelivered(shop)
    except Refusal as refused:
        raise AssertionError(f"the sweep met {refused!r}") from refused


CHANGES = {
    "placing an order": Change(_nothing, _placed),
    "expiry sweep, an order": Change(_overdue, _expired),
    "sweep of the undelivered": Change(_nothing, _swept, 1),
    "forgetting": Change(_nothing, _forgotten, 1),
}
