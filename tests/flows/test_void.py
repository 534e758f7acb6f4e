"""Codes taken out of sale: only free ones, each with its reason."""

import io

import pytest

from kashop.audit import reads as audit
from kashop.flows.void import void_codes
from kashop.inventory import reads as inventory
from kashop.lib.actor import CLI
from kashop.lib.errors import Invalid
from kashop.shop import Shop
from tests.cast import add_epay, add_product, order, stock


async def test_only_free_codes_are_voided(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "goods", codes=4)
    await order(shop, "goods")
    listed = io.BytesIO(b"GOODS-00000\nGOODS-00001\n\nSTRANGER-1\n GOODS-00002\n")
    done = await void_codes(shop, listed, "leaked.txt", CLI, reason="leaked")
    assert (done.voided, done.unknown, done.not_free) == (2, (4,), (1,))
    (count,) = await shop.db.read(inventory.counts)
    assert (count.free, count.held, count.void) == (1, 1, 2)
    events = await shop.db.read(audit.page, 0)
    assert [e.reason for e in events if e.name == "code.voided"] == ["leaked", "leaked"]
    assert (await stock(shop, "goods", ["GOODS-00001"])).duplicate_in_stock == 1


async def test_a_reason_is_needed(shop: Shop) -> None:
    with pytest.raises(Invalid):
        await void_codes(shop, io.BytesIO(b"X-1"), "x", CLI, reason=" ")
