"""What may be done with an import afterwards: stop it, take it back, change what is noted of it."""

import asyncio

from kashop.db.queue import Work, does
from kashop.flows.restock.types import Lot
from kashop.flows.restock.verbs import checked
from kashop.inventory import writes as stock
from kashop.inventory.batches import writes
from kashop.inventory.types import BatchEdit
from kashop.lib import money
from kashop.lib.actor import Actor
from kashop.lib.errors import Invalid
from kashop.shop import Shop

_PAUSE = 0.01


async def stop(shop: Shop, batch_id: int, actor: Actor) -> bool:
    """Let an import take no more codes, whichever process it runs in; whether it was at work."""
    return await shop.db.write(stock.stop_batch, batch_id, actor)


@does(Work.BACKGROUND)
async def undo(shop: Shop, batch_id: int, actor: Actor, *, reason: str) -> int:
    """Take a whole batch back while none of its codes is held or sold; how many codes became void.

    They may be imported again. Raises Conflict, saying how many are held or sold. What buyers take while a large undo runs stays
    theirs.
    """
    if not 0 < len(reason.strip()) <= 300:
        raise Invalid.of("reason", "Say why: 1 to 300 characters.")
    taken = await shop.db.write(writes.begin_undo, batch_id, actor, reason=reason.strip())
    while not taken.is_done:
        await asyncio.sleep(_PAUSE)  # orders go through in between
        taken = await shop.db.write(writes.take_back, batch_id, actor)
    return taken.voided


@does(Work.BACKGROUND)
async def edit(shop: Shop, batch_id: int, lot: Lot, actor: Actor) -> None:
    """Change what is noted of a batch; unsold codes that cost what the batch cost take its new cost. Raises Invalid."""
    checked(lot)
    cost = money.parse(lot.cost or "0", shop.settings.text("shop.currency"), field="cost")
    new = BatchEdit(name=lot.batch, note=lot.note, supplier=lot.supplier, cost_minor=cost, expires_on=lot.expires)
    old = await shop.db.write(writes.edit_batch, batch_id, new, actor)
    after: int | None = 0
    while after is not None and old.cost_minor != cost:
        after = await shop.db.write(writes.cost_codes, batch_id, old=old.cost_minor, new=cost, after=after, limit=writes.AT_ONCE)
