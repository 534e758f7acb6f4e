"""What a product may be: refused by field, changed only as its editor saw it."""

import time
from collections.abc import Iterator

import pytest

from kashop.catalog import reads, rules, writes
from kashop.catalog.types import BuyerField, ProductDraft, SkuDraft, Tier
from kashop.lib.actor import CLI
from kashop.lib.errors import Conflict, Invalid
from kashop.shop import Shop

GOOD = {"slug": "goods", "name": "Goods"}


async def add(shop: Shop, sku: SkuDraft | None = None, **more: object) -> int:
    draft = ProductDraft(**{**GOOD, **more})
    return await shop.db.write(writes.add_product, draft, [sku or SkuDraft(price_minor=100)], CLI)


def wrong_products() -> Iterator[tuple[dict[str, object], str]]:
    yield {"slug": "Große"}, "slug"
    yield {"slug": "-x"}, "slug"
    yield {"slug": "a" * 65}, "slug"
    yield {"name": " "}, "name"
    yield {"name": "x\u202ey"}, "name"
    yield {"delivery": "drone"}, "delivery"
    yield {"hold_minutes": 0}, "hold_minutes"
    yield {"category_id": 99}, "category"
    yield {"fields": (BuyerField("A", "a"),)}, "fields"
    yield {"fields": (BuyerField("a", "a"), BuyerField("a", "b"))}, "fields"
    yield {"fields": (BuyerField("a", "a", pattern="("),)}, "fields"
    yield {"fields": (BuyerField("a", "a", pattern="a{99999999999999}"),)}, "fields"
    yield {"fields": (BuyerField("a", "a", pattern="a+", max_length=-1),)}, "fields"
    for slow in (r"([a-z0-9]+\.?)+@x", "(a|aa)*b", "(.*)*", ".*.*.*.*x", "a?" * 40 + "a" * 40, "(a|a)" * 39, r"(a+)\1+b"):
        yield {"fields": (BuyerField("a", "a", pattern=slow),)}, "fields"
    yield {"fields": (BuyerField("a", "a", kind="select"),)}, "fields"


@pytest.mark.parametrize(("more", "field"), list(wrong_products()))
async def test_a_wrong_product_is_refused_by_field(shop: Shop, more: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        await add(shop, **more)
    assert field in {e.field for e in refused.value.fields}
    assert await shop.db.read(reads.products) == []


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        (r"[A-Za-z0-9_-]{3,16}", "_" * 16),
        (r"1[3-9]\d{9}", "13800138000"),
        (r"[^@]+@[^@.]+\.[a-z]+", "a" * 190 + "@b.cn"),
        (r"(\d{1,3}\.){3}\d{1,3}", "127.0.0.1"),
        (r"(cn|na|eu)-\d+", "eu-7"),
        (r".*.*.*x", "x" * 200),
    ],
)
async def test_a_pattern_that_shops_need_is_taken_and_quick_on_every_answer(shop: Shop, pattern: str, answer: str) -> None:
    field = BuyerField("a", "a", pattern=pattern)
    await add(shop, fields=(field,))
    assert rules.checked_answers([field], {"a": answer}) == ({"a": answer}, [])
    began = time.thread_time()
    for unfit in ("a" * 199 + "!", "1" * 199 + "!", "." * 199 + "!", "x" * 199 + "!"):
        rules.checked_answers([field], {"a": unfit})
    assert time.thread_time() - began < 1


@pytest.mark.parametrize(
    ("sku", "field"),
    [
        (SkuDraft(price_minor=0), "price"),
        (SkuDraft(price_minor=-1), "price"),
        (SkuDraft(price_minor=100, min_quantity=0), "min_quantity"),
        (SkuDraft(price_minor=100, min_quantity=5, max_quantity=4), "min_quantity"),
        (SkuDraft(price_minor=100, max_quantity=1001), "max_quantity"),
        (SkuDraft(price_minor=100, tiers=((1, 90),)), "tiers"),
        (SkuDraft(price_minor=100, tiers=((5, 90), (5, 80))), "tiers"),
        (SkuDraft(price_minor=100, tiers=((5, 0),)), "price"),
        (SkuDraft(price_minor=100, sku_code="No!"), "sku_code"),
    ],
)
async def test_a_wrong_sku_is_refused_by_field(shop: Shop, sku: SkuDraft, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        await add(shop, sku)
    assert field in {e.field for e in refused.value.fields}
    assert await shop.db.read(reads.products) == []


async def test_two_editors_do_not_overwrite_each_other(shop: Shop) -> None:
    product_id = await add(shop)
    seen = await shop.db.read(reads.get_product, product_id)
    first = ProductDraft(slug="goods", name="First")
    await shop.db.write(writes.edit_product, product_id, first, version=seen.version, actor=CLI)
    with pytest.raises(Conflict):
        await shop.db.write(writes.edit_product, product_id, first, version=seen.version, actor=CLI)
    assert (await shop.db.read(reads.get_product, product_id)).name == "First"


async def test_a_category_stands_on_two_levels_at_most(shop: Shop) -> None:
    top = await shop.db.write(writes.add_category, slug="a", name="A", parent_id=None, actor=CLI)
    under = await shop.db.write(writes.add_category, slug="b", name="B", parent_id=top, actor=CLI)
    with pytest.raises(Invalid):
        await shop.db.write(writes.add_category, slug="c", name="C", parent_id=under, actor=CLI)
    with pytest.raises(Invalid):
        await shop.db.write(writes.add_category, slug="a", name="A", parent_id=None, actor=CLI)


def test_a_line_costs_the_highest_tier_it_reaches() -> None:
    tiers = [Tier(1, 50, 80), Tier(1, 10, 90)]
    assert [rules.unit_price(100, tiers, q) for q in (1, 9, 10, 49, 50, 999)] == [100, 100, 90, 90, 80, 80]


def test_tiers_are_read_as_merchants_write_them() -> None:
    assert rules.parse_tiers("10=51.9; 50=51.50\n", "CNY") == ((10, 5190), (50, 5150))
    for wrong in ("10", "x=1", "10=1e2", "-1=5", "10=1.234", "１０=1"):
        with pytest.raises(Invalid):
            rules.parse_tiers(wrong, "CNY")
