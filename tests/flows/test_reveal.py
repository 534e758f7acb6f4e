"""What a buyer is shown was written down before, code by code (I-31)."""

import asyncio

import pytest

from kashop.catalog import writes as catalog
from kashop.catalog.types import ProductDraft, SkuDraft
from kashop.flows import checkout, deliver
from kashop.flows.checkout import Checkout, Want
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.shop import Shop
from tests.cast import BUYER, add_epay, add_product, call_back, epay_notice


async def test_a_code_delivered_while_others_are_looked_at_is_not_shown_without_its_audit_row(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look, which a rotation makes needed, finds more than was written down; it shows only what was."""
    await add_epay(shop)
    await add_product(shop, "auto", codes=1)
    hand = ProductDraft(slug="hand", name="代充", delivery="manual")
    await shop.db.write(catalog.add_product, hand, [SkuDraft(price_minor=1250)], CLI)
    wish = Checkout(lines=(Want("auto", 1), Want("hand", 1)), contact_type="email", contact="a@example.com", gateway="epay-main")
    placed = await checkout.place(shop, wish, BUYER, key="")
    await call_back(shop, epay_notice(placed, money="25.00"))
    order = await deliver.order_of_link(shop, placed.order.order_no, placed.token)
    line = next(each for each in await shop.db.read(orders.lines, order.order_id) if each.delivery == "manual")
    loop, opened = asyncio.get_running_loop(), deliver._opened

    def first_look_fails(*args: object) -> list[deliver.Revealed]:
        monkeypatch.setattr(deliver, "_opened", opened)
        by_hand = deliver.deliver_by_hand(shop, order.order_no, line.line_id, ["JUST-DELIVERED"], CLI)
        asyncio.run_coroutine_threadsafe(by_hand, loop).result(10)
        raise deliver._DoesNotOpen(0, "an old key")

    monkeypatch.setattr(deliver, "_opened", first_look_fails)
    monkeypatch.setattr(deliver, "FEW", 0)  # on a thread, so that the loop can deliver meanwhile
    shown = [code for each in await deliver.reveal(shop, order, BUYER, how="page") for code in each.codes]
    told = await shop.db.read(lambda db: db.value("SELECT COUNT(*) FROM events WHERE name = 'code.revealed'"))
    assert (shown, told) == (["AUTO-00000"], 1)
    shown = [code for each in await deliver.reveal(shop, order, BUYER, how="page") for code in each.codes]
    assert sorted(shown) == ["AUTO-00000", "JUST-DELIVERED"]
