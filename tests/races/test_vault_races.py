"""Seals come and go, keys are rotated, batches taken back and codes voided while orders are placed, paid and left."""

import asyncio
import contextlib
import io
import random

import pytest

from kashop.analytics.invariants import INVARIANTS
from kashop.flows import checkout, deliver, restock, rotate, vault
from kashop.flows.checkout import Placed
from kashop.flows.vault import Given
from kashop.inventory import writes as inventory
from kashop.lib.actor import CLI, SYSTEM
from kashop.lib.errors import Refusal
from kashop.shop import Shop
from tests.cast import TestClock, add_epay, add_product, call_back, codes_of, epay_notice, order


class Fair:
    """People and jobs that get into each other's way; `sure` are orders whose money was taken."""

    def __init__(self, shop: Shop, clock: TestClock, seed: int):
        self.shop, self.clock, self.by = shop, clock, random.Random(seed)
        self.placed: list[Placed] = []
        self.batches: list[int | None] = []
        self.number = 0

    async def buys(self) -> None:
        self.number = number = self.number + 1
        quantity = self.by.choice((1, 1, 2))
        placed = await order(self.shop, "card", quantity, contact=f"b{number}@example.com")
        self.placed.append(placed)
        await asyncio.sleep(self.by.random() / 50)
        how = self.by.random()
        if how < 0.65:
            money = f"{12.5 * quantity:.2f}"
            notice = epay_notice(placed, money=money, txn=f"T{number}")
            await asyncio.gather(*(call_back(self.shop, notice) for _ in range(self.by.choice((1, 2)))))
            await codes_of(self.shop, placed)
        elif how < 0.85:
            await checkout.cancel(self.shop, placed.order, CLI, reason="changed my mind")
        if how > 0.75:  # late money
            await call_back(self.shop, epay_notice(placed, money=f"{12.5 * quantity:.2f}", txn=f"L{number}"))

    async def seals(self) -> None:
        await vault.seal(self.shop, CLI)
        await asyncio.sleep(self.by.random() / 20)
        await vault.watch(self.shop)
        await vault.open_with(self.shop, Given(), CLI)

    async def rotates(self) -> None:
        await rotate.begin(self.shop, CLI)
        await rotate.go_on(self.shop, rotate.Pace(7, 7, 1.0, 0), seconds=self.by.random())

    async def imports(self) -> None:
        self.number += 1
        text = "".join(f"R{self.number:04}-{n:05}\n" for n in range(self.by.choice((5, 2300))))
        source = restock.Source(file=io.BytesIO(text.encode()), name="r.txt", product="card")
        done = await restock.import_codes(self.shop, source, CLI)
        self.batches.append(done.batch_id)

    async def undoes(self) -> None:
        if self.batches:
            await restock.undo(self.shop, self.by.choice(self.batches), CLI, reason="race")

    async def voids(self) -> None:
        free = await self.shop.db.read(lambda db: db.values("SELECT code_id FROM codes WHERE status = 'free' LIMIT 9"))
        for code_id in free[:2]:
            await self.shop.db.write(inventory.void, code_id, reason="race", actor=CLI)

    async def sweeps(self) -> None:
        await deliver.sweep(self.shop, older_than=0)
        for placed in self.placed[-5:]:
            await checkout.expire(self.shop, placed.order.order_id, SYSTEM)

    async def one(self, act: str) -> None:
        with contextlib.suppress(Refusal):
            await getattr(self, act)()


ACTS = ["buys"] * 14 + ["seals"] * 2 + ["rotates", "imports", "undoes", "undoes", "voids", "sweeps"]


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_breaks_however_they_meet(shop: Shop, clock: TestClock, seed: int) -> None:
    await add_epay(shop)
    await add_product(shop, "card", codes=60, max_quantity=5)
    fair = Fair(shop, clock, seed)
    for _ in range(6):
        acts = [fair.by.choice(ACTS) for _ in range(18)]
        await asyncio.gather(*(fair.one(act) for act in acts))
        clock.pass_time(minutes=fair.by.choice((0, 0, 20)))
    await fair.one("seals")
    assert not shop.keyring.is_sealed
    await rotate.go_on(shop, rotate.ALONE)
    await vault.deliver_waiting(shop)
    await deliver.sweep(shop, older_than=0)
    for invariant in INVARIANTS:
        witness = await shop.db.read(invariant.first_witness, shop.keyring)
        assert witness is None, (invariant.id, witness, seed)
    shown = await shop.db.read(lambda db: db.value("SELECT COUNT(*) FROM events WHERE name = 'vault.alarm'"))
    assert shown == 0
