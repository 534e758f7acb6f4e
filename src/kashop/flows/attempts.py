"""Tries to pay: begin one at its gateway, change to another, and ask the gateway what became of it."""

import asyncio

from kashop.db import Reader, Tx
from kashop.flows import gateways, settle
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.clock import SECOND
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.orders import reads as orders
from kashop.orders.types import Order
from kashop.payments import reads, rules, writes
from kashop.payments.rows import Attempt, AttemptDraft, GatewayAccount
from kashop.payments.types import GatewayFailed, Intent
from kashop.shop import Shop

QUERY_LEASE = 15 * SECOND
MOST_ATTEMPTS = 20
BEGIN_PATIENCE = 16 * SECOND
"""A gateway's client gives up before this (plugins/http.py), so an attempt that is still unbegun then has lost its process."""


def open_for(tx: Tx, order_id: int, *, gateway_id: int, method: str, actor: Actor) -> int:
    """Write down an attempt for what an order still owes; its id."""
    order = orders.get(tx, order_id)
    draft = AttemptDraft(
        attempt_no=ids.number("A", tx.now),
        gateway_id=gateway_id,
        method=method,
        currency=order.currency,
        amount_minor=order.total_minor - order.paid_minor,
        expires_at=order.expires_at,
        next_query_at=min(tx.now + rules.FIRST_QUERY, order.expires_at),
    )
    return writes.open_attempt(tx, order_id, draft, actor)


async def gateway_id(shop: Shop, name: str) -> int:
    """The account of that name, which must be enabled."""
    account = await shop.db.read(reads.find_gateway, name)
    if account is None or not account.is_enabled:
        raise Invalid.of("gateway", "Choose one of the ways to pay.")
    return account.gateway_id


def order_and_newest(db: Reader, order_id: int) -> tuple[Order, Attempt | None]:
    """An order and its newest attempt."""
    attempts = reads.attempts(db, order_id)
    return orders.get(db, order_id), attempts[-1] if attempts else None


async def begin(shop: Shop, attempt_id: int, actor: Actor) -> None:
    """Ask the gateway to take the payment and keep its answer. A gateway that fails leaves the order open for another try."""
    attempt, account, intent = await _intent(shop, attempt_id, actor)
    try:
        begun = await gateways.made(shop, account).begin(intent)
    except GatewayFailed as failed:
        shop.log.warning(
            "gateway could not begin",
            gateway=account.name,
            attempt=attempt.attempt_no,
            problem=failed.problem,
        )
        await shop.db.write(writes.keep_problem, attempt_id, failed.problem, is_unclear=failed.is_unclear)
        return
    if begun.kind not in ("redirect", "qr", "form"):
        raise TypeError(f"gateway {account.name} answered an unknown kind {begun.kind!r}")
    await shop.db.write(writes.keep_begun, attempt_id, begun)


async def change(shop: Shop, order: Order, *, gateway: str, method: str, actor: Actor) -> int:
    """Begin another attempt for an unpaid order; its id. The earlier ones stay good for money already on its way."""
    on_offer = await gateways.choices(shop)
    if not any(c.gateway == gateway and method in ("", c.method) for c in on_offer):
        raise Invalid.of("gateway", "Choose one of the ways to pay.")
    account_id = await gateway_id(shop, gateway)
    attempt_id = await shop.db.write(_change, order.order_id, account_id, method, actor)
    await begin(shop, attempt_id, actor)
    return attempt_id


def _change(tx: Tx, order_id: int, account_id: int, method: str, actor: Actor) -> int:
    order = orders.get(tx, order_id)
    if order.status != "pending" or order.expires_at <= tx.now:
        raise Conflict("This order can no longer be paid.", code="not_pending")
    if len(reads.attempts(tx, order_id)) >= MOST_ATTEMPTS:
        raise Conflict("This order was tried too often. Please place a new one.", code="too_many_attempts")
    writes.end_attempts(tx, order_id, status="closed")
    return open_for(tx, order_id, gateway_id=account_id, method=method, actor=actor)


async def query(shop: Shop, attempt_id: int, actor: Actor) -> str:
    """Ask the gateway about one attempt and settle what it says; its word: paid, pending, failed, closed or unknown."""
    attempt, account, intent = await _intent(shop, attempt_id, actor)
    try:
        notice = await gateways.made(shop, account).query(intent)
    except GatewayFailed as failed:
        shop.log.warning(
            "gateway could not be asked",
            gateway=account.name,
            attempt=attempt.attempt_no,
            problem=failed.problem,
        )
        return "unknown"
    except NotFound as gone:
        shop.log.warning("gateway is not loaded", gateway=account.name, problem=gone.text())
        return "unknown"
    if notice is None or notice.attempt_no != attempt.attempt_no:
        return "unknown"
    if notice.state == "paid":
        await shop.db.write(settle.settle, account.gateway_id, notice, "query", None, settle.policy(shop), actor)
    return notice.state


async def query_open(shop: Shop, order_id: int, actor: Actor) -> None:
    """Ask every gateway that may still hold money for an unpaid order, all at once."""
    order = await shop.db.read(orders.get, order_id)
    if order.status != "pending":
        return
    tried = await shop.db.read(reads.attempts, order_id)
    live = [a.attempt_id for a in tried if a.status in ("open", "closed")][-3:]
    await asyncio.gather(*(query(shop, attempt_id, actor) for attempt_id in live))


async def query_due(shop: Shop, attempt_id: int, actor: Actor) -> bool:
    """Ask about a due attempt unless another node took it; whether it was asked."""
    taken = await shop.db.write(writes.plan_query, attempt_id, lease=QUERY_LEASE)
    if taken is not None:
        await query(shop, attempt_id, actor)
    return taken is not None


async def _intent(shop: Shop, attempt_id: int, actor: Actor) -> tuple[Attempt, GatewayAccount, Intent]:
    attempt, account, order = await shop.db.read(_about, attempt_id)
    base = f"{shop.base_url}/pay/{account.name}"
    intent = attempt.intent(
        title=f"{shop.settings.text('shop.name')} {order.order_no}",  # what was bought is nobody else's business (N31)
        callback_url=f"{base}/callback",
        return_url=f"{base}/return",
        client_ip=actor.ip or "127.0.0.1",
        locale=order.locale,
    )
    return attempt, account, intent


def _about(db: Reader, attempt_id: int) -> tuple[Attempt, GatewayAccount, Order]:
    attempt = reads.get_attempt(db, attempt_id)
    account = reads.get_gateway(db, attempt.gateway_id)
    return attempt, account, orders.get(db, attempt.order_id)
