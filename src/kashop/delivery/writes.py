"""Changes that deliver."""

from collections.abc import Sequence

from kashop.audit.writes import record
from kashop.db import Tx
from kashop.inventory import reads as inventory_reads
from kashop.inventory import writes as inventory
from kashop.inventory.types import BatchDraft, SealedCode
from kashop.lib.actor import Actor
from kashop.lib.clock import MINUTE
from kashop.lib.errors import Conflict, Invalid, SoldOut
from kashop.orders import reads as orders_reads
from kashop.orders import writes as orders
from kashop.orders.types import Line, Order, OrderException
from kashop.payments.refunding.reads import going_back
from kashop.vault import reads as vault


def deliver_auto(tx: Tx, order_id: int, actor: Actor) -> str:
    """Deliver every automatic line of a paid order that can be, and move the order on; its state then.

    A line whose hold is gone takes fresh codes; with none left the order is on the desk as short_of_stock. While the vault is
    sealed the codes stay held for it, and it is on the desk as sealed.
    """
    order = orders_reads.get(tx, order_id)
    if order.status not in ("paid", "delivering"):
        orders.close_exceptions(tx, order_id, ("sealed",), actor, reason="nothing is left to deliver")
        return order.status
    if _is_going_back(tx, order):
        return order.status
    return deliver_paid(tx, order, actor, desk=orders_reads.open_exceptions(tx, order_id))


def deliver_paid(tx: Tx, order: Order, actor: Actor, *, desk: Sequence[OrderException]) -> str:
    """The same for an order that the caller, in this very unit, has seen to be paid and to keep its money, and its desk."""
    lines = orders_reads.lines(tx, order.order_id)
    due = [line for line in lines if line.delivery == "auto" and line.delivered < line.quantity]
    if due and vault.is_sealed(tx):
        return _wait(tx, order, due, actor)
    is_short = False
    for line in due:
        is_short |= not _deliver_line(tx, order, line, actor)
    if is_short:
        orders.close_exceptions(tx, order.order_id, ("sealed",), actor, reason="the vault is unsealed", among=desk)
        orders.open_exception(tx, order.order_id, "short_of_stock", actor)
        is_begun = any(line.delivered for line in orders_reads.lines(tx, order.order_id))
        return orders.mark_progress(tx, order.order_id, actor) if is_begun else order.status
    orders.close_exceptions(tx, order.order_id, _UNDELIVERED, actor, reason="delivered", among=desk)
    is_whole = all(line.delivery == "auto" or line.delivered >= line.quantity for line in lines)
    return orders.mark_progress(tx, order.order_id, actor, is_whole=is_whole)


_UNDELIVERED = ("short_of_stock", "delivery_failed", "sealed")


def _is_going_back(tx: Tx, order: Order) -> bool:
    """Whether so much of an order's money is on its way back that the rest does not pay it: then it is not handed over."""
    return order.kept_minor - going_back(tx, order.order_id) < order.total_minor


def _wait(tx: Tx, order: Order, due: list[Line], actor: Actor) -> str:
    """Hold what the lines need until the vault is unsealed; the order's state, which stays."""
    for line in due:
        missing = line.quantity - line.delivered - inventory_reads.count_held(tx, line.line_id)
        try:
            if missing:
                _hold(tx, order, line, missing)
        except SoldOut:
            orders.open_exception(tx, order.order_id, "short_of_stock", actor)
    orders.open_exception(tx, order.order_id, "sealed", actor)
    return order.status


def _hold(tx: Tx, order: Order, line: Line, quantity: int) -> None:
    place = {"line_id": line.line_id, "sku_id": line.sku_id, "pool_id": order.pool_id}
    inventory.hold(tx, quantity=quantity, until=tx.now + MINUTE, **place)


def _deliver_line(tx: Tx, order: Order, line: Line, actor: Actor) -> bool:
    sold = inventory.sell(tx, line_id=line.line_id, sku_id=line.sku_id, pool_id=order.pool_id)
    missing = line.quantity - line.delivered - len(sold)
    if missing:
        try:
            _hold(tx, order, line, missing)
        except SoldOut:
            if sold:  # cannot be: a line's codes are held and given back together
                raise Conflict("A line holds only part of its codes.") from None
            return False
        sold += inventory.sell(tx, line_id=line.line_id, sku_id=line.sku_id, pool_id=order.pool_id)
    orders.count_delivered(tx, line.line_id, len(sold))
    record(tx, "line.delivered", actor, ("order", order.order_id), line=line.line_id, codes=sold)
    return True


def deliver_manual(tx: Tx, order_id: int, line_id: int, codes: list[SealedCode], actor: Actor) -> str:
    """Deliver a manual line with what staff wrote, sealed; the order's state then."""
    order = orders_reads.get(tx, order_id)
    line = next((each for each in orders_reads.lines(tx, order_id) if each.line_id == line_id), None)
    if line is None or line.delivery != "manual":
        raise Invalid.of("line", "This order has no such line to deliver by hand.")
    if order.status not in ("paid", "delivering"):
        raise Conflict("Only a paid order can be delivered.", code="not_paid")
    if _is_going_back(tx, order):
        raise Conflict("The money of this order is on its way back.", code="going_back")
    if len(codes) != line.quantity:
        raise Invalid.of("content", "Write {quantity} entries, one for each.", quantity=line.quantity)
    draft = BatchDraft(
        product_id=line.product_id,
        sku_id=line.sku_id,
        pool_id=order.pool_id,
        kind="manual",
        name=order.order_no,
    )
    orders.count_delivered(tx, line_id, len(codes))
    sold = inventory.add_sold(tx, draft, codes, line_id=line_id, actor=actor)
    record(tx, "line.delivered", actor, ("order", order_id), line=line_id, codes=sold)
    return orders.mark_progress(tx, order_id, actor)


def record_reveal(tx: Tx, order_id: int, code_ids: list[int], actor: Actor, *, how: str) -> None:
    """Write down, for each code, that it is about to be shown."""
    for code_id in code_ids:
        record(tx, "code.revealed", actor, ("code", code_id), order=order_id, how=how)
    record(tx, "order.revealed", actor, ("order", order_id), count=len(code_ids), how=how)
