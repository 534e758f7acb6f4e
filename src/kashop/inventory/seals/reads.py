"""Looks at codes under old keys."""

from kashop.db import Reader
from kashop.inventory.seals.types import StaleCode, Stretch
from kashop.vault.rotation.types import Counted


def stale_codes(db: Reader, after: int, *, product_id: int | None, window: int, limit: int) -> Stretch:
    """Of the next `window` codes behind `after`, those that are not under their product's newest key, `limit` at most."""
    sql = "SELECT MAX(w.code_id) FROM (SELECT code_id FROM codes WHERE code_id > :after ORDER BY code_id LIMIT :window) w"
    end = db.value(sql, after=after, window=window)
    if end is None:
        return Stretch(None, [])
    sql = """SELECT c.code_id, c.product_id, COALESCE(b.product_id, c.product_id) AS home_id, c.epoch,
               (SELECT MAX(k.epoch) FROM vault_keys k WHERE k.product_id = c.product_id) AS newest, c.sealed
             FROM codes c LEFT JOIN batches b ON b.batch_id = c.batch_id
             WHERE c.code_id > :after AND c.code_id <= :end
               AND c.epoch <> COALESCE((SELECT MAX(k.epoch) FROM vault_keys k WHERE k.product_id = c.product_id), 0)
               AND (CAST(:product_id AS BIGINT) IS NULL OR c.product_id = :product_id OR b.product_id = :product_id)
             ORDER BY c.code_id LIMIT :limit"""
    found = db.all(sql, StaleCode, after=after, end=end, product_id=product_id, limit=limit)
    return Stretch(found[-1].code_id if len(found) == limit else int(end), found)


def count_all(db: Reader) -> Counted:
    """How many codes there are, and how many fingerprints."""
    found = db.one("SELECT COUNT(*) AS codes, COUNT(DISTINCT fingerprint) AS fingerprints FROM codes", Counted)
    assert found is not None
    return found


def count_of_product(db: Reader, product_id: int) -> int:
    """How many codes of a product there are, whatever became of them. Reads them all."""
    return int(db.value("SELECT COUNT(*) FROM codes WHERE product_id = :product_id", product_id=product_id))


def line_of(db: Reader, code_id: int) -> int | None:
    """The order line that a code is sold to."""
    line_id: int | None = db.value("SELECT line_id FROM codes WHERE code_id = :code_id AND status = 'sold'", code_id=code_id)
    return line_id
