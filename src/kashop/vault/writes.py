"""Changes of the wrapped keys."""

from kashop.db import Tx
from kashop.vault.keyring import Keyring
from kashop.vault.reads import find_data_key
from kashop.vault.types import DataKey


def add_root(tx: Tx, *, method: str, params: str, wrapped: bytes) -> None:
    """Keep a wrapped copy of the root key."""
    tx.run(
        "INSERT INTO vault_roots (method, params, wrapped, created_at) VALUES (:method, :params, :wrapped, :now)",
        method=method,
        params=params,
        wrapped=wrapped,
        now=tx.now,
    )


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
