"""Looks at all that is for sale at once."""

from kashop.catalog import reads as catalog
from kashop.catalog.types import Offer, Sku, Tier
from kashop.db import Reader
from kashop.inventory import reads as inventory
from kashop.inventory.types import DEFAULT_POOL
from kashop.orders.types import Replay
from kashop.payments import reads as payments
from kashop.shelf.types import Free, Goods, Listing, Snapshot, Standing


def version(db: Reader) -> int:
    """How often what is for sale has changed; triggers count."""
    return int(db.value("/*hot*/ SELECT version FROM versions WHERE name = 'shelf'"))


def restocked(db: Reader) -> int:
    """How often something came back into sale; triggers count."""
    return int(db.value("/*hot*/ SELECT version FROM versions WHERE name = 'stock'"))


def standing(db: Reader, scope: str, key_hash: bytes) -> tuple[int, Replay | None]:
    """The same, and what an idempotency key did before: one look, with which every order begins."""
    sql = """/*hot*/ SELECT v.version, i.request_digest, i.order_id
             FROM versions v LEFT JOIN idempotency i ON i.scope = :scope AND i.key_hash = :key_hash
             WHERE v.name = 'shelf'"""
    found = db.one(sql, Standing, scope=scope, key_hash=key_hash)
    assert found is not None
    if found.order_id is None or found.request_digest is None:
        return found.version, None
    return found.version, Replay(found.request_digest, found.order_id)


def snapshot(db: Reader, known: Listing | None) -> Snapshot:
    """What is for sale now, and what of it is free; the listing is `known` unless it has changed."""
    current = version(db)
    listing = known if known is not None and known.version == current else _listing(db, current)
    free = db.all("SELECT sku_id, pool_id, free FROM stock_counts", Free)
    return Snapshot(listing, {(f.sku_id, f.pool_id): f.free for f in free}, db.now, restocked(db))


def _listing(db: Reader, version: int) -> Listing:
    goods = _goods(db)
    shown = [g for g in goods if not g.product.is_hidden]
    return Listing(
        version=version,
        goods={g.product.slug: g for g in goods},
        products={g.product.product_id: g.product for g in goods},
        offers={s.sku_code: Offer(g.product, s, g.tiers.get(s.sku_id, ())) for g in shown for s in g.skus if not s.is_hidden},
        categories=tuple(catalog.categories(db)),
        accounts=tuple(payments.gateways(db)),
        pools={p.channel: p.pool_id for p in inventory.channel_pools(db)},
        default_pool=inventory.get_pool(db, DEFAULT_POOL).pool_id,
    )


def _goods(db: Reader) -> list[Goods]:
    tiers: dict[int, list[Tier]] = {}
    for tier in db.all("SELECT sku_id, min_quantity, price_minor FROM price_tiers ORDER BY sku_id, min_quantity", Tier):
        tiers.setdefault(tier.sku_id, []).append(tier)
    skus: dict[int, list[Sku]] = {}
    sql = """SELECT sku_id, product_id, sku_code, name, price_minor, cost_minor, is_free, min_quantity, max_quantity,
               low_stock_line, position, is_hidden
             FROM skus ORDER BY product_id, position, sku_id"""
    for sku in db.all(sql, Sku):
        skus.setdefault(sku.product_id, []).append(sku)
    return [
        Goods(product, tuple(own), {s.sku_id: tuple(tiers[s.sku_id]) for s in own if s.sku_id in tiers})
        for product in catalog.products(db)
        for own in [skus.get(product.product_id, [])]
    ]
