"""The cashier's own book: what was asked of it and what was paid, kept in the plugin's store as a real
vendor would keep it.
"""

import asyncio
import secrets
import weakref
from typing import Any

from kashop.bundled.practice import signing
from kashop.plugins.api import Context, Intent

_locks: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]" = weakref.WeakKeyDictionary()


def lock() -> asyncio.Lock:
    """Held while an entry or the list of delayed callbacks is read and written back; one for each event
    loop.
    """
    return _locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def enter(ctx: Context, intent: Intent, account_key: str) -> str:
    """Write down what is to be paid, once; the attempt's key."""
    key = signing.attempt_key(account_key, intent.attempt_no)
    async with lock():
        if await ctx.store.get(_name(intent.attempt_no)) is None:
            entry = {
                "key_digest": signing.digest(key),
                "merchant": signing.merchant(account_key),
                "amount_minor": intent.amount_minor,
                "currency": intent.currency,
                "method": intent.method,
                "title": intent.title,
                "callback_url": intent.callback_url,
                "return_url": intent.return_url,
                "locale": intent.locale,
                "is_failed": False,
                "payments": [],
            }
            await ctx.store.set(_name(intent.attempt_no), entry)
    return key


async def find(ctx: Context, attempt_no: str) -> dict[str, Any] | None:
    """The entry of an attempt."""
    entry: dict[str, Any] | None = await ctx.store.get(_name(attempt_no))
    return entry


class Repeated(Exception):
    """The same press of a button came twice."""


async def pay(ctx: Context, attempt_no: str, amount_minor: int, *, seen: int) -> str:
    """Write down a payment; its number. `seen` payments stood on the page that was pressed, else Repeated."""
    txn = f"P{secrets.token_hex(10).upper()}"
    async with lock():
        entry = await ctx.store.get(_name(attempt_no))
        if len(entry["payments"]) != seen:
            raise Repeated
        entry["payments"].append({"txn": txn, "amount_minor": amount_minor})
        await ctx.store.set(_name(attempt_no), entry)
    return txn


async def fail(ctx: Context, attempt_no: str) -> None:
    """Write down that the payment failed."""
    async with lock():
        entry = await ctx.store.get(_name(attempt_no))
        entry["is_failed"] = True
        await ctx.store.set(_name(attempt_no), entry)


def _name(attempt_no: str) -> str:
    return f"attempt:{attempt_no}"
