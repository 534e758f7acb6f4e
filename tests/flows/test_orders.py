"""An order from the click to the code, and every way it may end."""

import asyncio

import pytest

from kashop.flows import attempts, checkout, deliver
from kashop.inventory import reads as inventory
from kashop.lib.actor import CLI, SYSTEM, Actor
from kashop.lib.errors import Conflict, Invalid, Mismatch, NotFound, PriceChanged, SoldOut
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.shop import Shop
from tests.cast import (
    BUYER,
    TestClock,
    add_epay,
    add_product,
    call_back,
    codes_of,
    epay_notice,
    order,
    stock,
    wish,
)


@pytest.fixture(autouse=True)
async def stocked(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=5, max_quantity=10, tiers=((3, 1100),))


async def free(shop: Shop) -> int:
    return sum(c.free for c in await shop.db.read(inventory.counts))


async def status(shop: Shop, placed: checkout.Placed) -> str:
    return (await shop.db.read(orders.get, placed.order.order_id)).status


async def test_a_paid_order_gives_its_codes_oldest_first(shop: Shop) -> None:
    placed = await order(shop, "steam-50", 2)
    assert placed.order.status == "pending"
    assert placed.order.total_minor == 2500
    assert await free(shop) == 3
    answer = await call_back(shop, epay_notice(placed, money="25"))
    assert (answer.status, answer.body) == (200, b"success")
    assert await status(shop, placed) == "delivered"
    assert await codes_of(shop, placed) == ["STEAM-50-00000", "STEAM-50-00001"]


async def test_tiers_price_the_whole_line(shop: Shop) -> None:
    assert (await order(shop, "steam-50", 3)).order.total_minor == 3300


async def test_an_expired_order_gives_its_codes_back_once(shop: Shop, clock: TestClock) -> None:
    placed = await order(shop, "steam-50", 2)
    assert not await checkout.expire(shop, placed.order.order_id, SYSTEM)
    clock.pass_time(minutes=16)
    ended = [await checkout.expire(shop, placed.order.order_id, SYSTEM) for _ in range(2)]
    assert ended == [True, False]
    assert await free(shop) == 5
    assert await status(shop, placed) == "expired"


async def test_a_cancelled_order_cannot_be_cancelled_again(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    await checkout.cancel(shop, placed.order, BUYER)
    assert await free(shop) == 5
    with pytest.raises(Conflict):
        await checkout.cancel(shop, placed.order, BUYER)


async def test_sold_out_leaves_nothing_behind(shop: Shop) -> None:
    with pytest.raises(SoldOut):
        await order(shop, "steam-50", 6)
    assert await free(shop) == 5
    assert await shop.db.read(orders.page, 10**9) == []


async def test_many_buyers_for_the_last_codes(shop: Shop) -> None:
    answers = await asyncio.gather(
        *(order(shop, "steam-50", contact=f"b{n}@example.com") for n in range(40)), return_exceptions=True
    )
    placed = [a for a in answers if isinstance(a, checkout.Placed)]
    assert len(placed) == 5
    assert sum(isinstance(a, SoldOut) for a in answers) == 35
    for each in placed:
        await call_back(shop, epay_notice(each, txn=each.order.order_no))
    codes = [c for each in placed for c in await codes_of(shop, each)]
    assert len(set(codes)) == 5


async def test_the_same_key_places_one_order(shop: Shop) -> None:
    placed = await asyncio.gather(*(order(shop, "steam-50", key="k1") for _ in range(20)))
    assert len({p.order.order_no for p in placed}) == 1
    assert len({p.token for p in placed}) == 1
    assert await free(shop) == 4
    with pytest.raises(Mismatch):
        await order(shop, "steam-50", 2, key="k1")


async def test_the_shown_price_must_hold(shop: Shop) -> None:
    with pytest.raises(PriceChanged) as refused:
        await order(shop, "steam-50", expected_minor=1)
    assert refused.value.detail["new"] == "12.50"
    assert await free(shop) == 5


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"contact": ""}, "contact"),
        ({"contact": "no address"}, "contact"),
        ({"gateway": "nowhere"}, "gateway"),
        ({"method": "cash"}, "method"),
        ({"fields": {"surprise": "1"}}, "fields.surprise"),
        ({"lookup_password": "abc"}, "lookup_password"),
    ],
)
async def test_a_wrong_wish_is_refused_by_field(shop: Shop, more: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        await order(shop, "steam-50", **more)
    assert field in [e.field for e in refused.value.fields]
    assert await free(shop) == 5


@pytest.mark.parametrize("quantity", [0, -1, 11, 2**40])
async def test_a_wrong_quantity_is_refused(shop: Shop, quantity: int) -> None:
    with pytest.raises(Invalid):
        await order(shop, "steam-50", quantity)


async def test_a_link_opens_its_order_only(shop: Shop) -> None:
    mine, yours = await order(shop, "steam-50"), await order(shop, "steam-50")
    for number, token in ((mine.order.order_no, yours.token), ("K0", mine.token), (mine.order.order_no, "")):
        with pytest.raises(NotFound):
            await deliver.order_of_link(shop, number, token)


async def test_nothing_is_revealed_before_it_is_delivered(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    with pytest.raises(Conflict):
        await codes_of(shop, placed)


async def test_changing_the_method_keeps_the_first_attempt_good(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    await attempts.change(shop, placed.order, gateway="epay-main", method="wxpay", actor=BUYER)
    await call_back(shop, epay_notice(placed))
    assert await status(shop, placed) == "delivered"


async def test_a_free_product_is_delivered_at_once(shop: Shop) -> None:
    await add_product(shop, "gift", codes=1, price=0, is_free=True)
    placed = await order(shop, "gift", gateway="", method="")
    assert placed.order.status == "delivered"
    assert placed.attempt is None
    assert await codes_of(shop, placed) == ["GIFT-00000"]


async def test_manual_goods_wait_for_staff(shop: Shop) -> None:
    await add_product(shop, "topup", delivery="manual")
    placed = [await order(shop, "topup") for _ in range(2)]
    for each in placed:
        await call_back(shop, epay_notice(each, txn=each.order.order_no))
        assert await status(shop, each) == "delivering"
        (line,) = await shop.db.read(orders.lines, each.order.order_id)
        done = await deliver.deliver_by_hand(shop, each.order.order_no, line.line_id, ["已充值"], CLI)
        assert done == "delivered"
        assert await codes_of(shop, each) == ["已充值"]
        with pytest.raises(Conflict):
            await deliver.deliver_by_hand(shop, each.order.order_no, line.line_id, ["again"], CLI)


async def test_a_short_order_is_on_the_desk_and_swept_when_stock_comes(shop: Shop, clock: TestClock) -> None:
    first = await order(shop, "steam-50", 5)
    clock.pass_time(minutes=16)
    await checkout.expire(shop, first.order.order_id, SYSTEM)
    second = await order(shop, "steam-50", 5)
    await call_back(shop, epay_notice(first, money="55.00"))
    assert await status(shop, first) == "expired"
    desk = await shop.db.read(orders.desk)
    assert [row.kind for row in desk] == ["paid_late"]
    await call_back(shop, epay_notice(second, money="55.00", txn="T2"))
    assert await status(shop, second) == "delivered"
    await stock(shop, "steam-50", [f"NEW-{n}" for n in range(5)])
    assert await deliver.sweep(shop, older_than=0) == 0  # late money waits for a person, not for stock


async def test_a_key_that_others_may_guess_is_known_only_from_its_own_client(shop: Shop) -> None:
    wanted, stranger = wish("steam-50"), Actor("buyer", ip="198.51.100.9")
    placed = await checkout.place(shop, wanted, BUYER, key="order-1")
    assert (await checkout.place(shop, wanted, BUYER, key="order-1")).is_replay
    guessed = await checkout.place(shop, wanted, stranger, key="order-1")
    assert guessed.token != placed.token
    key = "0b1e7a52-8f0c-4f8e-9d5c-2f6f0c1f7d11"
    placed = await checkout.place(shop, wanted, BUYER, key=key)
    moved = await checkout.place(shop, wanted, stranger, key=key)  # the same buyer, by another network
    assert (moved.token, moved.is_replay) == (placed.token, True)


async def test_a_clock_set_back_keeps_no_replay_waiting(shop: Shop, clock: TestClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "BEGIN_PATIENCE", 300)
    await order(shop, "steam-50", key="k1")
    await shop.db.write(lambda tx: tx.run("UPDATE attempts SET kind = '', url = ''"))  # its process died before the answer
    clock.pass_time(hours=-24)
    replayed = await asyncio.wait_for(order(shop, "steam-50", key="k1"), 30)
    assert replayed.attempt is not None
    assert replayed.attempt.kind == "redirect"


async def test_what_begins_alone_is_begun_in_the_change_that_places_the_order(shop: Shop) -> None:
    before = shop.db.units
    placed = await order(shop, "steam-50")
    assert shop.db.units == before + 1
    assert placed.attempt is not None
    assert placed.attempt == (await shop.db.read(payments.attempts, placed.order.order_id))[0]
    assert placed.order == await shop.db.read(orders.get, placed.order.order_id)
    assert list(placed.lines) == await shop.db.read(orders.lines, placed.order.order_id)
    assert "submit.php" in placed.attempt.url


async def test_what_asks_its_vendor_is_written_down_before_that_hears_of_it(shop: Shop) -> None:
    await add_epay(shop, "epay-api", mode="api")
    placed = await order(shop, "steam-50", gateway="epay-api")  # nobody answers at its address
    first, second = await shop.db.read(payments.attempts, placed.order.order_id)
    assert (first.status, first.kind, bool(first.problem)) == ("failed", "", True)
    assert (placed.attempt, placed.lines) == (second, ())
