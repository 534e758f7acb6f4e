"""Looks at the stock."""

from kashop.db import Reader
from kashop.inventory.types import DEFAULT_POOL, Batch, Count, OwnedCode, Pool
from kashop.lib.errors import Invalid


def pool_of(db: Reader, channel: str) -> int:
    """The pool that a channel sells from."""
    sql = "SELECT pool_id FROM pool_channels WHERE channel = :channel"
    found = db.value(sql, channel=channel)
    return int(found if found is not None else get_pool(db, DEFAULT_POOL).pool_id)


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


def count_held(db: Reader, line_id: int) -> int:
    """How many codes are held for a line."""
    return int(db.value("SELECT COUNT(*) FROM codes WHERE line_id = :line_id AND status = 'held'", line_id=line_id))


def find_code(db: Reader, fingerprint: bytes) -> int | None:
    """The id of the code with that fingerprint, whatever became of it."""
    code_id: int | None = db.value("SELECT code_id FROM codes WHERE fingerprint = :fingerprint", fingerprint=fingerprint)
    return code_id


def known_fingerprints(db: Reader, fingerprints: list[bytes]) -> set[bytes]:
    """Which of these the shop has ever held, whatever became of them."""
    return {f for f in fingerprints if find_code(db, f) is not None}


def owned_codes(db: Reader, line_id: int) -> list[OwnedCode]:
    """The codes sold on a line, sealed, in the order they were taken."""
    sql = """SELECT code_id, product_id, line_id, epoch, sealed FROM codes
             WHERE line_id = :line_id AND status = 'sold' ORDER BY code_id"""
    return db.all(sql, OwnedCode, line_id=line_id)


def batches(db: Reader, *, limit: int = 200) -> list[Batch]:
    """The newest imports first."""
    sql = """SELECT batch_id, product_id, sku_id, pool_id, kind, name, source, cost_minor, expires_on, note, status, imported,
               duplicates, bad, created_by, created_at
             FROM batches WHERE kind = 'import' ORDER BY batch_id DESC LIMIT :limit"""
    return db.all(sql, Batch, limit=limit)
