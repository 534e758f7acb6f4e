"""Changes of orders."""

from collections.abc import Sequence
from typing import Any

import msgspec

from kashop.audit.writes import record
from kashop.db import Tx
from kashop.inventory import reads as inventory_reads
from kashop.inventory import writes as inventory
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict
from kashop.orders import reads, rules
from kashop.orders.types import Line, LineDraft, Order, OrderDraft, OrderException


def place(tx: Tx, draft: OrderDraft, actor: Actor) -> tuple[Order, list[Line]]:
    """Write an order and hold its codes until its deadline. Raises SoldOut and leaves nothing behind."""
    pool_id = draft.pool_id or inventory_reads.pool_of(tx, draft.channel)
    for wanted in draft.lines:  # before anything is written: who comes too late costs nothing
        if wanted.delivery == "auto":
            inventory.count_held(tx, sku_id=wanted.sku_id, pool_id=pool_id, quantity=wanted.quantity)
    sql = """INSERT INTO orders (order_no, token_hash, channel, pool_id, status, contact_type, contact, lookup_hash, currency,
               total_minor, locale, created_at, expires_at, client, browser, units)
             VALUES (:order_no, :token_hash, :channel, :pool_id, 'pending', :contact_type, :contact, :lookup_hash, :currency,
               :total_minor, :locale, :now, :expires_at, :client, :browser, :units) /*+returning order_id*/"""
    values = msgspec.structs.asdict(draft)
    del values["lines"]
    order_id = tx.add(sql, now=tx.now, **{**values, "pool_id": pool_id})
    lines = [_place_line(tx, order_id, line) for line in draft.lines]
    for line in lines:
        if line.delivery == "auto":
            taken = {"sku_id": line.sku_id, "pool_id": pool_id, "quantity": line.quantity}
            inventory.hold_counted(tx, line_id=line.line_id, until=draft.expires_at, **taken)
    record(tx, "order.placed", actor, ("order", order_id), total=draft.total_minor, currency=draft.currency)
    return draft.placed(order_id, pool_id, tx.now), lines


def _place_line(tx: Tx, order_id: int, draft: LineDraft) -> Line:
    sql = """INSERT INTO order_lines (order_id, product_id, sku_id, sku_code, product_name, sku_name, delivery, quantity,
               unit_minor, total_minor, is_free, prices, fields)
             VALUES (:order_id, :product_id, :sku_id, :sku_code, :product_name, :sku_name, :delivery, :quantity,
               :unit_minor, :total_minor, :is_free, :prices, :fields) /*+returning line_id*/"""
    values = {**msgspec.structs.asdict(draft), "order_id": order_id, "is_free": int(draft.is_free)}
    return Line(line_id=tx.add(sql, **values), delivered=0, **values)


def remember_key(tx: Tx, *, scope: str, key_hash: bytes, request_digest: bytes, order_id: int) -> None:
    """Bind an idempotency key to what it did; the caller has looked that it is new."""
    sql = """INSERT INTO idempotency (scope, key_hash, request_digest, order_id, created_at)
             VALUES (:scope, :key_hash, :request_digest, :order_id, :now)"""
    tx.run(sql, scope=scope, key_hash=key_hash, request_digest=request_digest, order_id=order_id, now=tx.now)


def forget_keys(tx: Tx, before: int, *, limit: int) -> int:
    """Drop idempotency keys older than a time; how many."""
    sql = """DELETE FROM idempotency WHERE (scope, key_hash) IN (
               SELECT scope, key_hash FROM idempotency WHERE created_at < :before ORDER BY created_at LIMIT :limit)"""
    return tx.run(sql, before=before, limit=limit)


def expire(tx: Tx, order_id: int, actor: Actor) -> bool:
    """End an unpaid order whose deadline has passed and give back what it held; whether it was this call that did."""
    order = reads.get(tx, order_id)
    return order.expires_at <= tx.now and _end(tx, order_id, "expired", actor)


def cancel(tx: Tx, order_id: int, actor: Actor, *, reason: str = "") -> bool:
    """End an unpaid order before its deadline and give back what it held; whether it was this call that did."""
    return _end(tx, order_id, "cancelled", actor, reason=reason)


def _end(tx: Tx, order_id: int, status: str, actor: Actor, *, reason: str = "") -> bool:
    sql = """UPDATE orders SET status = :status, ended_at = :now
             WHERE order_id = :order_id AND status = 'pending' RETURNING pool_id"""
    pool_id = tx.value(sql, order_id=order_id, status=status, now=tx.now)
    if pool_id is None:
        return False
    for line in reads.lines(tx, order_id):
        if line.delivery == "auto":
            inventory.release(tx, line_id=line.line_id, sku_id=line.sku_id, pool_id=pool_id)
    record(tx, f"order.{status}", actor, ("order", order_id), reason=reason)
    return True


def add_money(tx: Tx, order_id: int, amount_minor: int) -> Order:
    """Count a receipt towards its order; the order then."""
    sql = """UPDATE orders SET paid_minor = paid_minor + :amount WHERE order_id = :order_id
             RETURNING order_id, order_no, token_hash, channel, pool_id, status, contact_type, contact, lookup_hash, currency,
               total_minor, paid_minor, locale, created_at, expires_at, paid_at, delivered_at, ended_at, note,
               refunded_minor"""
    return tx.all(sql, Order, order_id=order_id, amount=amount_minor)[0]


def mark_paid(tx: Tx, order_id: int, actor: Actor, *, expected: str) -> bool:
    """The order is paid in full; whether it was still in the expected state. The caller has seen the money."""
    sql = """UPDATE orders SET status = 'paid', paid_at = :now
             WHERE order_id = :order_id AND status = :expected AND paid_minor - refunded_minor >= total_minor"""
    if "paid" not in rules.MOVES[expected] or not tx.run(sql, order_id=order_id, expected=expected, now=tx.now):
        return False
    record(tx, "order.paid", actor, ("order", order_id))
    return True


def give_back(tx: Tx, order_id: int, counted_minor: int, actor: Actor) -> None:
    """Count money that went back. A paid order that keeps less than its price is refunded: what it holds is released, what was
    sold stays sold, and it is delivered no more.
    """
    sql = "UPDATE orders SET refunded_minor = refunded_minor + :counted WHERE order_id = :order_id"
    tx.run(sql, order_id=order_id, counted=counted_minor)
    sql = """UPDATE orders SET status = 'refunded', ended_at = :now
             WHERE order_id = :order_id AND status IN ('paid', 'delivering', 'delivered')
               AND paid_minor - refunded_minor < total_minor RETURNING pool_id"""
    pool_id = tx.value(sql, order_id=order_id, now=tx.now)
    if pool_id is None:
        return
    for line in reads.lines(tx, order_id):
        if line.delivery == "auto":
            inventory.release(tx, line_id=line.line_id, sku_id=line.sku_id, pool_id=pool_id)
    record(tx, "order.refunded", actor, ("order", order_id))
    undeliverable = ("sealed", "short_of_stock", "delivery_failed")
    close_exceptions(tx, order_id, undeliverable, actor, reason="refunded: nothing is left to deliver")


def count_delivered(tx: Tx, line_id: int, count: int) -> None:
    """So many more of a line have been delivered."""
    sql = "UPDATE order_lines SET delivered = delivered + :count WHERE line_id = :line_id AND delivered + :count <= quantity"
    if not tx.run(sql, line_id=line_id, count=count):
        raise Conflict("This line has been delivered already.")


def mark_progress(tx: Tx, order_id: int, actor: Actor, *, is_whole: bool | None = None) -> str:
    """Move a paid order on as far as its lines are delivered; its state then. `is_whole`: whether all are, when known."""
    if is_whole is None:
        sql = "SELECT COUNT(*) FROM order_lines WHERE order_id = :order_id AND delivered < quantity"
        is_whole = not tx.value(sql, order_id=order_id)
    status = "delivered" if is_whole else "delivering"
    sql = """UPDATE orders SET status = :status,
               delivered_at = CASE WHEN :status = 'delivered' THEN CAST(:now AS BIGINT) ELSE delivered_at END
             WHERE order_id = :order_id AND status IN ('paid', 'delivering') AND status <> :status"""
    if tx.run(sql, order_id=order_id, status=status, now=tx.now):
        record(tx, f"order.{status}", actor, ("order", order_id))
    return status


def open_exception(tx: Tx, order_id: int, kind: str, actor: Actor, /, **detail: Any) -> int:
    """Put an order on the desk; an open entry of the same kind is kept and not doubled. The entry's id."""
    if kind not in rules.EXCEPTIONS:
        raise LookupError(f"there is no exception {kind!r}")
    sql = "SELECT exception_id FROM order_exceptions WHERE order_id = :order_id AND kind = :kind AND closed_at IS NULL"
    known = tx.value(sql, order_id=order_id, kind=kind)
    if known is not None:
        return int(known)
    sql = """INSERT INTO order_exceptions (order_id, kind, detail, opened_at) VALUES (:order_id, :kind, :detail, :now)
             RETURNING exception_id"""
    detail_json = msgspec.json.encode(detail).decode()
    exception_id = int(tx.value(sql, order_id=order_id, kind=kind, detail=detail_json, now=tx.now))
    record(tx, "exception.opened", actor, ("order", order_id), kind=kind, **detail)
    return exception_id


def close_exception(tx: Tx, exception_id: int, actor: Actor, *, reason: str) -> bool:
    """Take an entry off the desk, saying why; whether it was open."""
    sql = """UPDATE order_exceptions SET closed_at = :now, closed_by = :by, reason = :reason
             WHERE exception_id = :exception_id AND closed_at IS NULL RETURNING order_id"""
    order_id = tx.value(sql, exception_id=exception_id, by=str(actor), reason=reason, now=tx.now)
    if order_id is None:
        return False
    record(tx, "exception.closed", actor, ("order", order_id), reason=reason, exception=exception_id)
    return True


def claim(tx: Tx, exception_id: int, *, owner: str | None) -> OrderException:
    """An open entry, about to be worked on by somebody who saw it as `owner`'s. Raises NotFound, Conflict.

    Whoever looks at a page on which it was another's, or nobody's, does not know that it was taken on meanwhile.
    """
    entry = reads.get_exception(tx, exception_id)
    if entry.closed_at is not None:
        raise Conflict("Somebody else has closed this exception already.", code="closed_already")
    if owner is not None and entry.owner != owner:
        raise Conflict("Somebody else took this on meanwhile. Look again before you go on.", code="changed_meanwhile")
    return entry


def set_owner(tx: Tx, exception_id: int, owner: str, actor: Actor, *, was: str) -> None:
    """Somebody takes an open entry on, hands it over, or lets go of it (''). Raises NotFound, Conflict."""
    entry = claim(tx, exception_id, owner=was)
    sql = """UPDATE order_exceptions SET owner = :owner
             WHERE exception_id = :exception_id AND closed_at IS NULL AND owner = :was"""
    if owner != was and tx.run(sql, exception_id=exception_id, owner=owner, was=was):
        record(tx, "exception.owned", actor, ("order", entry.order_id), kind=entry.kind, owner=owner, was=was)


def add_exception_note(tx: Tx, exception_id: int, text: str, actor: Actor) -> None:
    """Write something down about an entry, open or closed. Raises NotFound."""
    entry = reads.get_exception(tx, exception_id)
    sql = """INSERT INTO order_exception_notes (exception_id, text, written_by, written_at)
             VALUES (:exception_id, :text, :by, :now)"""
    tx.run(sql, exception_id=exception_id, text=text, by=str(actor), now=tx.now)
    record(tx, "exception.noted", actor, ("order", entry.order_id), kind=entry.kind)


def close_by_hand(tx: Tx, exception_id: int, actor: Actor, *, reason: str, owner: str | None = None) -> bool:
    """Staff take an entry off the desk that they saw as `owner`'s; whether it was open. Raises Conflict, also for one that only
    the vault can settle."""
    seen = reads.find_exception(tx, exception_id)
    if seen is not None and seen.closed_at is None:
        claim(tx, exception_id, owner=owner)
    sql = "SELECT kind FROM order_exceptions WHERE exception_id = :exception_id AND closed_at IS NULL"
    if tx.value(sql, exception_id=exception_id) == "sealed":
        raise Conflict("This order waits for the vault: it is delivered when the vault is unsealed.", code="sealed")
    return close_exception(tx, exception_id, actor, reason=reason)


def close_exceptions(
    tx: Tx,
    order_id: int,
    kinds: tuple[str, ...],
    actor: Actor,
    *,
    reason: str,
    among: Sequence[OrderException] | None = None,
) -> None:
    """Take an order's entries of some kinds off the desk; `among` is what the caller saw there in this very unit."""
    for exception in reads.open_exceptions(tx, order_id) if among is None else among:
        if exception.kind in kinds:
            close_exception(tx, exception.exception_id, actor, reason=reason)


def set_note(tx: Tx, order_id: int, note: str, actor: Actor, *, was: str) -> None:
    """Replace the staff's note, if it still is what its writer saw. Raises Conflict."""
    sql = "UPDATE orders SET note = :note WHERE order_id = :order_id AND note = :was"
    if not tx.run(sql, order_id=order_id, note=note, was=was):
        raise Conflict("Someone else changed this note meanwhile.", code="changed_meanwhile")
    record(tx, "order.noted", actor, ("order", order_id))
