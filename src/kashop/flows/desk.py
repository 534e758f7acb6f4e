"""What staff do about an order that stands on the exceptions desk.

Always true: whoever acts on an entry that was closed, or taken on by somebody else, since he looked at it, is told so and
changes nothing; goods go out only for money that is there.
"""

import asyncio

import msgspec

from kashop.audit.writes import record
from kashop.db import Reader, Tx
from kashop.delivery import writes as delivery
from kashop.flows import attempts, settle, unfit
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid, SoldOut
from kashop.orders import reads as orders_reads
from kashop.orders import writes as orders
from kashop.payments import reads as payments
from kashop.shop import Shop
from kashop.vault import reads as vault

ASKED_AT_ONCE = 5


class Tried(msgspec.Struct, frozen=True):
    """What became of delivering: the order's state, and whether it still stands on the desk for it: short_of_stock, sealed."""

    status: str
    waits_for: str = ""


async def deliver_now(shop: Shop, exception_id: int, actor: Actor, *, owner: str | None) -> Tried:
    """Hand over what an order on the desk has paid for: held again from stock where its codes were given back.

    `owner` is whose entry it was when the actor looked. Raises SoldOut (an order that ended stays so), Conflict, NotFound.
    """
    return await shop.db.write(_deliver_now, exception_id, owner, actor)


def _deliver_now(tx: Tx, exception_id: int, owner: str | None, actor: Actor) -> Tried:
    entry = orders.claim(tx, exception_id, owner=owner)
    order = orders_reads.get(tx, entry.order_id)
    if order.status in ("delivered", "refunded"):
        raise Conflict("Nothing is left to deliver of this order.", code="nothing_left")
    if unfit.free(tx, order) < order.total_minor:
        raise Conflict("This order is not paid in full: nothing can be delivered yet.", code="not_paid")
    if order.status in ("expired", "cancelled") and not settle.hold_again(tx, order):
        raise SoldOut("Stock is short: import codes first, or refund the order.")
    record(tx, "exception.delivered", actor, ("order", order.order_id), kind=entry.kind)
    if order.status in ("paid", "delivering"):
        delivery.deliver_auto(tx, order.order_id, actor)
    else:
        settle.pay(tx, order, actor)
    waits_for = _waits_for(tx, order.order_id)
    if not waits_for:
        orders.close_exceptions(tx, order.order_id, _DELIVERED, actor, reason=_said(tx, order.order_id))
    elif waits_for == "sealed":
        orders.close_exceptions(tx, order.order_id, ("paid_late",), actor, reason="held again: it waits for the vault")
    return Tried(orders_reads.get(tx, order.order_id).status, waits_for)


_DELIVERED = ("paid_late", "delivery_failed")
"""What is settled when the goods are handed over; `delivery` settles its own."""


def _waits_for(db: Reader, order_id: int) -> str:
    kinds = {e.kind for e in orders_reads.open_exceptions(db, order_id)}
    return next((kind for kind in ("sealed", "short_of_stock") if kind in kinds), "")


def _said(db: Reader, order_id: int) -> str:
    is_whole = orders_reads.get(db, order_id).status == "delivered"
    return "delivered from stock by staff" if is_whole else "paid; the rest is delivered by hand"


async def ask_gateways(shop: Shop, exception_id: int, actor: Actor) -> list[str]:
    """Ask about every payment of an order on the desk, all at once; each gateway's word: paid, pending, failed, closed, unknown.

    Unlike a buyer's own question this one is asked of orders that ended, too. Raises NotFound.
    """
    live = await shop.db.read(_to_ask, exception_id)
    if not live:
        raise Invalid.of("gateway", "This order has no payment that a gateway could be asked about.")
    try:
        async with asyncio.timeout(attempts.ASK_SECONDS):
            return list(await asyncio.gather(*(attempts.query(shop, attempt_id, actor) for attempt_id in live)))
    except TimeoutError:
        shop.log.warning("gateways did not answer staff in time", exception=exception_id)
        return ["unknown"]


def _to_ask(db: Reader, exception_id: int) -> list[int]:
    entry = orders_reads.get_exception(db, exception_id)
    return [a.attempt_id for a in payments.attempts(db, entry.order_id) if a.status != "failed"][-ASKED_AT_ONCE:]


def remedies(db: Reader, exception_id: int) -> tuple[str, ...]:
    """What may help an entry, the likeliest first: deliver, refund, confirm, ask, contact, stock, vault."""
    entry = orders_reads.get_exception(db, exception_id)
    order, tried = orders_reads.get(db, entry.order_id), payments.attempts(db, entry.order_id)
    is_ended = order.status in ("delivered", "refunded")
    holds = {
        "deliver": not is_ended and unfit.free(db, order) >= order.total_minor and not vault.is_sealed(db),
        "refund": bool(payments.receipts(db, entry.order_id)) and order.status != "refunded",
        "confirm": order.status in ("pending", "expired", "cancelled") and bool(tried),
        "ask": unfit.free(db, order) < order.total_minor and any(a.status != "failed" for a in tried),
        "contact": order.contact_type in ("email", "phone", "qq", "any") and bool(order.contact),
        "stock": not is_ended,
        "vault": True,
    }
    return tuple(way for way in REMEDIES[entry.kind] if holds[way])


REMEDIES: dict[str, tuple[str, ...]] = {
    "paid_late": ("deliver", "refund", "contact"),
    "paid_partly": ("ask", "contact", "confirm", "refund"),
    "paid_over": ("refund", "contact"),
    "paid_twice": ("refund", "contact"),
    "mismatch": ("refund", "contact", "confirm", "ask"),
    "short_of_stock": ("deliver", "stock", "refund", "contact"),
    "sealed": ("vault", "contact"),
    "delivery_failed": ("deliver", "refund", "contact"),
    "gateway_unclear": ("ask", "confirm", "contact"),
    "refund_failed": ("refund", "contact"),
    "refunded_elsewhere": ("contact",),
    "disputed": ("contact", "refund"),
    "statement": ("ask", "confirm", "refund", "contact"),
}
"""What may help each kind of exception, the likeliest first."""
