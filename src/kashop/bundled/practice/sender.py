"""Sends the cashier's callbacks over HTTP: at once, ten times, late, or with a wrong signature.

Always true: a delayed callback is in the store before its delay begins and leaves it when it was sent, so a
restart loses none.
"""

import asyncio
from typing import Any

from kashop.bundled.practice import book
from kashop.plugins.api import SECOND, Context, HttpFailed

DELAYED = "delayed"
RETRY_SECONDS = (1, 3, 10)
"""As real vendors do when the shop does not say success; they go on for a day, practice gives up sooner."""


async def send(ctx: Context, url: str, fields: dict[str, str]) -> bool:
    """Post one callback; whether the shop took it."""
    try:
        reply = await ctx.http.post(url, form=fields)
    except HttpFailed as failed:
        ctx.log.warning("practice callback failed", attempt=fields["attempt"], problem=failed.problem)
        return False
    is_taken = reply.status == 200 and reply.body.strip() == b"success"
    ctx.log.info("practice callback sent", attempt=fields["attempt"], status=reply.status, is_taken=is_taken)
    return is_taken


async def send_surely(ctx: Context, url: str, fields: dict[str, str]) -> None:
    """Post one callback, and again in the background until the shop takes it or patience ends."""
    if not await send(ctx, url, fields):
        ctx.spawn(_repeat(ctx, url, fields))


async def _repeat(ctx: Context, url: str, fields: dict[str, str]) -> None:
    for seconds in RETRY_SECONDS:
        await asyncio.sleep(seconds)
        if await send(ctx, url, fields):
            return


async def send_later(ctx: Context, url: str, fields: dict[str, str], *, seconds: int) -> None:
    """Post one callback after a delay, even if the shop stops in between."""
    item = {"at": ctx.clock.now() + seconds * SECOND, "url": url, "fields": fields}
    async with book.lock():
        await ctx.store.set(DELAYED, [*await owed(ctx), item])
    ctx.spawn(_wait_and_send(ctx, item))


async def resume(ctx: Context) -> None:
    """Take up the delayed callbacks of an earlier run."""
    for item in await owed(ctx):
        ctx.spawn(_wait_and_send(ctx, item))


async def owed(ctx: Context) -> list[dict[str, Any]]:
    """The delayed callbacks that were not sent yet."""
    return await ctx.store.get(DELAYED) or []


async def _wait_and_send(ctx: Context, item: dict[str, Any]) -> None:
    await asyncio.sleep(max(0, item["at"] - ctx.clock.now()) / SECOND)
    await send_surely(ctx, item["url"], item["fields"])
    async with book.lock():
        await ctx.store.set(DELAYED, [other for other in await owed(ctx) if other != item])
