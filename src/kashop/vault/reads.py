"""Looks at the wrapped keys."""

from kashop.db import Reader
from kashop.vault.types import DataKey, RootCopy


def find_root(db: Reader, method: str) -> RootCopy | None:
    """The root key's copy for one way to unseal."""
    sql = "SELECT root_id, method, params, wrapped FROM vault_roots WHERE method = :method ORDER BY root_id LIMIT 1"
    return db.one(sql, RootCopy, method=method)


def data_keys(db: Reader) -> list[DataKey]:
    """Every data key, wrapped."""
    return db.all("SELECT product_id, epoch, wrapped FROM vault_keys ORDER BY product_id, epoch", DataKey)


def find_data_key(db: Reader, product_id: int) -> DataKey | None:
    """The newest data key of a product."""
    sql = """SELECT product_id, epoch, wrapped FROM vault_keys WHERE product_id = :product_id
             ORDER BY epoch DESC LIMIT 1"""
    return db.one(sql, DataKey, product_id=product_id)
