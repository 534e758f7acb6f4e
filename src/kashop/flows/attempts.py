"""Tries to pay: begin one at its gateway, change to another, and ask the gateway what became of it."""

import asyncio
from collections.abc import Sequence
from typing import cast

import msgspec

from kashop.catalog import reads as catalog
from kashop.db import Reader, Tx
from kashop.db.queue import Work, does
from kashop.flows import gateways, offers, settle, unfit
from kashop.flows.offers import NOBODY, Visitor
from kashop.lib import ids, line
from kashop.lib.actor import Actor
from kashop.lib.clock import MINUTE, SECOND
from kashop.lib.errors import Conflict, NotFound
from kashop.orders import reads as orders
from kashop.orders.types import Order
from kashop.payments import reads, rules, writes
from kashop.payments.rows import UNBEGUN, Attempt, AttemptDraft, GatewayAccount
from kashop.payments.types import BeginsAlone, Begun, Closes, GatewayFailed, Intent
from kashop.shop import Shop

QUERY_LEASE = 15 * SECOND
MOST_ATTEMPTS = 20
ASK_SECONDS = 8
MOST_OTHERS, TRY_SECONDS, REQUEST_SECONDS = 2, 6, 15
"""How many accounts are tried when the first cannot begin, how long each of them has that is not the last, and until when
another is tried at all."""
BEGIN_PATIENCE = 16 * SECOND
"""A gateway's client gives up before this (plugins/http.py), so an attempt that is still unbegun then has lost its process."""


def drafted(
    account: GatewayAccount, due_minor: int, currency: str, *, method: str, device: str, now: int, until: int
) -> AttemptDraft:
    """What an account is to be asked for so much of an order, but for odd cents, which only the database can give."""
    bill = rules.bill(rules.rules_of(account), due_minor, currency)
    return AttemptDraft(
        attempt_no=ids.number("A", now),
        gateway_id=account.gateway_id,
        method=method,
        currency=bill.currency,
        amount_minor=bill.amount_minor,
        due_minor=bill.due_minor,
        fee_minor=bill.fee_minor,
        tolerance_minor=bill.tolerance_minor,
        device=device,
        expires_at=until,
        next_query_at=min(now + rules.FIRST_QUERY, until),
    )


def open_drafted(tx: Tx, order_id: int, draft: AttemptDraft, actor: Actor, *, spread: int, begun: Begun = UNBEGUN) -> Attempt:
    """Write down an attempt, with odd cents on top if its account tells transfers apart by so many."""
    if odd := writes.odd_cents(tx, draft, spread=spread):
        draft = msgspec.structs.replace(draft, amount_minor=draft.amount_minor + odd, tolerance_minor=0)
    return writes.open_attempt(tx, order_id, draft, actor, begun)


def begun_alone(shop: Shop, account: GatewayAccount, draft: AttemptDraft, order_no: str, locale: str, actor: Actor) -> Begun:
    """How the buyer pays when that needs no gateway; UNBEGUN when one has to be asked."""
    kind = shop.plugins.find_gateway_type(account.type)
    if kind is None or not kind.begins_alone or rules.rules_of(account).spread_minor:
        return UNBEGUN
    try:
        said = _said_of(shop, account, order_no, locale, actor)
        return cast(BeginsAlone, gateways.made(shop, account)).begin_alone(draft.intent(shop.clock.now(), **said)) or UNBEGUN
    except (GatewayFailed, NotFound):  # it is asked once more when the attempt is there to keep what is wrong
        return UNBEGUN


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


@does(Work.MONEY)
async def begin(shop: Shop, about: Tried, actor: Actor, *, others: Sequence[int] = ()) -> Attempt:
    """Ask the gateway to take the payment; the attempt with its answer.

    When it fails, the next of `others` is asked: accounts that take the same way to pay at the same price, by id. When none is
    left, or the buyer waited long enough, the order stays open for another try.
    """
    rest, give_up = list(others[:MOST_OTHERS]), asyncio.get_running_loop().time() + REQUEST_SECONDS
    while True:
        try:
            begun = await _asked(shop, about, actor, seconds=TRY_SECONDS if rest else None)
        except (GatewayFailed, NotFound) as failed:
            is_over = not rest or asyncio.get_running_loop().time() > give_up
            after = await shop.db.write(_give_way, about.attempt, _said(failed), None if is_over else rest.pop(0), actor)
            if isinstance(after, Attempt):
                return after
            about = after
        else:
            return await shop.db.write(writes.keep_begun, about.attempt.attempt_id, begun)


async def _asked(shop: Shop, about: Tried, actor: Actor, *, seconds: int | None) -> Begun:
    """The gateway's answer. Raises GatewayFailed, NotFound; both are remembered of the account."""
    account = about.account
    line.step_aside()
    try:
        async with asyncio.timeout(seconds):
            begun = await gateways.made(shop, account).begin(intent_of(shop, about, actor))
    except TimeoutError:
        failed: GatewayFailed | NotFound = GatewayFailed(f"no answer within {seconds} s", is_unclear=True)
    except (GatewayFailed, NotFound) as refused:
        failed = refused
    else:
        shop.failures.forgive(account.gateway_id)
        return begun
    shop.failures.note(account.gateway_id)
    shop.log.warning("gateway could not begin", gateway=account.name, attempt=about.attempt.attempt_no, problem=_said(failed)[0])
    raise failed


def _give_way(tx: Tx, attempt: Attempt, said: tuple[str, bool], gateway_id: int | None, actor: Actor) -> Tried | Attempt:
    """Keep why an attempt could not begin; in its place one at another account, if there is one and the order still waits."""
    problem, is_unclear = said
    failed = writes.keep_problem(tx, attempt.attempt_id, problem, is_unclear=is_unclear)
    if gateway_id is None:
        return failed
    try:
        return _another(tx, failed.order_id, gateway_id, failed.method, actor, failed.device)
    except Conflict:  # the order moved on, or the account has no amount left to tell a transfer by
        return reads.get_attempt(tx, failed.attempt_id)


async def change(shop: Shop, order: Order, *, gateway: str, method: str, actor: Actor, visitor: Visitor = NOBODY) -> Attempt:
    """Begin another attempt for an unpaid order, or go on with an open one of the same account and method.

    The others are closed, at their gateways too; money that is already on its way is taken all the same.

    Raises Invalid by `gateway` or `method` when that way is not on offer for this order.
    """
    accounts, wanted = await shop.db.read(payable_by, order)
    first, *others = offers.chosen(shop, accounts, wanted, visitor, gateway=gateway, method=method)
    about = await shop.db.write(_another, order.order_id, first, method, actor, visitor.device)
    if about.attempt.kind:
        return about.attempt
    return await begin(shop, about, actor, others=others)


def payable_by(db: Reader, order: Order) -> tuple[list[GatewayAccount], offers.Basket]:
    """Every account, and what they are asked about an order."""
    products = [
        catalog.get_product(db, product_id) for product_id in {line.product_id for line in orders.lines(db, order.order_id)}
    ]
    return reads.gateways(db), offers.basket(products, catalog.categories(db), order.total_minor)


def _another(tx: Tx, order_id: int, account_id: int, method: str, actor: Actor, device: str) -> Tried:
    order = orders.get(tx, order_id)
    if order.status != "pending" or order.expires_at <= tx.now:
        raise Conflict("This order can no longer be paid.", code="not_pending")
    known = reads.attempts(tx, order_id)
    same = [a for a in known if (a.gateway_id, a.method, a.device) == (account_id, method, device) and _is_good(tx, a, order)]
    if same:
        writes.end_attempts(tx, order_id, but=same[-1].attempt_id)
        return tried(tx, same[-1].attempt_id)
    if len(known) >= MOST_ATTEMPTS:
        raise Conflict("This order was tried too often. Please place a new one.", code="too_many_attempts")
    writes.end_attempts(tx, order_id)
    account, due = reads.get_gateway(tx, account_id), order.total_minor - unfit.free(tx, order)
    draft = drafted(account, due, order.currency, method=method, device=device, now=tx.now, until=order.expires_at)
    return Tried(open_drafted(tx, order_id, draft, actor, spread=rules.rules_of(account).spread_minor), account, order)


def _is_good(db: Reader, attempt: Attempt, order: Order) -> bool:
    """Whether an attempt can still be paid and asks for what its order owes now."""
    is_live = not attempt.vendor_expires_at or attempt.vendor_expires_at > db.now + MINUTE
    return attempt.status == "open" and is_live and attempt.due_minor == order.total_minor - unfit.free(db, order)


async def close_due(shop: Shop, attempt_id: int, actor: Actor) -> bool:
    """Tell the gateway of a closed attempt, unless another node does; whether it was told.

    One that cannot be closed may have been paid: its gateway is asked, and told again later if it knows no payment.
    """
    if not await shop.db.write(writes.plan_close, attempt_id):
        return False
    about = await shop.db.read(tried, attempt_id)
    kind = shop.plugins.gateway_types.get(about.account.type)
    if kind is None or not kind.closes:
        await shop.db.write(writes.end_close, attempt_id)
        return False
    try:
        await cast(Closes, gateways.made(shop, about.account)).close(intent_of(shop, about, actor))
    except (GatewayFailed, NotFound) as failed:
        number, problem = about.attempt.attempt_no, _said(failed)[0]
        shop.log.warning("attempt could not be closed", gateway=about.account.name, attempt=number, problem=problem)
        if await query(shop, attempt_id, actor) not in ("closed", "refunded"):
            return True
    await shop.db.write(writes.end_close, attempt_id)
    return True


@does(Work.MONEY)
async def query(shop: Shop, attempt_id: int, actor: Actor) -> str:
    """Ask the gateway about one attempt and settle what it says; its word: paid, pending, failed, closed or unknown."""
    about = await shop.db.read(tried, attempt_id)
    attempt, account = about.attempt, about.account
    try:
        notice = await gateways.made(shop, account).query(intent_of(shop, about, actor))
    except (GatewayFailed, NotFound) as failed:
        problem, _ = _said(failed)
        shop.log.warning("gateway could not be asked", gateway=account.name, attempt=attempt.attempt_no, problem=problem)
        return "unknown"
    if notice is None or notice.attempt_no != attempt.attempt_no:
        return "unknown"
    if notice.is_hint:
        shop.log.warning("gateway says paid, and proves it by nothing", gateway=account.name, attempt=attempt.attempt_no)
        await shop.db.write(settle.put_on_desk, attempt.attempt_id, actor)
        return "unknown"
    if notice.state in ("paid", "refunded", "disputed"):
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
    """Ask about a due attempt unless another node took it; whether it was asked. One slow gateway holds up no other's round."""
    taken = await shop.db.write(writes.plan_query, attempt_id, lease=QUERY_LEASE)
    if taken is None:
        return False
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await query(shop, attempt_id, actor)
    except TimeoutError:
        shop.log.warning("gateway did not answer in time; it will be asked again", attempt=taken.attempt_no)
    return True


def _said(failed: GatewayFailed | NotFound) -> tuple[str, bool]:
    """What went wrong, and whether the gateway may have heard us all the same."""
    return (failed.problem, failed.is_unclear) if isinstance(failed, GatewayFailed) else (failed.text(), False)


def intent_of(shop: Shop, about: Tried, actor: Actor) -> Intent:
    """What a gateway was or is asked by an attempt."""
    return about.attempt.intent(**_said_of(shop, about.account, about.order.order_no, about.order.locale, actor))


def _said_of(shop: Shop, account: GatewayAccount, order_no: str, locale: str, actor: Actor) -> dict[str, str]:
    base = f"{shop.base_url}/pay/{account.name}"
    return {
        "title": f"{shop.settings.text('shop.name')} {order_no}",  # what was bought is nobody else's business (N31)
        "callback_url": f"{base}/callback",
        "return_url": f"{base}/return",
        "client_ip": actor.ip or "127.0.0.1",
        "locale": locale,
    }
