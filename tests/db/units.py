"""A change and a look for tests of the database itself: one row of a table, and all of them."""

from kashop.db import Reader, Tx


def add(tx: Tx, slug: str, *, then: type[BaseException] | None = None) -> int:
    sql = "INSERT INTO categories (slug, name) VALUES (:slug, 'x') RETURNING category_id"
    category_id = int(tx.value(sql, slug=slug))
    if then:
        raise then(slug)
    return category_id


def slugs(db: Reader) -> list[str]:
    return db.values("SELECT slug FROM categories ORDER BY slug")
