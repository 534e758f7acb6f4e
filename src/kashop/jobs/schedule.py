"""All periodic work on one page."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import msgspec

from kashop.accounts import writes as accounts
from kashop.accounts.factors import writes as factors
from kashop.flows import (
    attempts,
    checkout,
    checkpoint,
    deliver,
    inbox,
    nodes,
    notices,
    reconcile,
    refunds,
    rotate,
    settings,
    supply,
    vault,
)
from kashop.lib.actor import SYSTEM
from kashop.lib.clock import DAY, HOUR, SECOND
from kashop.notices import writes as notice_writes
from kashop.notices.rules import KEEP
from kashop.orders import reads as orders
from kashop.orders import writes as order_writes
from kashop.payments import reads as payments
from kashop.payments import writes as payment_writes
from kashop.payments.refunding import reads as refunding
from kashop.payments.rows import Callback
from kashop.risk import writes as risk_writes
from kashop.shop import Shop
from kashop.vault import writes as vault_writes


class Job(msgspec.Struct, frozen=True):
    """`work(shop)` every so many seconds; it returns how much it did. `is_everywhere`: in a server without jobs too, since it
    concerns that process itself."""

    name: str
    every: int
    work: Callable[[Shop], Awaitable[int]]
    is_everywhere: bool = False


async def expire_orders(shop: Shop) -> int:
    """End unpaid orders whose deadline has passed, asking their gateways once more."""
    due = await shop.db.read(orders.due, limit=500)
    return await _all(checkout.expire(shop, order_id, SYSTEM) for order_id in due)


async def query_attempts(shop: Shop) -> int:
    """Ask gateways about attempts that nobody called back about."""
    due = await shop.db.read(payments.due_queries, limit=300)
    return await _all(attempts.query_due(shop, attempt_id, SYSTEM) for attempt_id in due)


async def close_attempts(shop: Shop) -> int:
    """Tell gateways of attempts that nobody is to pay any more."""
    due = await shop.db.read(payments.due_closes, limit=100)
    return await _all(attempts.close_due(shop, attempt_id, SYSTEM) for attempt_id in due)


async def settle_refunds(shop: Shop) -> int:
    """Send back what is to go back, and ask gateways what became of refunds that they have not settled."""
    due = await shop.db.read(refunding.due, limit=100)
    return await _all(refunds.go_on(shop, refund_id) for refund_id in due)


async def sweep_undelivered(shop: Shop) -> int:
    """Deliver what was paid and could not be delivered then."""
    return await deliver.sweep(shop, older_than=5 * SECOND)


async def read_callbacks(shop: Shop) -> int:
    """Read callbacks that were stored just before the process died."""
    unread = await shop.db.read(payments.unread_callbacks, shop.clock.now() - 30 * SECOND, limit=100)
    return await _all(_reread(shop, callback) for callback in unread)


async def _reread(shop: Shop, callback: Callback) -> bool:
    await inbox.reread(shop, callback)
    return True


async def reconcile_days(shop: Shop) -> int:
    """Fetch the statements of days that are over, and hold them against what was recorded."""
    return await reconcile.run_due(shop)


async def _all(works: Iterable[Coroutine[Any, Any, bool]]) -> int:
    """How many did something. One that breaks holds up no other; its error is raised when all have ended."""
    ended = await asyncio.gather(*works, return_exceptions=True)
    for error in ended:
        if isinstance(error, BaseException):
            raise error
    return sum(did is True for did in ended)


async def open_sealed(shop: Shop) -> int:
    """Open suppliers' batches that wait."""
    return await supply.open_due(shop)


async def forget(shop: Shop) -> int:
    """Drop callbacks, idempotency keys, staff sessions, import keys and notices past their keeping."""
    now = shop.clock.now()
    keep = shop.settings.number("callbacks.keep_days") * DAY
    rejected_before = now - inbox.KEEP_REJECTED_DAYS * DAY
    dropped = await shop.db.write(payment_writes.forget_callbacks, rejected_before=rejected_before, before=now - keep, limit=1000)
    dropped += await shop.db.write(accounts.sweep) + await shop.db.write(factors.sweep)
    dropped += await shop.db.write(notice_writes.forget, now - KEEP, limit=1000)
    dropped += await supply.forget_keys(shop)
    dropped += await shop.db.write(risk_writes.forget_spent, limit=10_000)
    if shop.db.has_nodes:
        dropped += await shop.db.write(risk_writes.forget_tries, told_before=now - HOUR, limit=10_000)
        dropped += await shop.db.write(vault_writes.forget_doors, unread_since=now - HOUR)
    return dropped + await shop.db.write(order_writes.forget_keys, now - 2 * DAY, limit=1000)


async def reload_settings(shop: Shop) -> int:
    """Take up settings that a command line or another server changed, and keep this server's number."""
    await settings.reload(shop)
    await nodes.keep(shop)
    return 0


async def watch_vault(shop: Shop) -> int:
    """Seal or unseal as another process was asked to, and deliver what waited."""
    return await vault.watch(shop)


async def rotate_keys(shop: Shop) -> int:
    """Begin a rotation of the data keys that is due, and work at the one that runs; while the vault is sealed it waits."""
    if shop.keyring.is_sealed:
        return 0
    await rotate.forget_destroyed(shop)
    await rotate.begin_when_due(shop)
    return await rotate.go_on(shop, rotate.BESIDE_SALES, seconds=60)


async def checkpoint_audit(shop: Shop) -> int:
    """Sign the head of the audit after 1,000 events or ten minutes, and send it off the host."""
    return await checkpoint.make_due(shop)


async def forget_personal(shop: Shop) -> int:
    """Erase personal values in the audit that are past their keeping."""
    return await checkpoint.forget_personal(shop)


async def send_notices(shop: Shop) -> int:
    """Tell by mail, webhook and file what is due."""
    return await notices.send_due(shop)


SCHEDULE = (
    Job("watch_vault", 2, watch_vault, is_everywhere=True),
    Job("expire_orders", 10, expire_orders),
    Job("query_attempts", 10, query_attempts),
    Job("close_attempts", 10, close_attempts),
    Job("settle_refunds", 5, settle_refunds),
    Job("sweep_undelivered", 15, sweep_undelivered),
    Job("read_callbacks", 20, read_callbacks),
    Job("open_sealed", 10, open_sealed),
    Job("reload_settings", 10, reload_settings, is_everywhere=True),
    Job("reconcile", 60, reconcile_days),
    Job("forget", 600, forget),
    Job("checkpoint_audit", 30, checkpoint_audit),
    Job("forget_personal", 3600, forget_personal),
    Job("send_notices", 5, send_notices),
    Job("rotate_keys", 5, rotate_keys),
)
