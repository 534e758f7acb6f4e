"""Whole imports afterwards: edited with their history, taken back while nothing of them is sold, and imported again."""

import asyncio
import io

import msgspec
import pytest

from kashop.analytics import INVARIANTS
from kashop.db import Reader
from kashop.flows import checkout, restock
from kashop.flows.restock import Lot, Source
from kashop.inventory import reads as inventory
from kashop.inventory.batches import writes as batches
from kashop.lib.actor import CLI
from kashop.lib.errors import Conflict, Invalid, SoldOut
from kashop.shop import Shop
from tests.cast import add_epay, add_product, call_back, epay_notice, order


async def brought(shop: Shop, codes: int, *, first: int = 0) -> int:
    text = "".join(f"CODE-{n:06}\n" for n in range(first, first + codes))
    source = Source(file=io.BytesIO(text.encode()), name="codes.txt", product="goods", cost="1.00")
    report = await restock.import_codes(shop, source, CLI)
    assert report.new == codes
    return report.batch_id or 0


def broken(db: Reader, shop: Shop) -> list[str]:
    return [f"{i.id} {witness}" for i in INVARIANTS if (witness := i.first_witness(db, shop.keyring))]


def events(db: Reader, name: str) -> list[dict[str, object]]:
    sql = "SELECT payload FROM events WHERE name = :name ORDER BY seq"
    return [msgspec.json.decode(payload) for payload in db.values(sql, name=name)]


@pytest.mark.parametrize("codes", [3, 2 * batches.AT_ONCE + 5])
async def test_a_batch_is_taken_back_and_the_same_file_comes_in_again(shop: Shop, codes: int) -> None:
    await add_product(shop, "goods")
    batch_id = await brought(shop, codes)
    assert await restock.undo(shop, batch_id, CLI, reason="wrong product") == codes
    (count,) = await shop.db.read(inventory.counts)
    assert (count.free, count.void) == (0, codes)
    batch = await shop.db.read(inventory.get_batch, batch_id)
    assert (batch.status, batch.taken_back, batch.imported) == ("undone", codes, codes)
    assert await brought(shop, codes) != batch_id
    assert await shop.db.read(broken, shop) == []
    assert (await shop.db.read(events, "batch.undone"))[0] == {"voided": codes, "held": 0, "sold": 0}
    with pytest.raises(Conflict):
        await restock.undo(shop, batch_id, CLI, reason="again")


async def test_what_is_held_or_sold_refuses_the_undo_and_says_how_many(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "goods")
    batch_id = await brought(shop, 5)
    await call_back(shop, epay_notice(await order(shop, "goods", 2), money="25.00"))
    await order(shop, "goods", 1)
    with pytest.raises(Conflict) as refused:
        await restock.undo(shop, batch_id, CLI, reason="oops")
    assert refused.value.detail == {"sold": 2, "held": 1}
    (count,) = await shop.db.read(inventory.counts)
    assert (count.free, count.void) == (2, 0)
    assert (await shop.db.read(inventory.get_batch, batch_id)).status == "done"


async def test_a_reason_is_asked_for(shop: Shop) -> None:
    await add_product(shop, "goods")
    with pytest.raises(Invalid):
        await restock.undo(shop, await brought(shop, 1), CLI, reason=" ")


async def test_an_undo_that_was_interrupted_is_finished_by_asking_again_and_leaves_buyers_theirs(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "goods", max_quantity=10)
    codes = batches.AT_ONCE + 50
    batch_id = await brought(shop, codes)
    first = await shop.db.write(batches.begin_undo, batch_id, CLI, reason="killed behind this")
    assert (first.voided, first.is_done) == (batches.AT_ONCE, False)
    await call_back(shop, epay_notice(await order(shop, "goods", 3), money="37.50"))
    assert await restock.undo(shop, batch_id, CLI, reason="go on") == codes - 3
    assert (await shop.db.read(events, "batch.undone"))[0] == {"voided": codes - 3, "held": 0, "sold": 3}
    assert [i for i in await shop.db.read(broken, shop) if not i.startswith("I-09")] == []


async def test_what_a_buyer_held_through_an_undo_and_gives_back_is_not_sold_to_the_next(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "goods", max_quantity=10)
    codes = batches.AT_ONCE + 5
    batch_id = await brought(shop, codes)
    await shop.db.write(batches.begin_undo, batch_id, CLI, reason="the supplier called them back")
    held = await order(shop, "goods", 3)
    assert await restock.undo(shop, batch_id, CLI, reason="go on") == codes - 3
    await checkout.cancel(shop, held.order, CLI, reason="changed my mind")
    (count,) = await shop.db.read(inventory.counts)
    assert (count.free, count.held, count.void) == (0, 0, codes)
    with pytest.raises(SoldOut):
        await order(shop, "goods", 1)
    told = await shop.db.read(events, "batch.undone")
    assert told == [{"voided": codes - 3, "held": 3, "sold": 0}, {"voided": codes, "held": 0, "sold": 0}]
    assert await shop.db.read(broken, shop) == []
    await brought(shop, codes)  # and every one of them may come in again
    assert await shop.db.read(broken, shop) == []


async def test_two_who_undo_at_once_do_it_once(shop: Shop) -> None:
    await add_product(shop, "goods")
    batch_id = await brought(shop, batches.AT_ONCE + 9)
    both = await asyncio.gather(*(restock.undo(shop, batch_id, CLI, reason="x") for _ in range(2)), return_exceptions=True)
    assert batches.AT_ONCE + 9 in both
    (count,) = await shop.db.read(inventory.counts)
    assert (count.free, count.void) == (0, batches.AT_ONCE + 9)
    assert len(await shop.db.read(events, "batch.undone")) == 1


async def test_an_undo_needs_no_key(shop: Shop) -> None:
    await add_product(shop, "goods")
    batch_id = await brought(shop, 4)
    shop.keyring.seal()
    assert await restock.undo(shop, batch_id, CLI, reason="sealed or not") == 4


async def test_an_edit_is_told_with_what_changed_and_costs_what_is_not_sold(shop: Shop) -> None:
    await add_product(shop, "goods")
    batch_id = await brought(shop, batches.AT_ONCE + 3)
    lot = Lot(product="goods", batch="codes.txt", note="from the fair", cost="2.50", expires="2031-01-31")
    await restock.edit(shop, batch_id, lot, CLI)
    batch = await shop.db.read(inventory.get_batch, batch_id)
    assert (batch.note, batch.cost_minor, batch.expires_on) == ("from the fair", 250, "2031-01-31")
    costs = await shop.db.read(lambda db: db.values("SELECT DISTINCT cost_minor FROM codes"))
    assert costs == [250]
    changed = {"note": ["", "from the fair"], "cost_minor": [100, 250], "expires_on": ["", "2031-01-31"]}
    assert await shop.db.read(events, "batch.edited") == [{"changed": changed}]
    await restock.edit(shop, batch_id, lot, CLI)
    assert len(await shop.db.read(events, "batch.edited")) == 1
    for wrong in ({"expires": "31.1.2031"}, {"cost": "-1"}):
        with pytest.raises(Invalid):
            await restock.edit(shop, batch_id, msgspec.structs.replace(lot, **wrong), CLI)
