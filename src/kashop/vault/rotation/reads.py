"""Looks at rotations."""

from kashop.db import Reader
from kashop.vault.rotation.types import Rotation, Unreadable
from kashop.vault.types import DataKey


def find_running(db: Reader) -> Rotation | None:
    """The rotation that is under way."""
    sql = """SELECT rotation_id, product_id, status, sweep, cursor, found, total, done, codes_before, fingerprints_before,
               keys_before, codes_after, fingerprints_after, keys_after, unreadable, witness, started_by, started_at, moved_at,
               ended_at
             FROM rotations WHERE status = 'running'"""
    return db.one(sql, Rotation)


def find_newest(db: Reader) -> Rotation | None:
    """The rotation that was begun last."""
    sql = """SELECT rotation_id, product_id, status, sweep, cursor, found, total, done, codes_before, fingerprints_before,
               keys_before, codes_after, fingerprints_after, keys_after, unreadable, witness, started_by, started_at, moved_at,
               ended_at
             FROM rotations ORDER BY rotation_id DESC LIMIT 1"""
    return db.one(sql, Rotation)


def unreadable(db: Reader, rotation_id: int, sweep: int, *, limit: int = 20) -> list[Unreadable]:
    """The codes that did not open in a walk, the oldest first."""
    sql = """SELECT code_id, product_id, home_id, epoch FROM rotation_unreadable
             WHERE rotation_id = :rotation_id AND sweep = :sweep ORDER BY code_id LIMIT :limit"""
    return db.all(sql, Unreadable, rotation_id=rotation_id, sweep=sweep, limit=limit)


def count_unreadable(db: Reader, rotation_id: int, sweep: int) -> int:
    """How many codes did not open in a walk."""
    sql = "SELECT COUNT(*) FROM rotation_unreadable WHERE rotation_id = :rotation_id AND sweep = :sweep"
    return int(db.value(sql, rotation_id=rotation_id, sweep=sweep))


def newest_keys(db: Reader, product_id: int | None) -> list[DataKey]:
    """The newest data key of one product, or of each."""
    sql = """SELECT k.product_id, k.epoch, k.wrapped FROM vault_keys k
             WHERE (CAST(:product_id AS BIGINT) IS NULL OR k.product_id = :product_id)
               AND k.epoch = (SELECT MAX(n.epoch) FROM vault_keys n WHERE n.product_id = k.product_id)
             ORDER BY k.product_id"""
    return db.all(sql, DataKey, product_id=product_id)


def count_keys(db: Reader) -> int:
    """How many data keys there are."""
    return int(db.value("SELECT COUNT(*) FROM vault_keys"))


def newest_key_made_at(db: Reader) -> int | None:
    """When the oldest of the products' newest keys was made; None without keys."""
    sql = """SELECT MIN(newest.made_at) FROM (SELECT MAX(created_at) AS made_at FROM vault_keys GROUP BY product_id) newest"""
    found = db.value(sql)
    return None if found is None else int(found)
