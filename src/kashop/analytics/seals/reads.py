"""Invariants of the vault: each look gives the first witness against it, or None."""

from kashop.analytics.types import Sealed, Witness
from kashop.db import Reader
from kashop.inventory.stockfile import fingerprint_text
from kashop.vault import Keyring, Tampered
from kashop.vault.reads import data_keys

CHUNK = 2000


def codes_open(db: Reader, keyring: Keyring) -> Witness | None:
    """I-26: every code opens in its own row, product, epoch and shop, and is the one its fingerprint was taken of."""
    try:
        keyring.learn(data_keys(db))
    except Tampered as tampered:
        return Witness("data key", f"does not open ({tampered})")
    after = 0
    while codes := _codes(db, after):
        for code in codes:
            problem = _problem(code, keyring)
            if problem:
                return Witness(f"code {code.code_id}", problem)
        after = codes[-1].code_id
    return None


def _codes(db: Reader, after: int) -> list[Sealed]:
    sql = """SELECT c.code_id, c.product_id, c.epoch, c.sealed,
               COALESCE(c.released_fingerprint, c.fingerprint) AS fingerprint, b.kind
             FROM codes c JOIN batches b ON b.batch_id = c.batch_id
             WHERE c.code_id > :after ORDER BY c.code_id LIMIT :limit"""
    return db.all(sql, Sealed, after=after, limit=CHUNK)


def _problem(code: Sealed, keyring: Keyring) -> str:
    if not keyring.knows(code.product_id, code.epoch):
        return f"there is no data key of product {code.product_id}, epoch {code.epoch}"
    try:
        text = keyring.open_code(code.sealed, product_id=code.product_id, epoch=code.epoch, code_id=code.code_id)
    except Tampered:
        return "does not open: altered, or moved from another row"
    if code.kind == "import" and keyring.fingerprint(fingerprint_text(text)) != code.fingerprint:
        return "opens and is not the code its fingerprint was taken of"
    return ""


def nonces_differ(db: Reader) -> Witness | None:
    """I-27: no nonce was used twice under one key. A blob is a version byte, 24 bytes of nonce, the rest."""
    sql = """SELECT 'product ' || CAST(product_id AS TEXT) || ' epoch ' || CAST(epoch AS TEXT) AS subject,
               CAST(COUNT(*) AS TEXT) || ' codes share a nonce' AS problem
             FROM codes GROUP BY product_id, epoch, substr(sealed, 2, 24) HAVING COUNT(*) > 1 LIMIT 1"""
    return db.one(sql, Witness)


def rotated_whole(db: Reader) -> Witness | None:
    """I-29: unless a rotation runs, every code is under its product's newest key, but for those that it could not open."""
    sql = """SELECT 'code ' || CAST(c.code_id AS TEXT) AS subject,
               'is sealed under epoch ' || CAST(c.epoch AS TEXT) || ' of product ' || CAST(c.product_id AS TEXT)
                 || ', whose newest is ' || COALESCE(CAST(k.newest AS TEXT), 'none') AS problem
             FROM codes c
               LEFT JOIN (SELECT product_id, MAX(epoch) AS newest FROM vault_keys GROUP BY product_id) k
                 ON k.product_id = c.product_id
             WHERE (k.newest IS NULL OR c.epoch <> k.newest)
               AND NOT EXISTS (SELECT 1 FROM rotations r WHERE r.status = 'running')
               AND NOT EXISTS (SELECT 1 FROM rotation_unreadable u WHERE u.code_id = c.code_id)
             LIMIT 1"""
    return db.one(sql, Witness)


def old_keys_are_gone(db: Reader) -> Witness | None:
    """I-29: no key outlives a rotation but each product's newest, and those of products with a code that did not open."""
    sql = """SELECT 'product ' || CAST(k.product_id AS TEXT) AS subject,
               'the key of epoch ' || CAST(k.epoch AS TEXT) || ' was not destroyed' AS problem
             FROM vault_keys k
             WHERE EXISTS (SELECT 1 FROM vault_keys n WHERE n.product_id = k.product_id AND n.epoch > k.epoch)
               AND NOT EXISTS (SELECT 1 FROM rotations r WHERE r.status = 'running')
               AND NOT EXISTS (SELECT 1 FROM rotation_unreadable u
                               WHERE u.product_id = k.product_id OR u.home_id = k.product_id)
             LIMIT 1"""
    return db.one(sql, Witness)


def rotations_lost_nothing(db: Reader) -> Witness | None:
    """I-29: a rotation ends with no fewer codes than it began with, each with its own fingerprint; nor are there fewer now."""
    sql = """SELECT 'rotation ' || CAST(r.rotation_id AS TEXT) AS subject,
               'began with ' || CAST(r.codes_before AS TEXT) || ' codes and ended with ' || CAST(r.codes_after AS TEXT)
                 || ', ' || CAST(r.fingerprints_after AS TEXT) || ' fingerprints' AS problem
             FROM rotations r
             WHERE r.ended_at IS NOT NULL
               AND (r.codes_after < r.codes_before OR r.fingerprints_after <> r.codes_after
                    OR r.fingerprints_before <> r.codes_before
                    OR r.codes_after > (SELECT COUNT(*) FROM codes))
             LIMIT 1"""
    return db.one(sql, Witness)
