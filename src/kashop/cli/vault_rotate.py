"""`kashop vault rotate`: fresh data keys, every code sealed anew. Beside a running server the server does the work."""

import asyncio
from pathlib import Path
from typing import Any

import rich_click as click

from kashop.cli import frame, show
from kashop.db.locks import ServerLock
from kashop.flows import rotate as rotation
from kashop.lib.errors import Conflict, NotFound
from kashop.shop import Shop
from kashop.vault.rotation import reads
from kashop.vault.rotation.types import Rotation, Unreadable

LOOK_EVERY = 0.5
STILL_AFTER = 60_000
"""Milliseconds without a step after which whoever waits is told."""


@click.command("rotate")
@frame.shop_options
@click.option("--product", "slug", default="", metavar="SLUG", help="Only this product's codes.")
@click.option("--wait", "is_waited", is_flag=True, help="Beside a running server: show how far it is until it is done.")
@click.option("--resume", "is_resumed", is_flag=True, help="Go on with a rotation that was interrupted, and begin none.")
@click.option("--status", "is_asked", is_flag=True, help="Only say how far the last rotation is.")
@click.pass_context
def rotate(
    ctx: click.Context, *, data: Path, is_json: bool, slug: str, is_waited: bool, is_resumed: bool, is_asked: bool
) -> None:
    """Make fresh data keys and seal every code anew under them, while the shop sells.

    Without a server it works here and now; beside one the server does it in the background. It may be interrupted at any moment.
    The old keys are destroyed at its end. Exit 1 when a code did not open: its old key is kept.
    """
    if is_asked + is_resumed + bool(slug) > 1:
        raise click.UsageError("--status, --resume and --product do not go together.")

    async def work(shop: Shop) -> tuple[Rotation, list[Unreadable]]:
        if not is_asked:
            await _work(shop, slug, is_waited=is_waited, is_resumed=is_resumed)
        newest = await shop.db.read(reads.find_newest)
        if newest is None:
            raise NotFound("The keys of this shop were never rotated.")
        return newest, await shop.db.read(reads.unreadable, newest.rotation_id, newest.sweep)

    newest, unreadable = frame.run(data, work)
    if is_json:
        show.as_json(_plain(newest, unreadable))
    else:
        _tell(newest, unreadable)
    if newest.status == "incomplete":
        ctx.exit(1)


async def _work(shop: Shop, slug: str, *, is_waited: bool, is_resumed: bool) -> None:
    if not is_resumed:
        await rotation.begin(shop, frame.actor(), slug=slug)
    elif await shop.db.read(reads.find_running) is None:
        raise Conflict("No rotation is under way.")
    if ServerLock(shop.config.data).holder() is None:
        await rotation.go_on(shop, rotation.ALONE, told=_Progress().show)
    elif is_waited or is_resumed:
        await _wait(shop)


async def _wait(shop: Shop) -> None:
    progress, has_told = _Progress(), False
    while (running := await shop.db.read(reads.find_running)) is not None:
        progress.show(running)
        if running.moved_at + STILL_AFTER < shop.clock.now() and not has_told:
            show.aside("It does not move. Is the vault sealed, or does the server run without jobs?")
            has_told = True
        await asyncio.sleep(LOOK_EVERY)


class _Progress:
    """A line on stderr for each twentieth of the way."""

    def __init__(self) -> None:
        self._told = -1

    def show(self, r: Rotation) -> None:
        """Say how far it is, if that is news."""
        twentieth = 20 * r.done // max(r.total, 1)
        if twentieth > self._told:
            self._told = twentieth
            show.aside(f"{r.done} of {r.total} codes are sealed anew.")


def _tell(r: Rotation, unreadable: list[Unreadable]) -> None:
    if r.status == "running":
        show.line(f"Under way: {r.done} of {r.total} codes are sealed anew.")
    else:
        show.line("Done: the old keys are destroyed." if r.status == "done" else f"Not complete: {r.witness}.")
    show.line(f"Before: {r.codes_before} codes, {r.fingerprints_before} fingerprints, {r.keys_before} data keys.")
    if r.status != "running":
        show.line(f"After:  {r.codes_after} codes, {r.fingerprints_after} fingerprints, {r.keys_after} data keys.")
    if r.unreadable:
        show.line(f"{r.unreadable} codes do not open and were left as they are, with the old keys of their products:")
        for code in unreadable:
            show.line(f"  code {code.code_id}, product {code.product_id}, epoch {code.epoch}")
        show.line("Restore them from a backup, then rotate again.")


def _plain(r: Rotation, unreadable: list[Unreadable]) -> dict[str, Any]:
    return {
        "rotation": r.rotation_id,
        "product_id": r.product_id,
        "status": r.status,
        "done": r.done,
        "total": r.total,
        "before": {"codes": r.codes_before, "fingerprints": r.fingerprints_before, "data_keys": r.keys_before},
        "after": None
        if r.ended_at is None
        else {"codes": r.codes_after, "fingerprints": r.fingerprints_after, "data_keys": r.keys_after},
        "unreadable": r.unreadable,
        "witness": r.witness or None,
        "first_unreadable": [{"code_id": c.code_id, "product_id": c.product_id, "epoch": c.epoch} for c in unreadable],
        "started_at": r.started_at,
        "ended_at": r.ended_at,
    }
