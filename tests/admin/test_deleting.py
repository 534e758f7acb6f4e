"""F08: what something hangs on cannot be deleted, and the refusal counts it; what nothing hangs on can."""

from kashop.catalog import reads, writes
from kashop.flows import gateways, products
from kashop.lib.actor import CLI
from kashop.payments import reads as payments
from kashop.shop import Shop
from tests.admin.desk import Desk, complaints
from tests.cast import add_epay, add_product, order, stock


async def test_f08_a_product_with_stock_or_orders(shop: Shop, owner: Desk) -> None:
    await add_epay(shop)
    product_id = await add_product(shop, "steam", codes=3)
    await stock(shop, "steam", ["another-1", "another-2"])
    await order(shop, "steam", 2)
    refused = await owner.post(f"/admin/products/{product_id}/delete")
    assert refused.status_code == 409
    assert "5 codes in 2 batches, 1 order lines" in complaints(refused)[0]
    assert (await shop.db.read(reads.get_product, product_id)).slug == "steam"
    by_hand = await add_product(shop, "by-hand", delivery="manual")
    await order(shop, "by-hand")
    assert "0 codes in 0 batches, 1 order lines" in complaints(await owner.post(f"/admin/products/{by_hand}/delete"))[0]


async def test_f08_a_product_that_never_sold(shop: Shop, owner: Desk) -> None:
    product_id = await add_product(shop, "steam", tiers=((3, 1100),))
    assert (await owner.post(f"/admin/products/{product_id}/delete")).status_code == 303
    assert await shop.db.read(reads.find_product, "steam") is None
    assert await shop.db.read(reads.find_sku, "steam") is None
    assert (await owner.post(f"/admin/products/{product_id}/delete")).status_code == 404
    again = await add_product(shop, "steam")
    assert again > product_id  # a deleted thing's number, and with it its history, is given to no other


async def test_f08_a_category_with_something_in_it(shop: Shop, owner: Desk) -> None:
    games = await shop.db.write(writes.add_category, slug="games", name="Games", parent_id=None, actor=CLI)
    below = await shop.db.write(writes.add_category, slug="steam", name="Steam", parent_id=games, actor=CLI)
    await add_product(shop, "one", category_id=games)
    refused = await owner.post(f"/admin/categories/{games}/delete")
    assert refused.status_code == 409
    assert "1 products and 1 categories are in it" in complaints(refused)[0]
    assert (await owner.post(f"/admin/categories/{below}/delete")).status_code == 303
    assert await shop.db.read(reads.find_category, "steam") is None
    assert (await owner.post(f"/admin/categories/{below}/delete")).status_code == 404


async def test_f08_a_gateway_in_use(shop: Shop, owner: Desk) -> None:
    await add_epay(shop)
    refused = await owner.post("/admin/gateways/epay-main/delete")
    assert refused.status_code == 409
    assert "switch it off first" in complaints(refused)[0]
    await add_product(shop, "steam", codes=1)
    await order(shop, "steam")
    await gateways.set_enabled(shop, "epay-main", False, CLI)
    refused = await owner.post("/admin/gateways/epay-main/delete")
    assert refused.status_code == 409
    assert "1 payments were begun with it and 0 received" in complaints(refused)[0]
    await add_epay(shop, "spare")
    first = await shop.db.read(payments.find_gateway, "spare")
    await gateways.set_enabled(shop, "spare", False, CLI)
    assert (await owner.post("/admin/gateways/spare/delete")).status_code == 303
    assert await shop.db.read(payments.find_gateway, "spare") is None
    await add_epay(shop, "spare")
    second = await shop.db.read(payments.find_gateway, "spare")
    assert first is not None
    assert second is not None
    assert second.gateway_id > first.gateway_id  # a server keeps what it made of each (id, version)


async def test_f08_a_product_is_deleted_whole_or_not_at_all(shop: Shop) -> None:
    """Who stocks it at the same moment is not left without a product: the count and the deletion are one change."""
    import asyncio

    product_id = await add_product(shop, "steam")
    both = await asyncio.gather(
        products.remove(shop, product_id, CLI), stock(shop, "steam", ["a-1", "a-2"]), return_exceptions=True
    )
    left = await shop.db.read(reads.find_product, "steam")
    assert (left is None) == (both[0] is None)
    assert (left is None) == isinstance(both[1], Exception)
