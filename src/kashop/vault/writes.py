"""Changes of the wrapped keys, and of whether the vault is sealed."""

from kashop.db import Tx
from kashop.vault.keyring import Keyring
from kashop.vault.reads import dead_doors, find_data_key
from kashop.vault.types import DataKey


def add_root(tx: Tx, *, method: str, params: str, wrapped: bytes, label: str = "") -> int:
    """Keep a wrapped copy of the root key; its number."""
    sql = """INSERT INTO vault_roots (method, params, wrapped, label, created_at)
             VALUES (:method, :params, :wrapped, :label, :now) RETURNING root_id"""
    return int(tx.value(sql, method=method, params=params, wrapped=wrapped, label=label, now=tx.now))


def replace_root(tx: Tx, *, method: str, params: str, wrapped: bytes) -> None:
    """Keep one wrapped copy for a way to unseal, and none other of that way."""
    tx.run("DELETE FROM vault_roots WHERE method = :method", method=method)
    add_root(tx, method=method, params=params, wrapped=wrapped)


def drop_root(tx: Tx, root_id: int) -> bool:
    """Forget one copy; whether it was there."""
    return tx.run("DELETE FROM vault_roots WHERE root_id = :root_id", root_id=root_id) == 1


def mark_sealed(tx: Tx, *, why: str, by: str) -> bool:
    """From now on deliveries wait; whether they did not before. A person's word or an alarm stands over a mere start."""
    sql = """UPDATE vault_state SET sealed_at = COALESCE(sealed_at, CAST(:now AS BIGINT)), why = :why, sealed_by = :by
             WHERE state_id = 1 AND (sealed_at IS NULL OR (why = 'start' AND :why <> 'start'))"""
    return tx.run(sql, now=tx.now, why=why, by=by) == 1


def mark_unsealed(tx: Tx) -> bool:
    """Deliveries go on; whether they waited."""
    sql = "UPDATE vault_state SET sealed_at = NULL, why = '', sealed_by = '' WHERE state_id = 1 AND sealed_at IS NOT NULL"
    return tx.run(sql) == 1


def open_door(tx: Tx, public_key: bytes, *, is_alone: bool) -> int:
    """Let a running server be written to; its number. One that is alone clears away what dead ones left."""
    if is_alone:
        tx.run("DELETE FROM vault_letters")
        tx.run("DELETE FROM vault_doors")
    sql = "INSERT INTO vault_doors (public_key, opened_at) VALUES (:public_key, :now) RETURNING door_id"
    return int(tx.value(sql, public_key=public_key, now=tx.now))


def write_letter(tx: Tx, door_id: int, box: bytes) -> None:
    """Leave the boxed root key for one running server."""
    sql = "INSERT INTO vault_letters (door_id, box, written_at) VALUES (:door_id, :box, :now)"
    tx.run(sql, door_id=door_id, box=box, now=tx.now)


def forget_doors(tx: Tx, *, unread_since: int) -> int:
    """Close the doors of servers that left a letter unread since then: they are dead; how many."""
    dead = dead_doors(tx, unread_since)
    for door_id in dead:
        drop_letters(tx, door_id)
        tx.run("DELETE FROM vault_doors WHERE door_id = :door_id", door_id=door_id)
    return len(dead)


def drop_letters(tx: Tx, door_id: int) -> int:
    """Forget what was written to a server, once it has read it; how many."""
    return tx.run("DELETE FROM vault_letters WHERE door_id = :door_id", door_id=door_id)


def ensure_data_key(tx: Tx, keyring: Keyring, product_id: int) -> DataKey:
    """The product's newest data key, made now if it has none. The caller lets the keyring learn it after the commit."""
    found = find_data_key(tx, product_id)
    if found is not None:
        return found
    key = keyring.new_data_key(product_id, 1)
    tx.run(
        "INSERT INTO vault_keys (product_id, epoch, wrapped, created_at) VALUES (:product_id, :epoch, :wrapped, :now)",
        product_id=key.product_id,
        epoch=key.epoch,
        wrapped=key.wrapped,
        now=tx.now,
    )
    return key
