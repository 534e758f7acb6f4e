"""`kashop category`: the shelves."""

from pathlib import Path

import msgspec
import rich_click as click

from kashop.catalog import reads, writes
from kashop.cli import frame, show
from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.lib.errors import Invalid, NotFound


@click.group()
def category() -> None:
    """The shelves: two levels."""


@category.command("add")
@frame.shop_options
@click.option("--slug", required=True, help="Stands in the address /c/SLUG: small letters, digits, hyphens.")
@click.option("--name", required=True)
@click.option("--parent", default="", metavar="SLUG", help="A first-level category to put it under.")
@click.option("--position", default=0, help="Lower stands first.")
def add(*, data: Path, is_json: bool, slug: str, name: str, parent: str, position: int) -> None:
    """Put up a shelf.

    Example: kashop category add --slug games --name 游戏点卡
    """
    category_id = frame.run(
        data, lambda shop: shop.db.write(_add, slug=slug, name=name, parent=parent, position=position, actor=frame.actor())
    )
    if is_json:
        show.as_json({"category_id": category_id, "slug": slug})
    else:
        show.line(f"Added the category {slug}.")


def _add(tx: Tx, *, slug: str, name: str, parent: str, position: int, actor: Actor) -> int:
    above = reads.find_category(tx, parent) if parent else None
    if parent and above is None:
        raise Invalid.of("parent", "There is no such category.")
    parent_id = above.category_id if above else None
    return writes.add_category(tx, slug=slug, name=name, parent_id=parent_id, position=position, actor=actor)


@category.command("delete")
@click.argument("slug")
@frame.shop_options
def delete(*, slug: str, data: Path, is_json: bool) -> None:
    """Take an empty shelf down."""
    frame.run(data, lambda shop: shop.db.write(_remove, slug, frame.actor()))
    show.as_json({"slug": slug}) if is_json else show.line(f"Deleted the category {slug}.")


def _remove(tx: Tx, slug: str, actor: Actor) -> None:
    found = reads.find_category(tx, slug)
    if found is None:
        raise NotFound("There is no category {slug}: `kashop category list` shows them.", slug=slug)
    writes.remove_category(tx, found.category_id, actor)


@category.command("list")
@frame.shop_options
def list_(*, data: Path, is_json: bool) -> None:
    """Every category."""
    found = frame.run(data, lambda shop: shop.db.read(reads.categories))
    if is_json:
        show.as_json([msgspec.structs.asdict(c) for c in found])
        return
    slugs = {c.category_id: c.slug for c in found}
    rows = [(c.slug, c.name, slugs.get(c.parent_id or 0, ""), c.position, "hidden" if c.is_hidden else "") for c in found]
    show.table(("SLUG", "NAME", "UNDER", ">POSITION", ""), rows, empty="There is no category yet.")
