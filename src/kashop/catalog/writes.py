"""Changes of the catalogue."""

import msgspec

from kashop.audit.reads import next_id
from kashop.audit.writes import record
from kashop.catalog import reads, rules
from kashop.catalog.types import ProductDraft, SkuDraft
from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid, NotFound


def add_category(tx: Tx, *, slug: str, name: str, parent_id: int | None, actor: Actor, position: int = 0) -> int:
    """Put up a shelf; its id. A shelf on a shelf on a shelf is refused."""
    if not rules.SLUG.fullmatch(slug):
        raise Invalid.of("slug", "Use 1 to 64 small letters, digits and hyphens.")
    if not 0 < len(name.strip()) <= 60:
        raise Invalid.of("name", "Write a name of 1 to 60 characters.")
    _check_parent(tx, parent_id)
    sql = """INSERT INTO categories (category_id, slug, name, parent_id, position)
             VALUES (:category_id, :slug, :name, :parent_id, :position)
             ON CONFLICT (slug) DO NOTHING RETURNING category_id"""
    new = next_id(tx, "category")
    category_id = tx.value(sql, category_id=new, slug=slug, name=name.strip(), parent_id=parent_id, position=position)
    if category_id is None:
        raise Invalid.of("slug", "This is already in use.")
    record(tx, "category.added", actor, ("category", category_id), slug=slug)
    return int(category_id)


def edit_category(
    tx: Tx,
    category_id: int,
    *,
    name: str,
    parent_id: int | None,
    position: int,
    is_hidden: bool,
    actor: Actor,
) -> None:
    """Rename, move or hide a shelf."""
    if not 0 < len(name.strip()) <= 60:
        raise Invalid.of("name", "Write a name of 1 to 60 characters.")
    if parent_id == category_id:
        raise Invalid.of("parent", "A category cannot stand under itself.")
    _check_parent(tx, parent_id)
    children = tx.value("SELECT COUNT(*) FROM categories WHERE parent_id = :id", id=category_id)
    if parent_id is not None and children:
        raise Invalid.of("parent", "Categories have two levels.")
    sql = """UPDATE categories SET name = :name, parent_id = :parent_id, position = :position, is_hidden = :is_hidden
             WHERE category_id = :id"""
    tx.run(
        sql,
        id=category_id,
        name=name.strip(),
        parent_id=parent_id,
        position=position,
        is_hidden=int(is_hidden),
    )
    record(tx, "category.changed", actor, ("category", category_id))


def remove_category(tx: Tx, category_id: int, actor: Actor) -> None:
    """Take an empty shelf down. Raises Conflict with the counts of what stands on it, NotFound."""
    slug = tx.value("SELECT slug FROM categories WHERE category_id = :id", id=category_id)
    if slug is None:
        raise NotFound("There is no such category.")
    products = tx.value("SELECT COUNT(*) FROM products WHERE category_id = :id", id=category_id)
    below = tx.value("SELECT COUNT(*) FROM categories WHERE parent_id = :id", id=category_id)
    if products or below:
        raise Conflict(
            "This category stays: {products} products and {below} categories are in it. Move them first, or hide it.",
            code="in_use",
            products=products,
            below=below,
        )
    tx.run("DELETE FROM categories WHERE category_id = :id", id=category_id)
    record(tx, "category.removed", actor, ("category", category_id), slug=slug)


def _check_parent(tx: Tx, parent_id: int | None) -> None:
    if parent_id is None:
        return
    grandparent = tx.values("SELECT parent_id FROM categories WHERE category_id = :id", id=parent_id)
    if not grandparent:
        raise Invalid.of("parent", "There is no such category.")
    if grandparent[0] is not None:
        raise Invalid.of("parent", "Categories have two levels.")


def add_product(tx: Tx, draft: ProductDraft, skus: list[SkuDraft], actor: Actor) -> int:
    """Put a product with at least one SKU up for sale; its id."""
    draft = rules.checked_product(draft)
    _check_category(tx, draft.category_id)
    if not skus:
        raise Invalid.of("skus", "A product needs at least one SKU.")
    sql = """INSERT INTO products (product_id, category_id, slug, name, summary, description, instructions, image, delivery,
               contact_type, lookup_password, fields, stock_display, hold_minutes, position, is_hidden, created_at, updated_at)
             VALUES (:product_id, :category_id, :slug, :name, :summary, :description, :instructions, :image, :delivery,
               :contact_type, :lookup_password, :fields, :stock_display, :hold_minutes, :position, :is_hidden, :now, :now)
             ON CONFLICT (slug) DO NOTHING RETURNING product_id"""
    product_id = tx.value(sql, product_id=next_id(tx, "product"), now=tx.now, **_columns(draft))
    if product_id is None:
        raise Invalid.of("slug", "This is already in use.")
    for sku in skus:
        _insert_sku(tx, int(product_id), sku, actor)
    record(tx, "product.added", actor, ("product", product_id), slug=draft.slug)
    return int(product_id)


def edit_product(tx: Tx, product_id: int, draft: ProductDraft, *, version: int, actor: Actor) -> None:
    """Change a product that is still as its editor saw it (`version`); the slug stays. Raises Conflict."""
    draft = rules.checked_product(draft)
    _check_category(tx, draft.category_id)
    before = reads.get_product(tx, product_id)
    sql = """UPDATE products SET category_id = :category_id, name = :name, summary = :summary, description = :description,
               instructions = :instructions, image = :image, delivery = :delivery, contact_type = :contact_type,
               lookup_password = :lookup_password, fields = :fields, stock_display = :stock_display,
               hold_minutes = :hold_minutes, position = :position, is_hidden = :is_hidden, updated_at = :now,
               version = version + 1
             WHERE product_id = :product_id AND version = :version"""
    columns = _columns(draft)
    del columns["slug"]
    if not tx.run(sql, now=tx.now, product_id=product_id, version=version, **columns):
        raise Conflict("Someone else changed this product meanwhile. Reload and try again.", code="changed_meanwhile")
    changed = sorted(k for k, v in columns.items() if v != getattr(before, k))
    record(tx, "product.changed", actor, ("product", product_id), changed=changed)


def remove_product(tx: Tx, product_id: int, actor: Actor) -> None:
    """Take a product with its SKUs away. The flow has seen that nothing hangs on it."""
    product = reads.get_product(tx, product_id)
    sql = "DELETE FROM price_tiers WHERE sku_id IN (SELECT sku_id FROM skus WHERE product_id = :product_id)"
    tx.run(sql, product_id=product_id)
    tx.run("DELETE FROM skus WHERE product_id = :product_id", product_id=product_id)
    tx.run("DELETE FROM products WHERE product_id = :product_id", product_id=product_id)
    record(tx, "product.removed", actor, ("product", product_id), slug=product.slug)


def _check_category(tx: Tx, category_id: int | None) -> None:
    sql = "SELECT category_id FROM categories WHERE category_id = :category_id"
    if category_id is not None and tx.value(sql, category_id=category_id) is None:
        raise Invalid.of("category", "There is no such category.")


def _columns(draft: ProductDraft) -> dict[str, object]:
    values = {name: getattr(draft, name) for name in draft.__struct_fields__}
    return {**values, "fields": msgspec.json.encode(draft.fields).decode(), "is_hidden": int(draft.is_hidden)}


def add_sku(tx: Tx, product_id: int, draft: SkuDraft, actor: Actor) -> int:
    """Add a SKU to a product; its id. Whoever edits the product meanwhile is told."""
    sku_id = _insert_sku(tx, product_id, draft, actor)
    _touch(tx, product_id)
    return sku_id


def _insert_sku(tx: Tx, product_id: int, draft: SkuDraft, actor: Actor) -> int:
    product = reads.get_product(tx, product_id)
    draft = rules.checked_sku(draft, slug=product.slug)
    sql = """INSERT INTO skus (product_id, sku_code, name, price_minor, cost_minor, is_free, min_quantity, max_quantity,
               low_stock_line, position, is_hidden)
             VALUES (:product_id, :sku_code, :name, :price_minor, :cost_minor, :is_free, :min_quantity, :max_quantity,
               :low_stock_line, :position, :is_hidden)
             ON CONFLICT (sku_code) DO NOTHING RETURNING sku_id"""
    sku_id = tx.value(sql, product_id=product_id, **_sku_columns(draft))
    if sku_id is None:
        raise Invalid.of("sku_code", "This is already in use.")
    _set_tiers(tx, int(sku_id), draft)
    record(tx, "sku.added", actor, ("sku", sku_id), code=draft.sku_code, price=draft.price_minor)
    return int(sku_id)


def edit_sku(tx: Tx, sku_id: int, draft: SkuDraft, actor: Actor) -> None:
    """Change a SKU. Orders already placed keep their price. Whoever edits the product meanwhile is told."""
    before = reads.get_sku(tx, sku_id)
    draft = rules.checked_sku(draft, slug=before.sku_code)
    sql = """UPDATE skus SET sku_code = :sku_code, name = :name, price_minor = :price_minor, cost_minor = :cost_minor,
               is_free = :is_free, min_quantity = :min_quantity, max_quantity = :max_quantity,
               low_stock_line = :low_stock_line, position = :position, is_hidden = :is_hidden
             WHERE sku_id = :sku_id"""
    taken = tx.value("SELECT sku_id FROM skus WHERE sku_code = :code", code=draft.sku_code)
    if taken not in (None, sku_id):
        raise Invalid.of("sku_code", "This is already in use.")
    tx.run(sql, sku_id=sku_id, **_sku_columns(draft))
    tx.run("DELETE FROM price_tiers WHERE sku_id = :sku_id", sku_id=sku_id)
    _set_tiers(tx, sku_id, draft)
    _touch(tx, before.product_id)
    price = {"before": before.price_minor, "after": draft.price_minor}
    record(tx, "sku.changed", actor, ("sku", sku_id), price=price)


def _touch(tx: Tx, product_id: int) -> None:
    sql = "UPDATE products SET version = version + 1, updated_at = :now WHERE product_id = :product_id"
    tx.run(sql, now=tx.now, product_id=product_id)


def _sku_columns(draft: SkuDraft) -> dict[str, object]:
    values = {name: getattr(draft, name) for name in draft.__struct_fields__ if name != "tiers"}
    return {**values, "is_free": int(draft.is_free), "is_hidden": int(draft.is_hidden)}


def _set_tiers(tx: Tx, sku_id: int, draft: SkuDraft) -> None:
    sql = "INSERT INTO price_tiers (sku_id, min_quantity, price_minor) VALUES (:sku_id, :quantity, :price)"
    tx.many(sql, [{"sku_id": sku_id, "quantity": quantity, "price": price} for quantity, price in draft.tiers])
