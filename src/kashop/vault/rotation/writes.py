"""Changes of rotations and of the keys they renew."""

from kashop.db import Tx
from kashop.vault.keyring import Keyring
from kashop.vault.rotation import reads
from kashop.vault.rotation.types import Counted, Rotation, Unreadable
from kashop.vault.types import DataKey


def begin(tx: Tx, keyring: Keyring, product_id: int | None, counted: Counted, *, total: int, by: str) -> list[DataKey]:
    """Make each product a newer key and note that its codes are to follow; the new keys. The caller has seen that none runs."""
    keys_before = reads.count_keys(tx)
    keys = [keyring.new_data_key(old.product_id, old.epoch + 1) for old in reads.newest_keys(tx, product_id)]
    sql = "INSERT INTO vault_keys (product_id, epoch, wrapped, created_at) VALUES (:product_id, :epoch, :wrapped, :now)"
    tx.many(sql, [{"product_id": k.product_id, "epoch": k.epoch, "wrapped": k.wrapped, "now": tx.now} for k in keys])
    sql = """INSERT INTO rotations (product_id, status, total, codes_before, fingerprints_before, keys_before, started_by,
               started_at, moved_at)
             VALUES (:product_id, 'running', :total, :codes, :fingerprints, :keys, :by, :now, :now)"""
    tx.run(
        sql,
        product_id=product_id,
        total=total,
        codes=counted.codes,
        fingerprints=counted.fingerprints,
        keys=keys_before,
        by=by,
        now=tx.now,
    )
    return keys


def advance(tx: Tx, rotation: Rotation, to: int, *, found: int, done: int) -> bool:
    """The walk has seen to every code up to `to`; whether it still stood where `rotation` says."""
    sql = """UPDATE rotations SET cursor = :to, found = found + :found, done = done + :done, moved_at = :now
             WHERE rotation_id = :rotation_id AND status = 'running' AND sweep = :sweep AND cursor = :cursor"""
    place = {"rotation_id": rotation.rotation_id, "sweep": rotation.sweep, "cursor": rotation.cursor}
    return tx.run(sql, to=to, found=found, done=done, now=tx.now, **place) == 1


def walk_again(tx: Tx, rotation: Rotation) -> bool:
    """The walk is at its end and met codes under old keys: begin another; whether it still stood where `rotation` says."""
    sql = """UPDATE rotations SET sweep = sweep + 1, cursor = 0, found = 0, moved_at = :now
             WHERE rotation_id = :rotation_id AND status = 'running' AND sweep = :sweep AND cursor = :cursor"""
    place = {"rotation_id": rotation.rotation_id, "sweep": rotation.sweep, "cursor": rotation.cursor}
    return tx.run(sql, now=tx.now, **place) == 1


def note_unreadable(tx: Tx, rotation: Rotation, code: Unreadable) -> bool:
    """A code did not open; whether this rotation meets it for the first time."""
    sql = """UPDATE rotation_unreadable SET sweep = :sweep WHERE rotation_id = :rotation_id AND code_id = :code_id"""
    if tx.run(sql, rotation_id=rotation.rotation_id, code_id=code.code_id, sweep=rotation.sweep):
        return False
    sql = """INSERT INTO rotation_unreadable (rotation_id, code_id, product_id, home_id, epoch, sweep, found_at)
             VALUES (:rotation_id, :code_id, :product_id, :home_id, :epoch, :sweep, :now)"""
    tx.run(
        sql,
        rotation_id=rotation.rotation_id,
        code_id=code.code_id,
        product_id=code.product_id,
        home_id=code.home_id,
        epoch=code.epoch,
        sweep=rotation.sweep,
        now=tx.now,
    )
    return True


def end(tx: Tx, rotation: Rotation, counted: Counted, *, witness: str) -> bool:
    """The walk is at its end and met nothing: destroy the old keys and end; whether it still stood where `rotation` says."""
    sql = """UPDATE rotations SET status = CASE WHEN CAST(:unreadable AS BIGINT) = 0 THEN 'done' ELSE 'incomplete' END,
               unreadable = :unreadable, witness = :witness, codes_after = :codes, fingerprints_after = :fingerprints,
               ended_at = :now, moved_at = :now
             WHERE rotation_id = :rotation_id AND status = 'running' AND sweep = :sweep AND cursor = :cursor AND found = 0"""
    won = tx.run(
        sql,
        rotation_id=rotation.rotation_id,
        sweep=rotation.sweep,
        cursor=rotation.cursor,
        unreadable=reads.count_unreadable(tx, rotation.rotation_id, rotation.sweep),
        witness=witness,
        codes=counted.codes,
        fingerprints=counted.fingerprints,
        now=tx.now,
    )
    if not won:
        return False
    _destroy_old_keys(tx, rotation)
    sql = "UPDATE rotations SET keys_after = :keys WHERE rotation_id = :rotation_id"
    tx.run(sql, keys=reads.count_keys(tx), rotation_id=rotation.rotation_id)
    return True


def _destroy_old_keys(tx: Tx, rotation: Rotation) -> None:
    """Overwrite, then forget, every key but the newest of each product; those of products with an unreadable code are kept."""
    place = {"product_id": rotation.product_id, "rotation_id": rotation.rotation_id, "sweep": rotation.sweep}
    sql = """UPDATE vault_keys SET wrapped = :nothing
             WHERE (CAST(:product_id AS BIGINT) IS NULL OR product_id = :product_id)
               AND epoch < (SELECT MAX(n.epoch) FROM vault_keys n WHERE n.product_id = vault_keys.product_id)
               AND NOT EXISTS (SELECT 1 FROM rotation_unreadable u
                               WHERE u.rotation_id = :rotation_id AND u.sweep = :sweep
                                 AND (u.product_id = vault_keys.product_id OR u.home_id = vault_keys.product_id))"""
    tx.run(sql, nothing=bytes(73), **place)
    tx.run("DELETE FROM vault_keys WHERE wrapped = :nothing", nothing=bytes(73))
