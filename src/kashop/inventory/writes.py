"""Changes of the stock. Every one of them keeps `stock_counts` in step."""

import msgspec

from kashop.audit.writes import record
from kashop.db import Tx
from kashop.inventory import reads
from kashop.inventory.batches.writes import take_back
from kashop.inventory.codelist.reads import get as get_code
from kashop.inventory.types import Added, BatchDraft, Ending, SealedCode
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.errors import Conflict, SoldOut
from kashop.vault import OldEpoch
from kashop.vault.reads import find_data_key


class BatchStopped(Conflict):
    """The batch takes no more codes: somebody ended its import."""

    code = "batch_stopped"


def open_batch(tx: Tx, draft: BatchDraft, actor: Actor) -> int:
    """Begin an import; its id."""
    sql = """INSERT INTO batches (product_id, sku_id, pool_id, kind, name, source, source_digest, supplier, note, cost_minor,
               expires_on, rows_total, status, created_by, created_at, touched_at)
             VALUES (:product_id, :sku_id, :pool_id, :kind, :name, :source, :source_digest, :supplier, :note, :cost_minor,
               :expires_on, :rows_total, 'importing', :by, :now, :now)
             RETURNING batch_id"""
    batch_id = int(tx.value(sql, by=str(actor), now=tx.now, **msgspec.structs.asdict(draft)))
    record(tx, "batch.opened", actor, ("batch", batch_id), sku=draft.sku_id, pool=draft.pool_id, batch=draft.name)
    return batch_id


def add_codes(tx: Tx, batch_id: int, codes: list[SealedCode], *, rows_read: int = 0, known: int = 0) -> Added:
    """Put one chunk of a batch on the shelf, whole or not at all; what the shop has ever held is left out and named.

    `known` were left out before. Raises BatchStopped, and OldEpoch while any is not sealed under the product's newest key: epochs
    never mix.
    """
    intake = reads.find_intake(tx, batch_id)
    if intake is None or intake.status != "importing":
        raise BatchStopped("The import was stopped.")
    refuse_old_epoch(tx, intake.product_id, codes)
    added = _shelved(tx, batch_id, codes)
    sql = """UPDATE batches SET imported = imported + :added, duplicates = duplicates + :duplicates, rows_read = :rows_read,
               touched_at = :now
             WHERE batch_id = :batch_id"""
    duplicates = known + len(codes) - added
    tx.run(sql, batch_id=batch_id, added=added, duplicates=duplicates, rows_read=rows_read, now=tx.now)
    sql = """INSERT INTO stock_counts (sku_id, pool_id, free) VALUES (:sku_id, :pool_id, :added)
             ON CONFLICT (sku_id, pool_id) DO UPDATE SET free = stock_counts.free + excluded.free"""
    tx.run(sql, sku_id=intake.sku_id, pool_id=intake.pool_id, added=added)
    return Added(added, {} if added == len(codes) else _brought_by_others(tx, codes))


def _shelved(tx: Tx, batch_id: int, codes: list[SealedCode]) -> int:
    """All of them in one statement, over a table that is empty again at its end.

    One by one, each would have first written down what its trigger may undo: with a thousand codes, nine tenths of the time.
    """
    sql = """INSERT INTO intake (code_id, batch_id, epoch, sealed, fingerprint, cost_minor, expires_on)
             VALUES (:code_id, :batch_id, :epoch, :sealed, :fingerprint, :cost_minor, :expires_on)"""
    if codes:
        tx.many(sql, [_row(code, batch_id) for code in codes])
    sql = """INSERT INTO codes (code_id, product_id, sku_id, pool_id, batch_id, epoch, sealed, fingerprint, status, cost_minor,
               expires_on, changed_at)
             SELECT i.code_id, b.product_id, b.sku_id, b.pool_id, b.batch_id, i.epoch, i.sealed, i.fingerprint, 'free',
               i.cost_minor, i.expires_on, CAST(:now AS BIGINT)
             FROM intake i JOIN batches b ON b.batch_id = i.batch_id
             WHERE i.batch_id = :batch_id ORDER BY i.code_id
             ON CONFLICT (fingerprint) DO NOTHING"""
    added = tx.run(sql, batch_id=batch_id, now=tx.now)
    tx.run("DELETE FROM intake WHERE batch_id = :batch_id", batch_id=batch_id)
    return added


def _row(code: SealedCode, batch_id: int) -> dict[str, object]:
    # spelt out: asdict would be a tenth of an import's time
    return {
        "code_id": code.code_id,
        "batch_id": batch_id,
        "epoch": code.epoch,
        "sealed": code.sealed,
        "fingerprint": code.fingerprint,
        "cost_minor": code.cost_minor,
        "expires_on": code.expires_on,
    }


def _brought_by_others(tx: Tx, codes: list[SealedCode]) -> dict[bytes, str]:
    ours = {code.code_id for code in codes}
    return {c.fingerprint: c.status for c in reads.known_codes(tx, [c.fingerprint for c in codes]) if c.code_id not in ours}


def refuse_old_epoch(tx: Tx, product_id: int, codes: list[SealedCode]) -> None:
    """Raises OldEpoch unless every code is sealed under the product's newest data key."""
    newest = find_data_key(tx, product_id)
    if newest is None or any(code.epoch != newest.epoch for code in codes):
        raise OldEpoch


def close_batch(tx: Tx, batch_id: int, ending: Ending, actor: Actor, *, digest: bytes) -> str:
    """End an import; its status then. The one row of the audit that tells the whole import, with the digest of its file."""
    sql = """UPDATE batches SET status = CASE WHEN status = 'importing' THEN 'done' ELSE status END,
               duplicates = duplicates + :duplicates, bad = :bad, rows_read = :rows_read, touched_at = :now, ended_at = :now
             WHERE batch_id = :batch_id AND ended_at IS NULL RETURNING imported"""
    values = {"duplicates": ending.duplicates, "bad": ending.bad, "rows_read": ending.rows_read}
    imported = tx.value(sql, batch_id=batch_id, now=tx.now, **values)
    if imported is None:
        return "done"
    if ending.rejects.listed:
        sql = "INSERT INTO batch_rejects (batch_id, listed, content) VALUES (:batch_id, :listed, :content)"
        tx.run(sql, batch_id=batch_id, listed=ending.rejects.listed, content=ending.rejects.content)
    batch = reads.get_batch(tx, batch_id)
    told = {"imported": imported, "duplicates": batch.duplicates, "bad": ending.bad, "rows": ending.rows_read}
    record(tx, "batch.imported", actor, ("batch", batch_id), digest=digest.hex(), status=batch.status, **told)
    return batch.status


def stop_batch(tx: Tx, batch_id: int, actor: Actor, *, why: str = "cancelled") -> bool:
    """Let an import take no more codes; whether it was at work. What it has brought stays."""
    sql = "UPDATE batches SET status = 'stopped', touched_at = :now WHERE batch_id = :batch_id AND status = 'importing'"
    if not tx.run(sql, batch_id=batch_id, now=tx.now):
        return False
    record(tx, "batch.stopped", actor, ("batch", batch_id), why=why)
    return True


def hold(tx: Tx, *, line_id: int, sku_id: int, pool_id: int, quantity: int, until: int) -> None:
    """Take codes off the shelf for a line until a deadline, oldest first. Raises SoldOut, having taken none."""
    count_held(tx, sku_id=sku_id, pool_id=pool_id, quantity=quantity)
    hold_counted(tx, line_id=line_id, sku_id=sku_id, pool_id=pool_id, quantity=quantity, until=until)


def count_held(tx: Tx, *, sku_id: int, pool_id: int, quantity: int) -> None:
    """Count codes as held that `hold_counted` is about to take. Raises SoldOut, having changed nothing."""
    if not tx.run(_TAKE_COUNT, sku_id=sku_id, pool_id=pool_id, quantity=quantity):
        raise SoldOut("Sold out: fewer are left than you asked for.")


def hold_counted(tx: Tx, *, line_id: int, sku_id: int, pool_id: int, quantity: int, until: int) -> None:
    """Take codes off the shelf that are counted as held already. Raises SoldOut, having taken and counted none."""
    # chosen once, whatever the plan: PostgreSQL may look into a plain sub-query again for each row, and what is locked by then it
    # skips, so that one order takes a whole shelf (tests/inventory/test_hold.py)
    sql = """UPDATE codes SET status = 'held', line_id = :line_id, held_until = :until, changed_at = :now
             WHERE code_id IN (WITH chosen AS MATERIALIZED (SELECT code_id FROM codes
                                 WHERE sku_id = :sku_id AND pool_id = :pool_id AND status = 'free'
                                 ORDER BY code_id LIMIT :quantity /*+skip_locked*/)
                               SELECT code_id FROM chosen)"""
    taken = tx.run(sql, line_id=line_id, sku_id=sku_id, pool_id=pool_id, quantity=quantity, until=until, now=tx.now)
    if taken != quantity:  # the count promised more than there is: give back what was taken, and the rest of the count
        release(tx, line_id=line_id, sku_id=sku_id, pool_id=pool_id)
        tx.run(_TAKE_COUNT, sku_id=sku_id, pool_id=pool_id, quantity=taken - quantity)
        raise SoldOut("Sold out: fewer are left than you asked for.")


_TAKE_COUNT = """UPDATE stock_counts SET free = free - :quantity, held = held + :quantity
                 WHERE sku_id = :sku_id AND pool_id = :pool_id AND free >= :quantity"""


def release(tx: Tx, *, line_id: int, sku_id: int, pool_id: int) -> int:
    """Give a line's held codes back; how many. Again: none. Those of a batch that was undone meanwhile go out of sale with it."""
    undone = reads.undone_batches_held(tx, line_id)
    sql = """UPDATE codes SET status = 'free', line_id = NULL, held_until = NULL, changed_at = :now
             WHERE line_id = :line_id AND status = 'held'"""
    count = tx.run(sql, line_id=line_id, now=tx.now)
    sql = """UPDATE stock_counts SET free = free + :count, held = held - :count
             WHERE sku_id = :sku_id AND pool_id = :pool_id"""
    tx.run(sql, sku_id=sku_id, pool_id=pool_id, count=count)
    for batch_id in undone:
        take_back(tx, batch_id, SYSTEM)
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
    """What staff deliver by hand goes into the vault already sold to its line; the codes' ids. Raises OldEpoch."""
    refuse_old_epoch(tx, draft.product_id, codes)
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
    sql = "UPDATE batches SET imported = :count, status = 'done', ended_at = :now WHERE batch_id = :batch_id"
    tx.run(sql, batch_id=batch_id, count=len(codes), now=tx.now)
    sql = """INSERT INTO stock_counts (sku_id, pool_id, sold) VALUES (:sku_id, :pool_id, :count)
             ON CONFLICT (sku_id, pool_id) DO UPDATE SET sold = stock_counts.sold + excluded.sold"""
    tx.run(sql, sku_id=draft.sku_id, pool_id=draft.pool_id, count=len(codes))
    return [code.code_id for code in codes]


def edit_code(tx: Tx, code_id: int, *, version: int, cost_minor: int, expires_on: str, note: str, actor: Actor) -> bool:
    """Change what is noted of a code; whether nobody and nothing had changed it since `version`, its `changed_at`."""
    before = get_code(tx, code_id)
    # one moment later than any change that the editor can have seen, so that two edits within a millisecond are told apart
    now = max(tx.now, version + 1)
    sql = """UPDATE codes SET cost_minor = :cost_minor, expires_on = :expires_on, note = :note, changed_at = :now
             WHERE code_id = :code_id AND changed_at = :version"""
    if not tx.run(sql, cost_minor=cost_minor, expires_on=expires_on, note=note, now=now, code_id=code_id, version=version):
        return False
    was = {"cost": before.cost_minor, "expires": before.expires_on, "note": before.note}
    now_is = {"cost": cost_minor, "expires": expires_on, "note": note}
    changed = {name: [was[name], now_is[name]] for name in was if was[name] != now_is[name]}
    if changed:
        record(tx, "code.edited", actor, ("code", code_id), changed=changed)
    return True


def forget_counts(tx: Tx, product_id: int) -> None:
    """Drop the kept counts of a product that never had a code."""
    sql = """DELETE FROM stock_counts WHERE free + held + sold + void = 0
               AND sku_id IN (SELECT sku_id FROM skus WHERE product_id = :product_id)"""
    tx.run(sql, product_id=product_id)
