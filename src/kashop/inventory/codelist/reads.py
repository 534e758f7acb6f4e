"""Looks for codes along the indexes `codes_of_sku` and `codes_of_batch`, one short run for each SKU and state."""

from heapq import merge
from itertools import islice

from kashop.db import Reader
from kashop.inventory.codelist.types import ANY_DAY, STATES, CodeRow, SealedRow, Sought
from kashop.lib.errors import NotFound


def page(db: Reader, sought: Sought, before: int, *, limit: int) -> list[CodeRow]:
    """Those below a cursor (a code id), newest first."""
    if sought == Sought():
        sql = """SELECT code_id, product_id, sku_id, pool_id, batch_id, epoch, status, line_id, cost_minor, expires_on, note,
                   changed_at, replaces_code_id, LENGTH(sealed) AS size
                 FROM codes WHERE code_id < :before ORDER BY code_id DESC LIMIT :limit"""
        return db.all(sql, CodeRow, before=before, limit=limit)
    runs = [_run(db, sought, drive, before=before, limit=limit) for drive in _drives(db, sought)]
    return list(islice(merge(*runs, key=lambda row: -row.code_id), limit))


def oldest(db: Reader, sought: Sought, *, limit: int) -> list[CodeRow]:
    """The first of them, oldest first: the order in which they would be sold."""
    runs = [_run(db, sought, drive, before=None, limit=limit) for drive in _drives(db, sought)]
    return list(islice(merge(*runs, key=lambda row: row.code_id), limit))


def count(db: Reader, sought: Sought) -> int:
    """How many there are."""
    return sum(_count(db, sought, drive) for drive in _drives(db, sought))


def get(db: Reader, code_id: int) -> CodeRow:
    """One code. Raises NotFound."""
    sql = """SELECT code_id, product_id, sku_id, pool_id, batch_id, epoch, status, line_id, cost_minor, expires_on, note,
               changed_at, replaces_code_id, LENGTH(sealed) AS size
             FROM codes WHERE code_id = :code_id"""
    found = db.one(sql, CodeRow, code_id=code_id)
    if found is None:
        raise NotFound("There is no such code.")
    return found


def sealed(db: Reader, code_ids: list[int]) -> list[SealedRow]:
    """Codes with their seals, in the order asked for; those that do not exist are left out."""
    return [row for code_id in code_ids if (row := find_sealed(db, code_id)) is not None]


def find_sealed(db: Reader, code_id: int) -> SealedRow | None:
    """One code with its seal."""
    sql = """SELECT code_id, product_id, sku_id, batch_id, epoch, status, cost_minor, expires_on, sealed FROM codes
             WHERE code_id = :code_id"""
    return db.one(sql, SealedRow, code_id=code_id)


def batch_names(db: Reader, batch_ids: set[int]) -> dict[int, str]:
    """What these batches are called."""
    sql = "SELECT name FROM batches WHERE batch_id = :batch_id"
    return {n: db.value(sql, batch_id=n) or "" for n in sorted(batch_ids)}


Drive = tuple[str, int, str]
"""Which index, which value, which state."""


def _drives(db: Reader, sought: Sought) -> list[Drive]:
    states = (sought.status,) if sought.status else STATES
    if sought.batch_id is not None:
        return [("batch", sought.batch_id, state) for state in states if _fits(db, sought)]
    return [("sku", sku_id, state) for sku_id in _skus(db, sought) for state in states]


def _fits(db: Reader, sought: Sought) -> bool:
    """Whether a batch is of the SKU and product that are asked for too."""
    sql = """SELECT 1 FROM batches WHERE batch_id = :batch_id
               AND (CAST(:sku_id AS BIGINT) IS NULL OR sku_id = :sku_id)
               AND (CAST(:product_id AS BIGINT) IS NULL OR product_id = :product_id)"""
    found = db.value(sql, batch_id=sought.batch_id, sku_id=sought.sku_id, product_id=sought.product_id)
    return found is not None


def _skus(db: Reader, sought: Sought) -> list[int]:
    if sought.sku_id is not None and sought.product_id is None:
        return [sought.sku_id]
    sql = """SELECT sku_id FROM skus
             WHERE (CAST(:product_id AS BIGINT) IS NULL OR product_id = :product_id)
               AND (CAST(:sku_id AS BIGINT) IS NULL OR sku_id = :sku_id)"""
    return [int(n) for n in db.values(sql, product_id=sought.product_id, sku_id=sought.sku_id)]


def _run(db: Reader, sought: Sought, drive: Drive, *, before: int | None, limit: int) -> list[CodeRow]:
    """One SKU's or batch's codes in one state: newest first below `before`, else oldest first."""
    if drive[0] == "batch":
        return _of_batch(db, sought, drive, before=before, limit=limit)
    if before is not None:
        sql = """SELECT code_id, product_id, sku_id, pool_id, batch_id, epoch, status, line_id, cost_minor, expires_on, note,
                   changed_at, replaces_code_id, LENGTH(sealed) AS size
                 FROM codes WHERE sku_id = :value AND status = :state AND code_id < :before
                   AND (CAST(:pool_id AS BIGINT) IS NULL OR pool_id = :pool_id) AND expires_on BETWEEN :first AND :last
                 ORDER BY code_id DESC LIMIT :limit"""
        return db.all(sql, CodeRow, before=before, limit=limit, **_parameters(sought, drive))
    sql = """SELECT code_id, product_id, sku_id, pool_id, batch_id, epoch, status, line_id, cost_minor, expires_on, note,
               changed_at, replaces_code_id, LENGTH(sealed) AS size
             FROM codes WHERE sku_id = :value AND status = :state
               AND (CAST(:pool_id AS BIGINT) IS NULL OR pool_id = :pool_id) AND expires_on BETWEEN :first AND :last
             ORDER BY code_id LIMIT :limit"""
    return db.all(sql, CodeRow, limit=limit, **_parameters(sought, drive))


def _of_batch(db: Reader, sought: Sought, drive: Drive, *, before: int | None, limit: int) -> list[CodeRow]:
    if before is not None:
        sql = """SELECT code_id, product_id, sku_id, pool_id, batch_id, epoch, status, line_id, cost_minor, expires_on, note,
                   changed_at, replaces_code_id, LENGTH(sealed) AS size
                 FROM codes WHERE batch_id = :value AND status = :state AND code_id < :before
                   AND (CAST(:pool_id AS BIGINT) IS NULL OR pool_id = :pool_id) AND expires_on BETWEEN :first AND :last
                 ORDER BY code_id DESC LIMIT :limit"""
        return db.all(sql, CodeRow, before=before, limit=limit, **_parameters(sought, drive))
    sql = """SELECT code_id, product_id, sku_id, pool_id, batch_id, epoch, status, line_id, cost_minor, expires_on, note,
               changed_at, replaces_code_id, LENGTH(sealed) AS size
             FROM codes WHERE batch_id = :value AND status = :state
               AND (CAST(:pool_id AS BIGINT) IS NULL OR pool_id = :pool_id) AND expires_on BETWEEN :first AND :last
             ORDER BY code_id LIMIT :limit"""
    return db.all(sql, CodeRow, limit=limit, **_parameters(sought, drive))


def _count(db: Reader, sought: Sought, drive: Drive) -> int:
    if drive[0] == "sku" and sought.pool_id is None and sought.expires == ANY_DAY:
        return _kept_count(db, drive)
    if drive[0] == "batch":
        sql = """SELECT COUNT(*) FROM codes WHERE batch_id = :value AND status = :state
                   AND (CAST(:pool_id AS BIGINT) IS NULL OR pool_id = :pool_id) AND expires_on BETWEEN :first AND :last"""
        return int(db.value(sql, **_parameters(sought, drive)))
    sql = """SELECT COUNT(*) FROM codes WHERE sku_id = :value AND status = :state
               AND (CAST(:pool_id AS BIGINT) IS NULL OR pool_id = :pool_id) AND expires_on BETWEEN :first AND :last"""
    return int(db.value(sql, **_parameters(sought, drive)))


def _kept_count(db: Reader, drive: Drive) -> int:
    """From `stock_counts`, which change in step with the codes."""
    sql = """SELECT COALESCE(SUM(CASE :state WHEN 'free' THEN free WHEN 'held' THEN held WHEN 'sold' THEN sold ELSE void END), 0)
             FROM stock_counts WHERE sku_id = :value"""
    return int(db.value(sql, value=drive[1], state=drive[2]))


def _parameters(sought: Sought, drive: Drive) -> dict[str, object]:
    first, last = sought.expires
    return {"value": drive[1], "state": drive[2], "pool_id": sought.pool_id, "first": first, "last": last}
