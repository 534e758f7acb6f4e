"""Invariants of the stock: each look gives the first witness against it, or None."""

from kashop.analytics.types import Undone, Witness
from kashop.db import Reader
from kashop.inventory.rules import undone_fingerprint
from kashop.lib.clock import MINUTE


def sold_to_one_line(db: Reader) -> Witness | None:
    """I-01: every sold code belongs to one line that exists, of an order that was paid."""
    sql = """SELECT 'code ' || CAST(c.code_id AS TEXT) AS subject,
               CASE WHEN l.line_id IS NULL THEN 'is sold to no order line'
                    ELSE 'is sold to order ' || o.order_no || ', which is ' || o.status END AS problem
             FROM codes c LEFT JOIN order_lines l ON l.line_id = c.line_id LEFT JOIN orders o ON o.order_id = l.order_id
             WHERE c.status = 'sold'
               AND (l.line_id IS NULL OR o.status NOT IN ('paid', 'delivering', 'delivered', 'refunded'))
             LIMIT 1"""
    return db.one(sql, Witness)


def none_disappears(db: Reader) -> Witness | None:
    """I-02: a batch has as many codes as it imported, and every code has its batch."""
    sql = """SELECT 'batch ' || CAST(b.batch_id AS TEXT) AS subject,
               'imported ' || CAST(b.imported AS TEXT) || ' codes, has ' || CAST(COUNT(c.code_id) AS TEXT) AS problem
             FROM batches b LEFT JOIN codes c ON c.batch_id = b.batch_id
             GROUP BY b.batch_id, b.imported HAVING COUNT(c.code_id) <> b.imported LIMIT 1"""
    lost = db.one(sql, Witness)
    if lost is not None:
        return lost
    sql = """SELECT 'code ' || CAST(c.code_id AS TEXT) AS subject,
               CASE WHEN b.batch_id IS NULL THEN 'is of no batch' ELSE 'is of another product than its batch' END AS problem
             FROM codes c LEFT JOIN batches b ON b.batch_id = c.batch_id
             WHERE b.batch_id IS NULL OR b.product_id <> c.product_id OR b.sku_id <> c.sku_id LIMIT 1"""
    return db.one(sql, Witness)


def taken_back_is_void(db: Reader) -> Witness | None:
    """I-02: a code that was taken back is void, of a batch that was undone, which counts it; no other gave up its fingerprint."""
    sql = """SELECT 'code ' || CAST(c.code_id AS TEXT) AS subject,
               'was taken back and is ' || c.status || ', of a batch that is ' || b.status AS problem
             FROM codes c JOIN batches b ON b.batch_id = c.batch_id
             WHERE c.released_fingerprint IS NOT NULL AND (c.status <> 'void' OR b.status NOT IN ('undoing', 'undone')) LIMIT 1"""
    stray = db.one(sql, Witness)
    if stray is not None:
        return stray
    sql = """SELECT 'batch ' || CAST(b.batch_id AS TEXT) AS subject,
               'says that ' || CAST(b.taken_back AS TEXT) || ' codes were taken back, has '
                 || CAST(COUNT(c.code_id) AS TEXT) AS problem
             FROM batches b LEFT JOIN codes c ON c.batch_id = b.batch_id AND c.released_fingerprint IS NOT NULL
             WHERE b.taken_back > 0
             GROUP BY b.batch_id, b.taken_back HAVING COUNT(c.code_id) <> b.taken_back LIMIT 1"""
    return db.one(sql, Witness)


def undone_by_their_rows(db: Reader) -> Witness | None:
    """I-30: what stands for the fingerprint of a code that was taken back is made of it and of its row."""
    sql = """SELECT code_id, fingerprint, released_fingerprint FROM codes
             WHERE released_fingerprint IS NOT NULL AND code_id > :after ORDER BY code_id LIMIT 5000"""
    after = -1
    while rows := db.all(sql, Undone, after=after):
        for row in rows:
            if row.fingerprint != undone_fingerprint(row.released_fingerprint, row.code_id):
                return Witness(f"code {row.code_id}", "was taken back and bears a fingerprint that is not its own")
        after = rows[-1].code_id
    return None


def held_for_a_live_line(db: Reader) -> Witness | None:
    """I-03: a code is held exactly for an unpaid order's line, with its deadline, or for a paid one that waits for the vault."""
    sql = """SELECT 'code ' || CAST(c.code_id AS TEXT) AS subject,
               CASE WHEN l.line_id IS NULL THEN 'is held for no order line'
                    ELSE 'is held for order ' || o.order_no || ', which is ' || o.status END AS problem
             FROM codes c LEFT JOIN order_lines l ON l.line_id = c.line_id LEFT JOIN orders o ON o.order_id = l.order_id
             WHERE c.status = 'held'
               AND (l.line_id IS NULL OR o.status NOT IN ('pending', 'paid', 'delivering')
                 OR (o.status = 'pending' AND c.held_until <> o.expires_at)
                 OR (o.status <> 'pending' AND NOT EXISTS (
                   SELECT 1 FROM order_exceptions e
                   WHERE e.order_id = o.order_id AND e.kind = 'sealed' AND e.closed_at IS NULL)))
             LIMIT 1"""
    stray = db.one(sql, Witness)
    if stray is not None:
        return stray
    sql = """SELECT 'order ' || o.order_no AS subject,
               'holds ' || CAST(COUNT(c.code_id) AS TEXT) || ' of ' || CAST(l.quantity AS TEXT) || ' codes' AS problem
             FROM orders o JOIN order_lines l ON l.order_id = o.order_id AND l.delivery = 'auto'
               LEFT JOIN codes c ON c.line_id = l.line_id AND c.status = 'held'
             WHERE o.status = 'pending'
             GROUP BY o.order_no, l.line_id, l.quantity HAVING COUNT(c.code_id) <> l.quantity LIMIT 1"""
    return db.one(sql, Witness)


def no_hold_overdue(db: Reader) -> Witness | None:
    """I-03, in time: no hold outlives its deadline by more than 60 s while jobs run, which their last noted run tells."""
    sql = """SELECT 'code ' || CAST(c.code_id AS TEXT) AS subject, 'is held beyond its deadline' AS problem
             FROM codes c JOIN job_runs j ON j.job = 'expire_orders'
               JOIN order_lines l ON l.line_id = c.line_id JOIN orders o ON o.order_id = l.order_id
             WHERE c.status = 'held' AND o.status = 'pending' AND c.held_until + :grace < j.started_at LIMIT 1"""
    return db.one(sql, Witness, grace=MINUTE)


def lines_have_their_codes(db: Reader) -> Witness | None:
    """I-04: a line owns as many sold codes as it says were delivered, and a delivered order's lines are whole."""
    sql = """SELECT 'order ' || o.order_no AS subject,
               'line ' || CAST(l.line_id AS TEXT) || ' says ' || CAST(l.delivered AS TEXT) || ' of '
                 || CAST(l.quantity AS TEXT) || ' were delivered and owns ' || CAST(COUNT(c.code_id) AS TEXT) AS problem
             FROM order_lines l JOIN orders o ON o.order_id = l.order_id
               LEFT JOIN codes c ON c.line_id = l.line_id AND c.status = 'sold'
             GROUP BY o.order_no, o.status, l.line_id, l.delivered, l.quantity
             HAVING COUNT(c.code_id) <> l.delivered OR (o.status = 'delivered' AND l.delivered <> l.quantity) LIMIT 1"""
    return db.one(sql, Witness)


def taken_from_their_pool(db: Reader) -> Witness | None:
    """I-05: a code is held and sold only from the pool of its order's channel."""
    sql = """SELECT 'code ' || CAST(c.code_id AS TEXT) AS subject,
               'of pool ' || CAST(c.pool_id AS TEXT) || ' went to order ' || o.order_no || ' of pool '
                 || CAST(o.pool_id AS TEXT) AS problem
             FROM codes c JOIN order_lines l ON l.line_id = c.line_id JOIN orders o ON o.order_id = l.order_id
             WHERE c.pool_id <> o.pool_id LIMIT 1"""
    return db.one(sql, Witness)


def of_the_ordered_sku(db: Reader) -> Witness | None:
    """I-06: a code's product and SKU are its line's, and the SKU is the product's."""
    sql = """SELECT 'code ' || CAST(c.code_id AS TEXT) AS subject,
               'of SKU ' || CAST(c.sku_id AS TEXT) || ' went to a line of SKU ' || CAST(l.sku_id AS TEXT) || ', order '
                 || o.order_no AS problem
             FROM codes c JOIN order_lines l ON l.line_id = c.line_id JOIN orders o ON o.order_id = l.order_id
               LEFT JOIN skus s ON s.sku_id = c.sku_id
             WHERE c.sku_id <> l.sku_id OR c.product_id <> l.product_id OR s.product_id IS NULL
               OR s.product_id <> c.product_id LIMIT 1"""
    return db.one(sql, Witness)


def replaces_what_was_sold(db: Reader) -> Witness | None:
    """I-07, in rows: a replacement stands for a code that was sold or voided."""
    sql = """SELECT 'code ' || CAST(c.code_id AS TEXT) AS subject,
               'replaces code ' || CAST(c.replaces_code_id AS TEXT) || ', which is ' || COALESCE(old.status, 'gone') AS problem
             FROM codes c LEFT JOIN codes old ON old.code_id = c.replaces_code_id
             WHERE c.replaces_code_id IS NOT NULL AND (old.code_id IS NULL OR old.status NOT IN ('sold', 'void')) LIMIT 1"""
    return db.one(sql, Witness)


def fingerprints_differ(db: Reader) -> Witness | None:
    """I-30: there are as many fingerprints as codes, and as many codes as were ever imported."""
    sql = """SELECT 'stock' AS subject,
               CAST(COUNT(*) AS TEXT) || ' codes, ' || CAST(COUNT(DISTINCT fingerprint) AS TEXT) || ' fingerprints' AS problem
             FROM codes HAVING COUNT(*) <> COUNT(DISTINCT fingerprint)"""
    repeated = db.one(sql, Witness)
    if repeated is not None:
        return repeated
    sql = """SELECT 'stock' AS subject,
               CAST(n.codes AS TEXT) || ' codes, ' || CAST(n.imported AS TEXT) || ' imported' AS problem
             FROM (SELECT (SELECT COUNT(*) FROM codes) AS codes,
                     (SELECT COALESCE(SUM(imported), 0) FROM batches) AS imported) n
             WHERE n.codes <> n.imported"""
    return db.one(sql, Witness)


def counts_are_true(db: Reader) -> Witness | None:
    """K-01: the kept counts of each SKU and pool are the counted ones."""
    sql = """SELECT 'SKU ' || CAST(n.sku_id AS TEXT) || ' in pool ' || CAST(n.pool_id AS TEXT) AS subject,
               'kept free/held/sold/void ' || CAST(COALESCE(k.free, 0) AS TEXT) || '/' || CAST(COALESCE(k.held, 0) AS TEXT)
                 || '/' || CAST(COALESCE(k.sold, 0) AS TEXT) || '/' || CAST(COALESCE(k.void, 0) AS TEXT) || ', counted '
                 || CAST(n.free AS TEXT) || '/' || CAST(n.held AS TEXT) || '/' || CAST(n.sold AS TEXT) || '/'
                 || CAST(n.void AS TEXT) AS problem
             FROM (SELECT sku_id, pool_id, SUM(CASE WHEN status = 'free' THEN 1 ELSE 0 END) AS free,
                     SUM(CASE WHEN status = 'held' THEN 1 ELSE 0 END) AS held,
                     SUM(CASE WHEN status = 'sold' THEN 1 ELSE 0 END) AS sold,
                     SUM(CASE WHEN status = 'void' THEN 1 ELSE 0 END) AS void
                   FROM codes GROUP BY sku_id, pool_id) n
               LEFT JOIN stock_counts k ON k.sku_id = n.sku_id AND k.pool_id = n.pool_id
             WHERE COALESCE(k.free, 0) <> n.free OR COALESCE(k.held, 0) <> n.held OR COALESCE(k.sold, 0) <> n.sold
               OR COALESCE(k.void, 0) <> n.void LIMIT 1"""
    wrong = db.one(sql, Witness)
    if wrong is not None:
        return wrong
    sql = """SELECT 'SKU ' || CAST(k.sku_id AS TEXT) || ' in pool ' || CAST(k.pool_id AS TEXT) AS subject,
               'counts are kept and there is no code' AS problem
             FROM stock_counts k
             WHERE k.free + k.held + k.sold + k.void > 0
               AND NOT EXISTS (SELECT 1 FROM codes c WHERE c.sku_id = k.sku_id AND c.pool_id = k.pool_id) LIMIT 1"""
    return db.one(sql, Witness)
