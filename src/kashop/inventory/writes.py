"""Changes of the stock. Every one of them keeps `stock_counts` in step."""

import msgspec

from kashop.audit.writes import record
from kashop.db import Tx
from kashop.inventory.types import BatchDraft, SealedCode
from kashop.lib.actor import Actor
from kashop.lib.errors import SoldOut


def open_batch(tx: Tx, draft: BatchDraft, actor: Actor) -> int:
    """Begin an import; its id."""
    sql = """INSERT INTO batches (product_id, sku_id, pool_id, kind, name, source, source_digest, supplier, note, cost_minor,
               expires_on, status, created_by, created_at)
             VALUES (:product_id, :sku_id, :pool_id, :kind, :name, :source, :source_digest, :supplier, :note, :cost_minor,
               :expires_on, 'importing', :by, :now)
             RETURNING batch_id"""
    batch_id = int(tx.value(sql, by=str(actor), now=tx.now, **msgspec.structs.asdict(draft)))
    record(tx, "batch.opened", actor, ("batch", batch_id), sku=draft.sku_id, pool=draft.pool_id, batch=draft.name)
    return batch_id


def add_codes(tx: Tx, batch_id: int, codes: list[SealedCode]) -> int:
    """Put one chunk of a batch on the shelf; how many were new. Those the shop has ever held are counted as duplicates."""
    sql = """INSERT INTO codes (code_id, product_id, sku_id, pool_id, batch_id, epoch, sealed, fingerprint, status, cost_minor,
               expires_on, changed_at)
             SELECT :code_id, product_id, sku_id, pool_id, batch_id, :epoch, :sealed, :fingerprint, 'free', :cost_minor,
               :expires_on, :now
             FROM batches WHERE batch_id = :batch_id
             ON CONFLICT (fingerprint) DO NOTHING"""
    rows = [{**msgspec.structs.asdict(code), "batch_id": batch_id, "now": tx.now} for code in codes]
    added = tx.many(sql, rows)
    sql = """UPDATE batches SET imported = imported + :added, duplicates = duplicates + :duplicates
             WHERE batch_id = :batch_id"""
    tx.run(sql, batch_id=batch_id, added=added, duplicates=len(codes) - added)
    sql = """INSERT INTO stock_counts (sku_id, pool_id, free)
             SELECT sku_id, pool_id, CAST(:added AS BIGINT) FROM batches WHERE batch_id = :batch_id
             ON CONFLICT (sku_id, pool_id) DO UPDATE SET free = stock_counts.free + excluded.free"""
    tx.run(sql, batch_id=batch_id, added=added)
    return added


def close_batch(tx: Tx, batch_id: int, *, duplicates: int, bad: int, actor: Actor) -> None:
    """End an import; `duplicates` are those found within the file itself."""
    sql = """UPDATE batches SET status = 'done', duplicates = duplicates + :duplicates, bad = :bad
             WHERE batch_id = :batch_id AND status = 'importing' RETURNING imported"""
    imported = tx.value(sql, batch_id=batch_id, duplicates=duplicates, bad=bad)
    if imported is not None:
        record(
            tx,
            "batch.imported",
            actor,
            ("batch", batch_id),
            imported=imported,
            duplicates=duplicates,
            bad=bad,
        )


def hold(tx: Tx, *, line_id: int, sku_id: int, pool_id: int, quantity: int, until: int) -> None:
    """Take codes off the shelf for a line until a deadline, oldest first. Raises SoldOut, having taken none."""
    sql = """UPDATE codes SET status = 'held', line_id = :line_id, held_until = :until, changed_at = :now
             WHERE code_id IN (SELECT code_id FROM codes
                               WHERE sku_id = :sku_id AND pool_id = :pool_id AND status = 'free'
                               ORDER BY code_id LIMIT :quantity /*+skip_locked*/)"""
    if not tx.run(_TAKE_COUNT, sku_id=sku_id, pool_id=pool_id, quantity=quantity):
        raise SoldOut("Sold out: fewer are left than you asked for.")
    taken = tx.run(sql, line_id=line_id, sku_id=sku_id, pool_id=pool_id, quantity=quantity, until=until, now=tx.now)
    if taken != quantity:  # the count promised more than there is: give back what was taken, and the rest of the count
        release(tx, line_id=line_id, sku_id=sku_id, pool_id=pool_id)
        tx.run(_TAKE_COUNT, sku_id=sku_id, pool_id=pool_id, quantity=taken - quantity)
        raise SoldOut("Sold out: fewer are left than you asked for.")


_TAKE_COUNT = """UPDATE stock_counts SET free = free - :quantity, held = held + :quantity
                 WHERE sku_id = :sku_id AND pool_id = :pool_id AND free >= :quantity"""


def release(tx: Tx, *, line_id: int, sku_id: int, pool_id: int) -> int:
    """Give a line's held codes back; how many. Again: none."""
    sql = """UPDATE codes SET status = 'free', line_id = NULL, held_until = NULL, changed_at = :now
             WHERE line_id = :line_id AND status = 'held'"""
    count = tx.run(sql, line_id=line_id, now=tx.now)
    sql = """UPDATE stock_counts SET free = free + :count, held = held - :count
             WHERE sku_id = :sku_id AND pool_id = :pool_id"""
    tx.run(sql, sku_id=sku_id, pool_id=pool_id, count=count)
    return count


def sell(tx: Tx, *, line_id: int, sku_id: int, pool_id: int) -> list[int]:
    """Make a line's held codes its own for ever; their ids. Again: none."""
    sql = """UPDATE codes SET status = 'sold', held_until = NULL, changed_at = :now
             WHERE line_id = :line_id AND status = 'held' RETURNING code_id"""
    sold = sorted(tx.values(sql, line_id=line_id, now=tx.now))
    sql = """UPDATE stock_counts SET held = held - :count, sold = sold + :count
             WHERE sku_id = :sku_id AND pool_id = :pool_id"""
    tx.run(sql, sku_id=sku_id, pool_id=pool_id, count=len(sold))
    return sold


def void(tx: Tx, code_id: int, *, reason: str, actor: Actor) -> bool:
    """Take a free code out of sale for ever; whether it was free."""
    sql = """UPDATE codes SET status = 'void', changed_at = :now WHERE code_id = :code_id AND status = 'free'"""
    if not tx.run(sql, code_id=code_id, now=tx.now):
        return False
    sql = """UPDATE stock_counts SET free = free - 1, void = void + 1
             WHERE (sku_id, pool_id) = (SELECT sku_id, pool_id FROM codes WHERE code_id = :code_id)"""
    tx.run(sql, code_id=code_id)
    record(tx, "code.voided", actor, ("code", code_id), reason=reason)
    return True


def add_sold(tx: Tx, draft: BatchDraft, codes: list[SealedCode], *, line_id: int, actor: Actor) -> list[int]:
    """What staff deliver by hand goes into the vault already sold to its line; the codes' ids."""
    batch_id = open_batch(tx, draft, actor)
    sql = """INSERT INTO codes (code_id, product_id, sku_id, pool_id, batch_id, epoch, sealed, fingerprint, status, line_id,
               cost_minor, expires_on, changed_at)
             VALUES (:code_id, :product_id, :sku_id, :pool_id, :batch_id, :epoch, :sealed, :fingerprint, 'sold', :line_id,
               :cost_minor, :expires_on, :now)"""
    where = {
        "product_id": draft.product_id,
        "sku_id": draft.sku_id,
        "pool_id": draft.pool_id,
        "batch_id": batch_id,
    }
    tx.many(sql, [{**msgspec.structs.asdict(code), **where, "line_id": line_id, "now": tx.now} for code in codes])
    sql = "UPDATE batches SET imported = :count, status = 'done' WHERE batch_id = :batch_id"
    tx.run(sql, batch_id=batch_id, count=len(codes))
    sql = """INSERT INTO stock_counts (sku_id, pool_id, sold) VALUES (:sku_id, :pool_id, :count)
             ON CONFLICT (sku_id, pool_id) DO UPDATE SET sold = stock_counts.sold + excluded.sold"""
    tx.run(sql, sku_id=draft.sku_id, pool_id=draft.pool_id, count=len(codes))
    return [code.code_id for code in codes]
