"""Changes of whole batches (docs/decisions/0015). Each keeps `stock_counts` in step."""

import msgspec

from kashop.audit.writes import record
from kashop.db import Tx
from kashop.inventory import reads
from kashop.inventory.rules import undone_fingerprint
from kashop.inventory.types import Batch, BatchEdit, TakenBack
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict

AT_ONCE = 2000
"""Codes that one change may take back."""


def edit_batch(tx: Tx, batch_id: int, edit: BatchEdit, actor: Actor) -> Batch:
    """Change what is noted of a batch; the batch as it was. Nothing is written when nothing changed."""
    old = reads.get_batch(tx, batch_id)
    changed = {
        name: [getattr(old, name), value] for name, value in msgspec.structs.asdict(edit).items() if value != getattr(old, name)
    }
    if not changed:
        return old
    sql = """UPDATE batches SET name = :name, note = :note, supplier = :supplier, cost_minor = :cost_minor,
               expires_on = :expires_on
             WHERE batch_id = :batch_id"""
    tx.run(sql, batch_id=batch_id, **msgspec.structs.asdict(edit))
    record(tx, "batch.edited", actor, ("batch", batch_id), changed=changed)
    return old


def cost_codes(tx: Tx, batch_id: int, *, old: int, new: int, after: int, limit: int) -> int | None:
    """Give unsold codes of a batch that cost what the batch cost its new cost; the last one looked at, None at the end."""
    ids = reads.unsold_codes_of(tx, batch_id, after=after, limit=limit)
    if not ids:
        return None
    sql = """UPDATE codes SET cost_minor = :new
             WHERE batch_id = :batch_id AND code_id > :after AND code_id <= :last AND cost_minor = :old
               AND status IN ('free', 'held')"""
    tx.run(sql, batch_id=batch_id, after=after, last=ids[-1], old=old, new=new)
    return ids[-1]


def begin_undo(tx: Tx, batch_id: int, actor: Actor, *, reason: str) -> TakenBack:
    """Begin to take a batch back, or go on with it; a small one is done at once.

    Raises Conflict, saying how many, when any of its codes is held or sold, and while it is still being imported.
    """
    batch = reads.get_batch(tx, batch_id)
    if batch.status == "importing":
        raise Conflict("This import is still at work: stop it first.")
    if batch.status == "undone":
        raise Conflict("This import has been undone already.")
    if batch.status != "undoing":
        counts = reads.batch_counts(tx, batch_id)
        if counts.held or counts.sold:
            raise Conflict(
                "This import cannot be undone: {sold} of its codes are sold and {held} are held for orders.",
                sold=counts.sold,
                held=counts.held,
            )
        tx.run(
            "UPDATE batches SET status = 'undoing', touched_at = :now WHERE batch_id = :batch_id", batch_id=batch_id, now=tx.now
        )
        record(tx, "batch.undoing", actor, ("batch", batch_id), reason=reason, free=counts.free)
    return take_back(tx, batch_id, actor)


def take_back(tx: Tx, batch_id: int, actor: Actor) -> TakenBack:
    """Make some free codes of a batch that is being undone void, and let their fingerprints go; with the last, end the undo.

    Of one that is undone: those that a buyer held meanwhile and gave back.
    """
    codes = reads.free_codes_of(tx, batch_id, limit=AT_ONCE)
    sql = """UPDATE codes SET status = 'void', fingerprint = :undone, released_fingerprint = :fingerprint, changed_at = :now
             WHERE code_id = :code_id AND status = 'free'"""
    rows = [
        {
            "code_id": c.code_id,
            "fingerprint": c.fingerprint,
            "undone": undone_fingerprint(c.fingerprint, c.code_id),
            "now": tx.now,
        }
        for c in codes
    ]
    voided = tx.many(sql, rows) if rows else 0
    sql = """UPDATE stock_counts SET free = free - :voided, void = void + :voided
             WHERE (sku_id, pool_id) = (SELECT sku_id, pool_id FROM batches WHERE batch_id = :batch_id)"""
    tx.run(sql, voided=voided, batch_id=batch_id)
    sql = """UPDATE batches SET taken_back = taken_back + :voided, touched_at = :now WHERE batch_id = :batch_id
             RETURNING taken_back"""
    in_all = int(tx.value(sql, voided=voided, batch_id=batch_id, now=tx.now))
    is_done = len(codes) < AT_ONCE
    sql = "UPDATE batches SET status = 'undone' WHERE batch_id = :id AND status IN ('undoing', :again)"
    if is_done and tx.run(sql, id=batch_id, again="undone" if voided else "undoing"):
        kept = reads.batch_counts(tx, batch_id)
        record(tx, "batch.undone", actor, ("batch", batch_id), voided=in_all, held=kept.held, sold=kept.sold)
    return TakenBack(in_all, is_done)
