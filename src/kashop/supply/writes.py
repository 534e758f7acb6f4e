"""Changes of suppliers, import keys and sealed batches. A batch's state moves by compare-and-set only."""

from collections.abc import Iterable
from typing import Any

import msgspec

from kashop.audit.writes import record
from kashop.db import Tx
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.clock import DAY, MINUTE
from kashop.lib.errors import Conflict, Invalid
from kashop.lib.text import is_plain
from kashop.supply import reads
from kashop.supply.sealedbatch import Head, fingerprint
from kashop.supply.types import Counts, ImportKey, Supplier

JOIN_LIFETIME = 7 * DAY
LEASE = 10 * MINUTE
MOST_NAME = 80


def add_import_key(tx: Tx, *, public_key: bytes, sealed: bytes, actor: Actor, only_first: bool = False) -> ImportKey:
    """A new key to seal for; the present one is retired. With `only_first` the present one stays, if there is one."""
    present = reads.current_import_key(tx)
    if present is not None and only_first:
        return present
    if present is not None:
        sql = "UPDATE import_keys SET retired_at = :now WHERE import_key_id = :import_key_id AND retired_at IS NULL"
        tx.run(sql, import_key_id=present.import_key_id, now=tx.now)
    name = fingerprint(public_key)
    sql = """INSERT INTO import_keys (name, public_key, sealed, created_at) VALUES (:name, :public_key, :sealed, :now)
             RETURNING import_key_id"""
    key_id = int(tx.value(sql, name=name, public_key=public_key, sealed=sealed, now=tx.now))
    record(tx, "import_key.made", actor, ("import_key", key_id), key=name)
    return ImportKey(key_id, name, public_key, sealed, tx.now, None)


def drop_import_keys(tx: Tx, before: int, actor: Actor) -> int:
    """Forget the private halves of keys retired before a moment, for which no batch waits; how many."""
    gone = reads.droppable_keys(tx, before)
    for key in gone:
        tx.run("UPDATE import_keys SET sealed = NULL WHERE import_key_id = :import_key_id", import_key_id=key.import_key_id)
        record(tx, "import_key.dropped", actor, ("import_key", key.import_key_id), key=key.name)
    return len(gone)


def add_supplier(tx: Tx, name: str, *, products: Iterable[int], is_trusted: bool, actor: Actor) -> int:
    """A supplier who may bring codes for some products; his id. Raises Invalid."""
    name = _checked_name(tx, name, 0)
    sql = """INSERT INTO suppliers (ref, name, is_trusted, created_at) VALUES (:ref, :name, :is_trusted, :now)
             RETURNING supplier_id"""
    supplier_id = int(tx.value(sql, ref=ids.random_text(16), name=name, is_trusted=int(is_trusted), now=tx.now))
    chosen = _allow(tx, supplier_id, products)
    record(tx, "supplier.added", actor, ("supplier", supplier_id), products=chosen, trusted=is_trusted)
    return supplier_id


def change_supplier(tx: Tx, supplier_id: int, name: str, *, products: Iterable[int], is_trusted: bool, actor: Actor) -> None:
    """Another name, other products, another policy. Raises Invalid or NotFound."""
    reads.get(tx, supplier_id)
    name = _checked_name(tx, name, supplier_id)
    sql = "UPDATE suppliers SET name = :name, is_trusted = :is_trusted WHERE supplier_id = :supplier_id"
    tx.run(sql, supplier_id=supplier_id, name=name, is_trusted=int(is_trusted))
    tx.run("DELETE FROM supplier_products WHERE supplier_id = :supplier_id", supplier_id=supplier_id)
    chosen = _allow(tx, supplier_id, products)
    record(tx, "supplier.changed", actor, ("supplier", supplier_id), products=chosen, trusted=is_trusted)


def set_disabled(tx: Tx, supplier_id: int, is_disabled: bool, actor: Actor) -> None:
    """Take nothing more from a supplier, or again; what waits is kept for staff to decide. Raises NotFound."""
    reads.get(tx, supplier_id)
    sql = """UPDATE suppliers SET is_disabled = :is_disabled, join_hash = NULL, join_until = 0
             WHERE supplier_id = :supplier_id AND is_disabled <> :is_disabled"""
    if tx.run(sql, supplier_id=supplier_id, is_disabled=int(is_disabled)):
        sql = "UPDATE sealed_batches SET status = 'held' WHERE supplier_id = :supplier_id AND status = 'waiting'"
        if is_disabled:
            tx.run(sql, supplier_id=supplier_id)
        record(tx, "supplier.disabled" if is_disabled else "supplier.enabled", actor, ("supplier", supplier_id))


def invite(tx: Tx, supplier_id: int, join_hash: bytes, actor: Actor) -> None:
    """Let a supplier register one key by a link; an earlier link ends. Raises NotFound or Conflict."""
    if reads.get(tx, supplier_id).is_disabled:
        raise Conflict("This supplier is disabled.")
    sql = "UPDATE suppliers SET join_hash = :join_hash, join_until = :until WHERE supplier_id = :supplier_id"
    tx.run(sql, supplier_id=supplier_id, join_hash=join_hash, until=tx.now + JOIN_LIFETIME)
    record(tx, "supplier.invited", actor, ("supplier", supplier_id))


def join(tx: Tx, join_hash: bytes, public_key: bytes, actor: Actor) -> Supplier | None:
    """A supplier's key comes in by his link, which then ends; None when there is no such link."""
    supplier = reads.find_joining(tx, join_hash)
    if supplier is None:
        return None
    offer_key(tx, supplier.supplier_id, public_key, actor)
    sql = "UPDATE suppliers SET join_hash = NULL, join_until = 0 WHERE supplier_id = :supplier_id"
    tx.run(sql, supplier_id=supplier.supplier_id)
    return supplier


def offer_key(tx: Tx, supplier_id: int, public_key: bytes, actor: Actor) -> int:
    """A key that counts once staff have confirmed it; it takes the place of another that waits. Raises Conflict."""
    if reads.is_key_known(tx, public_key):
        raise Conflict("This key was registered before. Make a new one.", code="key_known")
    sql = """UPDATE supplier_keys SET status = 'rejected', changed_at = :now
             WHERE supplier_id = :supplier_id AND status = 'offered'"""
    tx.run(sql, supplier_id=supplier_id, now=tx.now)
    sql = """INSERT INTO supplier_keys (supplier_id, public_key, status, offered_at, changed_at)
             VALUES (:supplier_id, :public_key, 'offered', :now, :now) RETURNING supplier_key_id"""
    key_id = int(tx.value(sql, supplier_id=supplier_id, public_key=public_key, now=tx.now))
    record(tx, "supplier.registered", actor, ("supplier", supplier_id), key=fingerprint(public_key))
    return key_id


def confirm_key(tx: Tx, supplier_id: int, supplier_key_id: int, actor: Actor) -> None:
    """Let an offered key count; the one before it counts no more. Raises Conflict."""
    sql = """UPDATE supplier_keys SET status = 'retired', changed_at = :now
             WHERE supplier_id = :supplier_id AND status = 'confirmed'"""
    tx.run(sql, supplier_id=supplier_id, now=tx.now)
    name = _move_key(tx, supplier_id, supplier_key_id, "confirmed")
    record(tx, "supplier.confirmed", actor, ("supplier", supplier_id), key=name)


def reject_key(tx: Tx, supplier_id: int, supplier_key_id: int, actor: Actor) -> None:
    """Let an offered key never count. Raises Conflict."""
    name = _move_key(tx, supplier_id, supplier_key_id, "rejected")
    record(tx, "supplier.rejected", actor, ("supplier", supplier_id), key=name)


def receive(tx: Tx, verdict: reads.Verdict, head: Head, body: bytes, actor: Actor) -> int | None:
    """Keep a batch that was judged good, held for approval unless its supplier is trusted; None when it came before."""
    supplier, key, import_key, place = verdict.supplier, verdict.key, verdict.import_key, verdict.place
    assert supplier is not None
    assert key is not None
    assert import_key is not None
    assert place is not None
    sql = """INSERT INTO sealed_batches (supplier_id, batch_no, supplier_key_id, import_key_id, product_id, sku_id, count, size,
               manifest, signature, body, status, received_at, next_try_at)
             VALUES (:supplier_id, :batch_no, :supplier_key_id, :import_key_id, :product_id, :sku_id, :count, :size,
               :manifest, :signature, :body, :status, :now, :now)
             ON CONFLICT (supplier_id, batch_no) DO NOTHING RETURNING sealed_batch_id"""
    made = tx.value(
        sql,
        supplier_id=supplier.supplier_id,
        batch_no=head.manifest.batch,
        supplier_key_id=key.supplier_key_id,
        import_key_id=import_key.import_key_id,
        product_id=place.product_id,
        sku_id=place.sku_id,
        count=head.manifest.count,
        size=len(body),
        manifest=head.line,
        signature=head.signature,
        body=body,
        status="waiting" if supplier.is_trusted else "held",
        now=tx.now,
    )
    if made is None:
        return None
    subject = ("sealed_batch", int(made))
    record(tx, "supply.received", actor, subject, supplier=supplier.supplier_id, sku=place.sku_id, count=head.manifest.count)
    return int(made)


def accept(tx: Tx, sealed_batch_id: int, actor: Actor) -> None:
    """Let a held batch be opened. Raises Conflict."""
    sql = """UPDATE sealed_batches SET status = 'waiting', next_try_at = :now
             WHERE sealed_batch_id = :sealed_batch_id AND status = 'held'"""
    if not tx.run(sql, sealed_batch_id=sealed_batch_id, now=tx.now):
        raise Conflict("This batch was decided already.")
    record(tx, "supply.accepted", actor, ("sealed_batch", sealed_batch_id))


def decline(tx: Tx, sealed_batch_id: int, actor: Actor, *, reason: str) -> None:
    """Send a held batch away, unopened. Raises Conflict."""
    sql = """UPDATE sealed_batches SET status = 'refused', reason = 'declined', body = NULL, ended_at = :now
             WHERE sealed_batch_id = :sealed_batch_id AND status = 'held'"""
    if not tx.run(sql, sealed_batch_id=sealed_batch_id, now=tx.now):
        raise Conflict("This batch was decided already.")
    record(tx, "supply.refused", actor, ("sealed_batch", sealed_batch_id), reason=reason, why="declined")


def claim(tx: Tx, sealed_batch_id: int) -> bool:
    """Take a waiting batch to open it; whether it is ours, for the length of a lease."""
    sql = """UPDATE sealed_batches SET next_try_at = :until, tries = tries + 1
             WHERE sealed_batch_id = :sealed_batch_id AND status = 'waiting' AND next_try_at <= :now"""
    return bool(tx.run(sql, sealed_batch_id=sealed_batch_id, now=tx.now, until=tx.now + LEASE))


def give_back(tx: Tx, sealed_batch_id: int) -> None:
    """Let a claimed batch be tried again at once: the vault was sealed meanwhile."""
    sql = """UPDATE sealed_batches SET next_try_at = :now WHERE sealed_batch_id = :sealed_batch_id AND status = 'waiting'"""
    tx.run(sql, sealed_batch_id=sealed_batch_id, now=tx.now)


def finish(tx: Tx, sealed_batch_id: int, counts: Counts, actor: Actor) -> bool:
    """The batch is on the shelf, and its ciphertext no longer kept; whether it was not so before."""
    sql = """UPDATE sealed_batches SET status = 'done', body = NULL, ended_at = :now, batch_id = :batch_id, added = :added,
               duplicates = :duplicates, bad = :bad
             WHERE sealed_batch_id = :sealed_batch_id AND status = 'waiting'"""
    told: dict[str, Any] = msgspec.structs.asdict(counts)
    won = tx.run(sql, sealed_batch_id=sealed_batch_id, now=tx.now, **told)
    if won:
        record(tx, "supply.opened", actor, ("sealed_batch", sealed_batch_id), **told)
    return bool(won)


def refuse(tx: Tx, sealed_batch_id: int, why: str, actor: Actor) -> None:
    """A batch that was kept turned out to be none when it was opened."""
    sql = """UPDATE sealed_batches SET status = 'refused', reason = :why, body = NULL, ended_at = :now
             WHERE sealed_batch_id = :sealed_batch_id AND status = 'waiting'"""
    if tx.run(sql, sealed_batch_id=sealed_batch_id, why=why, now=tx.now):
        record(tx, "supply.refused", actor, ("sealed_batch", sealed_batch_id), why=why)


def note_refusal(tx: Tx, supplier_id: int, why: str, actor: Actor, *, is_proved: bool, batch_no: str) -> None:
    """A batch in a known supplier's name was turned away at the door."""
    record(tx, "supply.refused", actor, ("supplier", supplier_id), why=why, proved=is_proved, batch=batch_no)


def _checked_name(tx: Tx, name: str, own: int) -> str:
    name = name.strip()
    if not 0 < len(name) <= MOST_NAME or not is_plain(name) or "\n" in name:
        raise Invalid.of("name", "Write a name of 1 to 80 characters.")
    known = reads.find_by_name(tx, name)
    if known is not None and known.supplier_id != own:
        raise Invalid.of("name", "This is already in use.")
    return name


def _allow(tx: Tx, supplier_id: int, products: Iterable[int]) -> list[int]:
    chosen = sorted(set(products))
    sql = "INSERT INTO supplier_products (supplier_id, product_id) VALUES (:supplier_id, :product_id)"
    tx.many(sql, [{"supplier_id": supplier_id, "product_id": product_id} for product_id in chosen])
    return chosen


def _move_key(tx: Tx, supplier_id: int, supplier_key_id: int, status: str) -> str:
    sql = """UPDATE supplier_keys SET status = :status, changed_at = :now
             WHERE supplier_key_id = :supplier_key_id AND supplier_id = :supplier_id AND status = 'offered'
             RETURNING public_key"""
    public_key = tx.value(sql, supplier_key_id=supplier_key_id, supplier_id=supplier_id, status=status, now=tx.now)
    if public_key is None:
        raise Conflict("This key waits no longer to be confirmed.")
    return fingerprint(public_key)
