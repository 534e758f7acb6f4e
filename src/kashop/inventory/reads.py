"""Looks at the stock."""

from kashop.db import Reader
from kashop.inventory.types import (
    DEFAULT_POOL,
    Batch,
    BatchCounts,
    ChannelPool,
    Count,
    Intake,
    KnownCode,
    OwnedCode,
    Pool,
    Rejects,
)
from kashop.lib.errors import Invalid, NotFound


def pool_of(db: Reader, channel: str) -> int:
    """The pool that a channel sells from."""
    sql = "SELECT pool_id FROM pool_channels WHERE channel = :channel"
    found = db.value(sql, channel=channel)
    return int(found if found is not None else get_pool(db, DEFAULT_POOL).pool_id)


def channel_pools(db: Reader) -> list[ChannelPool]:
    """Every channel that has a pool of its own."""
    return db.all("SELECT channel, pool_id FROM pool_channels", ChannelPool)


def get_pool(db: Reader, slug: str) -> Pool:
    """The pool of that name. Raises Invalid."""
    pool = db.one("SELECT pool_id, slug, name FROM pools WHERE slug = :slug", Pool, slug=slug)
    if pool is None:
        raise Invalid.of("pool", "There is no pool {slug}.", slug=slug)
    return pool


def pools(db: Reader) -> list[Pool]:
    """Every pool."""
    return db.all("SELECT pool_id, slug, name FROM pools ORDER BY pool_id", Pool)


def count_free(db: Reader, pool_id: int) -> dict[int, int]:
    """Free codes by SKU in one pool."""
    return {c.sku_id: c.free for c in counts(db) if c.pool_id == pool_id}


def counts(db: Reader) -> list[Count]:
    """The kept counts of every SKU and pool."""
    return db.all("SELECT sku_id, pool_id, free, held, sold, void FROM stock_counts ORDER BY sku_id, pool_id", Count)


def count_ever(db: Reader, product_id: int) -> tuple[int, int]:
    """How many codes a product ever had, whatever became of them, and in how many batches."""
    sql = """SELECT COALESCE(SUM(c.free + c.held + c.sold + c.void), 0) FROM stock_counts c JOIN skus s ON s.sku_id = c.sku_id
             WHERE s.product_id = :product_id"""
    batches = db.value("SELECT COUNT(*) FROM batches WHERE product_id = :product_id", product_id=product_id)
    return int(db.value(sql, product_id=product_id)), int(batches)


def count_held(db: Reader, line_id: int) -> int:
    """How many codes are held for a line."""
    return int(db.value("SELECT COUNT(*) FROM codes WHERE line_id = :line_id AND status = 'held'", line_id=line_id))


def undone_batches_held(db: Reader, line_id: int) -> list[int]:
    """The batches that were undone while a line held some of their codes."""
    sql = """SELECT DISTINCT c.batch_id FROM codes c JOIN batches b ON b.batch_id = c.batch_id
             WHERE c.line_id = :line_id AND c.status = 'held' AND b.status = 'undone'
             ORDER BY c.batch_id"""
    return db.values(sql, line_id=line_id)


def find_code(db: Reader, fingerprint: bytes) -> int | None:
    """The id of the code with that fingerprint, whatever became of it."""
    code_id: int | None = db.value("SELECT code_id FROM codes WHERE fingerprint = :fingerprint", fingerprint=fingerprint)
    return code_id


def find_taken_back(db: Reader, fingerprint: bytes) -> int | None:
    """The id of the last code that had that fingerprint until its batch was taken back."""
    sql = """SELECT code_id FROM codes WHERE released_fingerprint IS NOT NULL AND released_fingerprint = :fingerprint
             ORDER BY code_id DESC LIMIT 1"""
    code_id: int | None = db.value(sql, fingerprint=fingerprint)
    return code_id


def known_codes(db: Reader, fingerprints: list[bytes]) -> list[KnownCode]:
    """Those of these that the shop has ever held, whatever became of them. One statement, however many are asked for."""
    sql = """WITH RECURSIVE given (packed) AS (SELECT COALESCE((SELECT fingerprint FROM codes WHERE 1 = 0), :packed)),
               places (n) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT n + 1 FROM places WHERE n + 1 < :count)
             SELECT c.code_id, c.fingerprint, c.status
             FROM places CROSS JOIN given JOIN codes c ON c.fingerprint = substr(given.packed, CAST(n * 32 + 1 AS INTEGER), 32)"""
    return db.all(sql, KnownCode, packed=b"".join(fingerprints), count=len(fingerprints)) if fingerprints else []


def owned_codes(db: Reader, line_id: int) -> list[OwnedCode]:
    """The codes sold on a line, sealed, in the order they were taken."""
    sql = """SELECT code_id, product_id, line_id, epoch, sealed FROM codes
             WHERE line_id = :line_id AND status = 'sold' ORDER BY code_id"""
    return db.all(sql, OwnedCode, line_id=line_id)


def batches(db: Reader, *, before: int = 2**62, limit: int = 200) -> list[Batch]:
    """The newest imports first."""
    sql = """SELECT batch_id, product_id, sku_id, pool_id, kind, name, source, source_digest, supplier, cost_minor, expires_on,
               note, status, imported, duplicates, bad, taken_back, rows_total, rows_read, created_by, created_at, touched_at,
               ended_at
             FROM batches WHERE kind = 'import' AND batch_id < :before ORDER BY batch_id DESC LIMIT :limit"""
    return db.all(sql, Batch, before=before, limit=limit)


def get_batch(db: Reader, batch_id: int) -> Batch:
    """One import. Raises NotFound."""
    sql = """SELECT batch_id, product_id, sku_id, pool_id, kind, name, source, source_digest, supplier, cost_minor, expires_on,
               note, status, imported, duplicates, bad, taken_back, rows_total, rows_read, created_by, created_at, touched_at,
               ended_at
             FROM batches WHERE batch_id = :batch_id AND kind = 'import'"""
    found = db.one(sql, Batch, batch_id=batch_id)
    if found is None:
        raise NotFound("There is no such batch.")
    return found


def batches_of_file(db: Reader, digest: bytes) -> list[Batch]:
    """The imports of the very same file, newest first."""
    sql = """SELECT batch_id, product_id, sku_id, pool_id, kind, name, source, source_digest, supplier, cost_minor, expires_on,
               note, status, imported, duplicates, bad, taken_back, rows_total, rows_read, created_by, created_at, touched_at,
               ended_at
             FROM batches WHERE source_digest = :digest AND kind = 'import' ORDER BY batch_id DESC LIMIT 5"""
    return db.all(sql, Batch, digest=digest)


def find_intake(db: Reader, batch_id: int) -> Intake | None:
    """Where a batch's codes go."""
    sql = "SELECT product_id, sku_id, pool_id, status FROM batches WHERE batch_id = :batch_id"
    return db.one(sql, Intake, batch_id=batch_id)


def batch_counts(db: Reader, batch_id: int) -> BatchCounts:
    """What became of a batch's codes, counted."""
    sql = """SELECT COALESCE(SUM(CASE WHEN status = 'free' THEN 1 ELSE 0 END), 0) AS free,
               COALESCE(SUM(CASE WHEN status = 'held' THEN 1 ELSE 0 END), 0) AS held,
               COALESCE(SUM(CASE WHEN status = 'sold' THEN 1 ELSE 0 END), 0) AS sold,
               COALESCE(SUM(CASE WHEN status = 'void' THEN 1 ELSE 0 END), 0) AS void
             FROM codes WHERE batch_id = :batch_id"""
    found = db.one(sql, BatchCounts, batch_id=batch_id)
    assert found is not None
    return found


def free_codes_of(db: Reader, batch_id: int, *, limit: int) -> list[KnownCode]:
    """Some codes of a batch that are free."""
    sql = """SELECT code_id, fingerprint, status FROM codes WHERE batch_id = :batch_id AND status = 'free'
             ORDER BY code_id LIMIT :limit"""
    return db.all(sql, KnownCode, batch_id=batch_id, limit=limit)


def unsold_codes_of(db: Reader, batch_id: int, *, after: int, limit: int) -> list[int]:
    """The next codes of a batch that are free or held, by id."""
    # state by state: each is a run of the index in order, where both in one would be sorted whole for every step
    sql = """SELECT code_id FROM codes WHERE batch_id = :batch_id AND code_id > :after AND status = 'free'
             UNION ALL SELECT code_id FROM codes WHERE batch_id = :batch_id AND code_id > :after AND status = 'held'
             ORDER BY code_id LIMIT :limit"""
    return db.values(sql, batch_id=batch_id, after=after, limit=limit)


def find_rejects(db: Reader, batch_id: int) -> Rejects | None:
    """Which rows an import left out."""
    return db.one("SELECT listed, content FROM batch_rejects WHERE batch_id = :batch_id", Rejects, batch_id=batch_id)


def count_imported(db: Reader, digest: bytes) -> int:
    """How many codes all imports of the same content have brought."""
    sql = "SELECT CAST(COALESCE(SUM(imported), 0) AS BIGINT) FROM batches WHERE source_digest = :digest"
    return int(db.value(sql, digest=digest))
