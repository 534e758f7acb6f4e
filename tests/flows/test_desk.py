"""What staff do from the exceptions desk: goods go out once, for money that is there; two people do not act past each other."""

import asyncio

import pytest

from kashop.analytics import invariants
from kashop.flows import checkout, desk, vault
from kashop.flows import settings as settings_flow
from kashop.lib.actor import CLI, SYSTEM, Actor
from kashop.lib.errors import Conflict, SoldOut
from kashop.orders import reads as orders
from kashop.orders import writes
from kashop.orders.rules import EXCEPTIONS
from kashop.shop import Shop
from tests.cast import TestClock, add_epay, add_product, call_back, codes_of, epay_notice, order, stock

ANN, BEN = Actor("staff", "1"), Actor("staff", "2")


@pytest.fixture(autouse=True)
async def stocked(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "steam", codes=2)


async def late(shop: Shop, clock: TestClock, quantity: int = 1) -> checkout.Placed:
    """An order whose money came after its time, in a shop that hands it to staff."""
    await settings_flow.change(shop, {"orders.late_payment": "hold"}, CLI)
    placed = await order(shop, "steam", quantity)
    clock.pass_time(minutes=16)
    await checkout.expire(shop, placed.order.order_id, SYSTEM)
    await call_back(shop, epay_notice(placed, money=f"{12.5 * quantity:.2f}"))
    return placed


async def entry_of(shop: Shop, placed: checkout.Placed) -> int:
    [entry] = await shop.db.read(orders.open_exceptions, placed.order.order_id)
    return entry.exception_id


async def standing(shop: Shop, placed: checkout.Placed) -> tuple[str, list[str]]:
    order_id = placed.order.order_id
    kinds = [e.kind for e in await shop.db.read(orders.open_exceptions, order_id)]
    return (await shop.db.read(orders.get, order_id)).status, kinds


async def test_late_money_is_held_for_again_and_delivered_once(shop: Shop, clock: TestClock) -> None:
    placed = await late(shop, clock)
    entry = await entry_of(shop, placed)
    works = [desk.deliver_now(shop, entry, who, owner="") for who in (ANN, BEN)]
    done = await asyncio.gather(*works, return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["Conflict", "Tried"]
    assert await standing(shop, placed) == ("delivered", [])
    assert len(await codes_of(shop, placed)) == 1


async def test_without_stock_an_ended_order_stays_as_it_is(shop: Shop, clock: TestClock) -> None:
    placed = await late(shop, clock, 2)
    entry = await entry_of(shop, placed)
    other = await order(shop, "steam", 1)
    with pytest.raises(SoldOut):
        await desk.deliver_now(shop, entry, ANN, owner="")
    assert await standing(shop, placed) == ("expired", ["paid_late"])
    await stock(shop, "steam", ["STEAM-NEW"])
    assert await desk.deliver_now(shop, entry, ANN, owner="") == desk.Tried("delivered")
    assert await standing(shop, placed) == ("delivered", [])
    assert len(await codes_of(shop, placed)) == 2
    assert await standing(shop, other) == ("pending", [])


async def test_a_paid_order_that_was_short_is_delivered_when_there_is_stock(shop: Shop) -> None:
    placed = await order(shop, "steam", 2)
    await shop.db.write(lambda tx: tx.run("UPDATE codes SET status = 'void', line_id = NULL, held_until = NULL"))
    await shop.db.write(lambda tx: tx.run("UPDATE stock_counts SET held = 0, void = 2"))
    await call_back(shop, epay_notice(placed, money="25.00"))
    assert await standing(shop, placed) == ("paid", ["short_of_stock"])
    entry = await entry_of(shop, placed)
    assert await desk.deliver_now(shop, entry, ANN, owner="") == desk.Tried("paid", "short_of_stock")
    assert await standing(shop, placed) == ("paid", ["short_of_stock"])
    await stock(shop, "steam", ["STEAM-1", "STEAM-2"])
    assert await desk.deliver_now(shop, entry, ANN, owner="") == desk.Tried("delivered")
    assert await standing(shop, placed) == ("delivered", [])


async def test_a_sealed_vault_keeps_the_codes_held_for_it(shop: Shop, clock: TestClock) -> None:
    placed = await late(shop, clock)
    await vault.seal(shop, CLI)
    entry = await entry_of(shop, placed)
    assert "deliver" not in await shop.db.read(desk.remedies, entry)
    assert await desk.deliver_now(shop, entry, ANN, owner="") == desk.Tried("paid", "sealed")
    assert await standing(shop, placed) == ("paid", ["sealed"])


async def test_nothing_goes_out_for_less_than_is_due(shop: Shop) -> None:
    placed = await order(shop, "steam")
    await call_back(shop, epay_notice(placed, money="1.00"))
    with pytest.raises(Conflict):
        await desk.deliver_now(shop, await entry_of(shop, placed), ANN, owner="")
    assert await standing(shop, placed) == ("pending", ["paid_partly"])


async def test_f06_an_entry_that_another_took_on_is_not_acted_on_unseen(shop: Shop, clock: TestClock) -> None:
    placed = await late(shop, clock)
    entry = await entry_of(shop, placed)
    await shop.db.write(writes.set_owner, entry, "staff:2", BEN, was="")
    for unseen in (
        lambda: desk.deliver_now(shop, entry, ANN, owner=""),
        lambda: shop.db.write(writes.set_owner, entry, "staff:1", ANN, was=""),
        lambda: shop.db.write(writes.close_by_hand, entry, ANN, reason="done", owner=""),
    ):
        with pytest.raises(Conflict) as caught:
            await unseen()
        assert caught.value.code == "changed_meanwhile"
    assert await standing(shop, placed) == ("expired", ["paid_late"])
    assert (await desk.deliver_now(shop, entry, ANN, owner="staff:2")).status == "delivered", "seen, and done all the same"


async def test_two_who_take_the_same_one_on(shop: Shop, clock: TestClock) -> None:
    entry = await entry_of(shop, await late(shop, clock))
    works = [shop.db.write(writes.set_owner, entry, str(who), who, was="") for who in (ANN, BEN)]
    done = await asyncio.gather(*works, return_exceptions=True)
    assert [type(each) for each in done].count(Conflict) == 1
    assert (await shop.db.read(orders.get_exception, entry)).owner in ("staff:1", "staff:2")


async def test_every_kind_has_its_remedies(shop: Shop) -> None:
    assert desk.REMEDIES.keys() == set(EXCEPTIONS)
    placed = await order(shop, "steam")
    for kind in EXCEPTIONS:
        entry = await shop.db.write(writes.open_exception, placed.order.order_id, kind, SYSTEM)
        assert await shop.db.read(desk.remedies, entry), kind


async def test_no_invariant_is_broken(shop: Shop, clock: TestClock) -> None:
    placed = await late(shop, clock)
    await desk.deliver_now(shop, await entry_of(shop, placed), ANN, owner="")
    found = {i.id: await shop.db.read(i.first_witness, shop.keyring) for i in invariants.INVARIANTS}
    assert {name: witness for name, witness in found.items() if witness} == {}
