"""Tries to pay: begin one at its gateway, change to another, and ask the gateway what became of it."""

import asyncio

import msgspec

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
ASK_SECONDS = 8
BEGIN_PATIENCE = 16 * SECOND
"""A gateway's client gives up before this (plugins/http.py), so an attempt that is still unbegun then has lost its process."""


def open_for(tx: Tx, order_id: int, *, gateway_id: int, method: str, actor: Actor, device: str = "") -> int:
    """Write down an attempt for what an order still owes, as its account bills it; its id."""
    order = orders.get(tx, order_id)
    account = rules.rules_of(reads.get_gateway(tx, gateway_id))
    bill = rules.bill(account, order.total_minor - order.paid_minor, order.currency)
    attempt_no = ids.number("A", tx.now)
    odd = writes.odd_cents(tx, gateway_id, bill, attempt_no, until=order.expires_at, spread=account.spread_minor)
    draft = AttemptDraft(
        attempt_no=attempt_no,
        gateway_id=gateway_id,
        method=method,
        currency=bill.currency,
        amount_minor=bill.amount_minor + odd,
        due_minor=bill.due_minor,
        fee_minor=bill.fee_minor,
        tolerance_minor=0 if odd else bill.tolerance_minor,
        device=device,
        expires_at=order.expires_at,
        next_query_at=min(tx.now + rules.FIRST_QUERY, order.expires_at),
    )
    return writes.open_attempt(tx, order_id, draft, actor)


def order_and_newest(db: Reader, order_id: int) -> tuple[Order, Attempt | None]:
    """An order and its newest attempt."""
    attempts = reads.attempts(db, order_id)
    return orders.get(db, order_id), attempts[-1] if attempts else None


class Tried(msgspec.Struct, frozen=True):
    """An attempt with what its gateway needs to know of it."""

    attempt: Attempt
    account: GatewayAccount
    order: Order


def tried(db: Reader, attempt_id: int) -> Tried:
    """An attempt with its account and order."""
    attempt = reads.get_attempt(db, attempt_id)
    return Tried(attempt, reads.get_gateway(db, attempt.gateway_id), orders.get(db, attempt.order_id))


async def begin(shop: Shop, about: Tried, actor: Actor) -> Attempt:
    """Ask the gateway to take the payment; the attempt with its answer. One that fails leaves the order open for another try."""
    attempt, account = about.attempt, about.account
    try:
        begun = await gateways.made(shop, account).begin(_intent(shop, about, actor))
    except (GatewayFailed, NotFound) as failed:
        problem, is_unclear = _said(failed)
        shop.log.warning("gateway could not begin", gateway=account.name, attempt=attempt.attempt_no, problem=problem)
        return await shop.db.write(writes.keep_problem, attempt.attempt_id, problem, is_unclear=is_unclear)
    if begun.kind not in ("redirect", "qr", "form"):
        raise TypeError(f"gateway {account.name} answered an unknown kind {begun.kind!r}")
    return await shop.db.write(writes.keep_begun, attempt.attempt_id, begun)


async def change(shop: Shop, order: Order, *, gateway: str, method: str, actor: Actor) -> Attempt:
    """Begin another attempt for an unpaid order. The earlier ones stay good for money already on its way."""
    accounts = await shop.db.read(reads.gateways)
    if not any(c.gateway == gateway and method in ("", c.method) for c in gateways.on_offer(shop, accounts)):
        raise Invalid.of("gateway", "Choose one of the ways to pay.")
    account_id = next(account.gateway_id for account in accounts if account.name == gateway)
    return await begin(shop, await shop.db.write(_change, order.order_id, account_id, method, actor), actor)


def _change(tx: Tx, order_id: int, account_id: int, method: str, actor: Actor) -> Tried:
    order = orders.get(tx, order_id)
    if order.status != "pending" or order.expires_at <= tx.now:
        raise Conflict("This order can no longer be paid.", code="not_pending")
    if len(reads.attempts(tx, order_id)) >= MOST_ATTEMPTS:
        raise Conflict("This order was tried too often. Please place a new one.", code="too_many_attempts")
    writes.end_attempts(tx, order_id, status="closed")
    return tried(tx, open_for(tx, order_id, gateway_id=account_id, method=method, actor=actor))


async def query(shop: Shop, attempt_id: int, actor: Actor) -> str:
    """Ask the gateway about one attempt and settle what it says; its word: paid, pending, failed, closed or unknown."""
    about = await shop.db.read(tried, attempt_id)
    attempt, account = about.attempt, about.account
    try:
        notice = await gateways.made(shop, account).query(_intent(shop, about, actor))
    except (GatewayFailed, NotFound) as failed:
        problem, _ = _said(failed)
        shop.log.warning("gateway could not be asked", gateway=account.name, attempt=attempt.attempt_no, problem=problem)
        return "unknown"
    if notice is None or notice.attempt_no != attempt.attempt_no:
        return "unknown"
    if notice.state == "paid":
        await settle.settle_notice(shop, account, notice, actor, source="query")
    return notice.state


async def query_open(shop: Shop, order_id: int, actor: Actor) -> None:
    """Ask every gateway that may still hold money for an unpaid order, all at once, and wait no longer than a buyer would."""
    order = await shop.db.read(orders.get, order_id)
    if order.status != "pending":
        return
    tried = await shop.db.read(reads.attempts, order_id)
    live = [a.attempt_id for a in tried if a.status in ("open", "closed")][-3:]
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await asyncio.gather(*(query(shop, attempt_id, actor) for attempt_id in live))
    except TimeoutError:
        shop.log.warning("gateways did not answer in time", order=order.order_no)


async def query_due(shop: Shop, attempt_id: int, actor: Actor) -> bool:
    """Ask about a due attempt unless another node took it; whether it was asked."""
    taken = await shop.db.write(writes.plan_query, attempt_id, lease=QUERY_LEASE)
    if taken is not None:
        await query(shop, attempt_id, actor)
    return taken is not None


def _said(failed: GatewayFailed | NotFound) -> tuple[str, bool]:
    """What went wrong, and whether the gateway may have heard us all the same."""
    return (failed.problem, failed.is_unclear) if isinstance(failed, GatewayFailed) else (failed.text(), False)


def _intent(shop: Shop, about: Tried, actor: Actor) -> Intent:
    base = f"{shop.base_url}/pay/{about.account.name}"
    return about.attempt.intent(
        title=f"{shop.settings.text('shop.name')} {about.order.order_no}",  # what was bought is nobody else's business (N31)
        callback_url=f"{base}/callback",
        return_url=f"{base}/return",
        client_ip=actor.ip or "127.0.0.1",
        locale=about.order.locale,
    )
