"""Looks at the catalogue."""

from kashop.catalog.types import Card, Category, Offer, Product, Sku, Tier
from kashop.db import Reader
from kashop.lib.errors import NotFound


def categories(db: Reader) -> list[Category]:
    """Every category, in the order they are shown."""
    sql = """SELECT category_id, parent_id, slug, name, position, is_hidden FROM categories
             ORDER BY position, category_id"""
    return db.all(sql, Category)


def find_category(db: Reader, slug: str) -> Category | None:
    """The category of that slug."""
    sql = "SELECT category_id, parent_id, slug, name, position, is_hidden FROM categories WHERE slug = :slug"
    return db.one(sql, Category, slug=slug)


def cards(db: Reader) -> list[Card]:
    """Every visible product with a visible SKU, in the order they are shown."""
    sql = """SELECT p.product_id, p.category_id, p.slug, p.name, p.summary, p.image, p.delivery, p.stock_display, p.position,
               MIN(s.price_minor) AS price_minor, COUNT(*) AS sku_count,
               CASE WHEN EXISTS (SELECT 1 FROM price_tiers t JOIN skus ts ON ts.sku_id = t.sku_id
                                 WHERE ts.product_id = p.product_id AND ts.is_hidden = 0) THEN 1 ELSE 0 END AS has_tiers
             FROM products p JOIN skus s ON s.product_id = p.product_id AND s.is_hidden = 0
             WHERE p.is_hidden = 0
             GROUP BY p.product_id, p.category_id, p.slug, p.name, p.summary, p.image, p.delivery, p.stock_display, p.position
             ORDER BY p.position, p.product_id"""
    return db.all(sql, Card)


def page(db: Reader, after: tuple[int, int], *, limit: int) -> list[Product]:
    """Visible products after (position, product_id), for the API's cursor."""
    sql = """SELECT product_id, category_id, slug, name, summary, description, instructions, image, delivery, contact_type,
               lookup_password, fields, stock_display, hold_minutes, position, is_hidden, version
             FROM products
             WHERE is_hidden = 0 AND (position > :position OR (position = :position AND product_id > :product_id))
             ORDER BY position, product_id LIMIT :limit"""
    return db.all(sql, Product, position=after[0], product_id=after[1], limit=limit)


def products(db: Reader) -> list[Product]:
    """Every product, hidden ones too: for staff."""
    sql = """SELECT product_id, category_id, slug, name, summary, description, instructions, image, delivery, contact_type,
               lookup_password, fields, stock_display, hold_minutes, position, is_hidden, version
             FROM products ORDER BY position, product_id"""
    return db.all(sql, Product)


def find_product(db: Reader, slug: str) -> Product | None:
    """The product of that slug, hidden or not."""
    sql = """SELECT product_id, category_id, slug, name, summary, description, instructions, image, delivery, contact_type,
               lookup_password, fields, stock_display, hold_minutes, position, is_hidden, version
             FROM products WHERE slug = :slug"""
    return db.one(sql, Product, slug=slug)


def get_product(db: Reader, product_id: int) -> Product:
    """The product of that id, hidden or not."""
    sql = """SELECT product_id, category_id, slug, name, summary, description, instructions, image, delivery, contact_type,
               lookup_password, fields, stock_display, hold_minutes, position, is_hidden, version
             FROM products WHERE product_id = :product_id"""
    product = db.one(sql, Product, product_id=product_id)
    if product is None:
        raise NotFound("There is no such product.")
    return product


def skus(db: Reader, product_id: int) -> list[Sku]:
    """A product's SKUs, hidden ones too, in the order they are shown."""
    sql = """SELECT sku_id, product_id, sku_code, name, price_minor, cost_minor, is_free, min_quantity, max_quantity,
               low_stock_line, position, is_hidden
             FROM skus WHERE product_id = :product_id ORDER BY position, sku_id"""
    return db.all(sql, Sku, product_id=product_id)


def find_sku(db: Reader, sku_code: str) -> Sku | None:
    """The SKU of that code, hidden or not."""
    sql = """SELECT sku_id, product_id, sku_code, name, price_minor, cost_minor, is_free, min_quantity, max_quantity,
               low_stock_line, position, is_hidden
             FROM skus WHERE sku_code = :sku_code"""
    return db.one(sql, Sku, sku_code=sku_code)


def get_sku(db: Reader, sku_id: int) -> Sku:
    """The SKU of that id, hidden or not."""
    sql = """SELECT sku_id, product_id, sku_code, name, price_minor, cost_minor, is_free, min_quantity, max_quantity,
               low_stock_line, position, is_hidden
             FROM skus WHERE sku_id = :sku_id"""
    sku = db.one(sql, Sku, sku_id=sku_id)
    if sku is None:
        raise NotFound("There is no such SKU.")
    return sku


def tiers(db: Reader, sku_id: int) -> list[Tier]:
    """A SKU's tiers, lowest quantity first."""
    sql = "SELECT sku_id, min_quantity, price_minor FROM price_tiers WHERE sku_id = :sku_id ORDER BY min_quantity"
    return db.all(sql, Tier, sku_id=sku_id)


def find_offer(db: Reader, sku_code: str) -> Offer | None:
    """A SKU that can be bought, with all that its price and its form depend on; None when it or its product is hidden."""
    sku = find_sku(db, sku_code)
    if sku is None or sku.is_hidden:
        return None
    product = get_product(db, sku.product_id)
    return None if product.is_hidden else Offer(product, sku, tuple(tiers(db, sku.sku_id)))
