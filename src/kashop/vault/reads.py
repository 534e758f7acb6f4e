"""Looks at the wrapped keys, and at whether the vault is sealed."""

from kashop.db import Reader
from kashop.vault.types import DataKey, Door, Letter, RootCopy, SealState


def root_copies(db: Reader, method: str) -> list[RootCopy]:
    """The root key's copies for one way to unseal, the oldest first."""
    sql = """SELECT root_id, method, params, wrapped, label, created_at FROM vault_roots
             WHERE method = :method ORDER BY root_id"""
    return db.all(sql, RootCopy, method=method)


def find_root(db: Reader, method: str) -> RootCopy | None:
    """The copy for a way to unseal of which there is but one."""
    copies = root_copies(db, method)
    return copies[0] if copies else None


def all_roots(db: Reader) -> list[RootCopy]:
    """Every copy."""
    return db.all("SELECT root_id, method, params, wrapped, label, created_at FROM vault_roots ORDER BY root_id", RootCopy)


def seal_state(db: Reader) -> SealState:
    """Whether deliveries wait for the vault."""
    found = db.one("SELECT sealed_at, why, sealed_by FROM vault_state WHERE state_id = 1", SealState)
    assert found is not None  # made by the migration
    return found


def is_sealed(db: Reader) -> bool:
    """Whether deliveries wait for the vault."""
    return bool(db.value("SELECT COUNT(*) FROM vault_state WHERE sealed_at IS NOT NULL"))


def letters(db: Reader, door_id: int) -> list[Letter]:
    """What was written to one running server."""
    return db.all("SELECT letter_id, box FROM vault_letters WHERE door_id = :door_id ORDER BY letter_id", Letter, door_id=door_id)


def doors(db: Reader) -> list[Door]:
    """The running servers."""
    return db.all("SELECT door_id, public_key FROM vault_doors ORDER BY door_id", Door)


def dead_doors(db: Reader, unread_since: int) -> list[int]:
    """Servers that have left a letter unread since then."""
    sql = """SELECT door_id FROM vault_doors d
             WHERE EXISTS (SELECT 1 FROM vault_letters l WHERE l.door_id = d.door_id AND l.written_at < :unread_since)
             ORDER BY d.door_id"""
    return [int(door_id) for door_id in db.values(sql, unread_since=unread_since)]


def data_keys(db: Reader) -> list[DataKey]:
    """Every data key, wrapped."""
    return db.all("SELECT product_id, epoch, wrapped FROM vault_keys ORDER BY product_id, epoch", DataKey)


def find_data_key(db: Reader, product_id: int) -> DataKey | None:
    """The newest data key of a product."""
    sql = """SELECT product_id, epoch, wrapped FROM vault_keys WHERE product_id = :product_id
             ORDER BY epoch DESC LIMIT 1"""
    return db.one(sql, DataKey, product_id=product_id)
