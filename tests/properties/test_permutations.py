"""Whatever befalls an order's money, in whatever order: it ends in an allowed state and no money is lost or made (I-12).

The default run tells every history of up to three of the nine events and a sample of the longer ones; the drill every one of up
to five, and many of all nine.
"""

import random
import sys
from dataclasses import dataclass

import pytest

from kashop.analytics import INVARIANTS
from kashop.flows import attempts, checkout, refunds, settings
from kashop.flows.refunds import Wish
from kashop.jobs import schedule
from kashop.lib.actor import CLI, SYSTEM
from kashop.lib.errors import Conflict, Invalid
from kashop.orders import reads as orders
from kashop.orders.rules import MOVES
from kashop.payments import reads as payments
from kashop.payments.refunding.writes import UNFIT
from kashop.payments.types import Notice
from kashop.shop import Shop
from tests.cast import TestClock, add_product, stock
from tests.flows.till import Till, add_till, buy, pay
from tests.properties.fates import EVENTS, MONEY, PRICE, Fate, histories

POLICIES = {
    "as it is": Fate(),
    "all goes back": Fate(late="refund", refunds=True),
    "late is held": Fate(late="hold"),
}
ON = ("on_partly_paid", "on_overpaid", "on_paid_twice", "on_mismatch")


@dataclass
class World:
    """A shop in which histories happen, one order each."""

    shop: Shop
    clock: TestClock
    till: Till
    made: int = 0

    async def live(self, history: tuple[str, ...], policy: Fate) -> None:
        """Let a history happen to a fresh order and to its model."""
        fate = Fate(late=policy.late, refunds=policy.refunds)
        placed, self.made = await buy(self.shop), self.made + 1
        for event in history:
            if fate.befall(event) or event == "expire":  # an order that ended already is expired again without a word
                await self._happen(event, placed)
            else:
                with pytest.raises((Conflict, Invalid)):
                    await self._happen(event, placed)
            if policy.refunds:
                await schedule.settle_refunds(self.shop)
            await self._compare(placed, fate, (history, event))

    async def _happen(self, event: str, placed: checkout.Placed) -> None:
        txn, amount = MONEY.get(event, ("", 0))
        number = f"{txn}-{self.made}"
        assert placed.attempt is not None
        if event == "query":
            told = {"gateway_txn": number, "amount_minor": amount, "currency": "CNY"}
            self.till.finds = Notice(state="paid", attempt_no=placed.attempt.attempt_no, **told)
            assert await attempts.query(self.shop, placed.attempt.attempt_id, SYSTEM) == "paid"
            self.till.finds = None
        elif event in MONEY:
            assert await pay(self.shop, placed, txn=number, amount=amount) in ("settled", "repeated")
        elif event == "cancel":
            await checkout.cancel(self.shop, placed.order, CLI)
        elif event == "expire":
            self.clock.pass_time(minutes=16)
            await checkout.expire(self.shop, placed.order.order_id, SYSTEM)
        else:
            left = [each for each in await refunds.left(self.shop, placed.order.order_no) if each.left_minor]
            receipt_id = left[-1].receipt.receipt_id if left else None
            await refunds.refund(self.shop, placed.order.order_no, Wish(receipt_id=receipt_id, reason="x"), CLI)

    async def _compare(self, placed: checkout.Placed, fate: Fate, where: object) -> None:
        looks = (orders.get, payments.receipts, payments.refunds, orders.open_exceptions, orders.lines)
        order, receipts, back, exceptions, lines = await self.shop.db.read(
            lambda db: [look(db, placed.order.order_id) for look in looks]
        )
        desk = {e.kind for e in exceptions}
        assert order.status in MOVES, where
        assert (order.status, order.paid_minor, order.kept_minor) == (fate.status, sum(fate.came.values()), fate.kept), where
        assert order.paid_minor == sum(r.counted_minor for r in receipts) == sum(r.amount_minor for r in receipts), where
        assert order.refunded_minor == sum(r.amount_minor for r in back if r.status == "done"), where
        assert {r.status for r in back} <= {"done"}, where
        sold = sum(line.delivered for line in lines)
        assert sold == int(fate.was_sold), where
        if fate.is_unfit is not None:
            assert bool(desk & set(UNFIT)) == fate.is_unfit, (where, desk)

    async def check(self) -> None:
        """Every invariant of the shop, and the vendor's own books: what he sent back is what the shop says."""
        for each in INVARIANTS:
            witness = await self.shop.db.read(each.first_witness, self.shop.keyring)
            assert witness is None, f"{each.id}: {witness}"
        refunded = await self.shop.db.read(lambda db: db.value("SELECT COALESCE(SUM(refunded_minor), 0) FROM orders"))
        assert refunded == sum(ask.amount_minor for ask in self.till.asked)
        assert len({ask.refund_no for ask in self.till.asked}) == len(self.till.asked)


@pytest.fixture
async def world(shop: Shop, clock: TestClock) -> World:
    await add_product(shop, "steam", price=PRICE)
    return World(shop, clock, await add_till(shop))


async def tell(world: World, policy: Fate, told: list[tuple[str, ...]]) -> None:
    chosen = "refund" if policy.refunds else "hold"
    await settings.change(world.shop, {"orders.late_payment": policy.late, **{f"payments.{n}": chosen for n in ON}}, CLI)
    await stock(world.shop, "steam", [f"STEAM-{n:06}" for n in range(len(told) + 1)])
    for history in told:
        await world.live(history, policy)
    await world.check()


def longer(count: int, least: int, seed: str) -> list[tuple[str, ...]]:
    chance = random.Random(seed)
    return [tuple(chance.sample(EVENTS, chance.randint(least, len(EVENTS)))) for _ in range(count)]


@pytest.mark.parametrize("name", POLICIES)
async def test_every_short_history_and_some_long_ones(world: World, engine: str, name: str) -> None:
    short = histories(3) if name != "late is held" and engine == "sqlite" else histories(2)
    await tell(world, POLICIES[name], short + longer(60, 4, name))


@pytest.mark.drill
@pytest.mark.parametrize("name", POLICIES)
async def test_every_history_of_five_and_many_of_all(world: World, name: str) -> None:
    await tell(world, POLICIES[name], histories(5) + longer(4000, 6, f"drill {name}"))


async def test_control_a_refund_that_is_not_counted_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from kashop.orders import writes

    monkeypatch.setattr(writes, "give_back", lambda *_given: None)
    with pytest.raises(AssertionError):
        await tell(world, POLICIES["as it is"], [("paid", "refund")])


async def test_control_a_payment_counted_twice_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = pay

    async def twice(shop: Shop, placed: checkout.Placed, *, txn: str, amount: int) -> str:
        await honest(shop, placed, txn=f"{txn}-again", amount=amount)
        return await honest(shop, placed, txn=txn, amount=amount)

    monkeypatch.setattr(sys.modules[__name__], "pay", twice)
    with pytest.raises(AssertionError):
        await tell(world, POLICIES["as it is"], [("paid",)])
