"""Random histories of one shop, each step compared with the model, each state with every invariant."""

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kashop.analytics import INVARIANTS
from kashop.flows import attempts, checkout, confirm, deliver, settings, vault
from kashop.inventory import writes as stock_writes
from kashop.jobs import schedule
from kashop.lib.actor import CLI
from kashop.lib.errors import Conflict, Invalid, Mismatch, SoldOut
from kashop.orders import reads as orders
from kashop.orders import writes as order_writes
from kashop.orders.rules import MOVES
from kashop.payments import reads as payments
from kashop.plugins.kit.simulators.epay import EpaySimulator
from kashop.shop import Shop
from kashop.vault import Sealed
from tests.cast import BUYER, TestClock, call_back, config, stock
from tests.conftest import NewShop
from tests.properties.acts import ACTS, GOODS, LIKELY, WANTS
from tests.properties.looks import code_id_of, expected, form_of, moves_told, state_of
from tests.properties.model import PAID, Model, ModelAttempt, ModelOrder, ModelReceipt
from tests.properties.notices import notice
from tests.properties.refunding import Refunding
from tests.properties.upkeep import Upkeep

T = TypeVar("T")


class Histories(Refunding, Upkeep, RuleBasedStateMachine):
    """One shop's life."""

    def __init__(self, new_shop: NewShop, epay: EpaySimulator):
        super().__init__()
        self.kept = ExitStack()
        folder = self.kept.enter_context(tempfile.TemporaryDirectory(prefix="kashop-history-"))
        self.data = self.kept.enter_context(new_shop(Path(folder)))
        self.epay, self.clock, self.model = epay, TestClock(), Model(GOODS)
        self.loop = asyncio.Runner()
        self.placed: dict[str, checkout.Placed] = {}
        self.wishes: dict[str, checkout.Checkout] = {}
        self.told: list[tuple[str, str, int]] = []
        self.serial = 0
        self.shop: Shop | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    async def all_at_once(self, works: list[Coroutine[Any, Any, T]]) -> list[T]:
        return await asyncio.gather(*works)

    def number(self) -> int:
        self.serial += 1
        return self.serial

    def teardown(self) -> None:
        try:
            if self.shop is not None:
                self.run(self.shop.close())
        finally:
            self.loop.close()
            self.kept.close()

    @initialize(keys=st.integers(2, 12), cards=st.integers(0, 9), gifts=st.integers(0, 3), first=st.lists(WANTS, max_size=3))
    def open(self, keys: int, cards: int, gifts: int, first: list[dict[str, int]]) -> None:
        self.shop = self.run(Shop.open(config(self.data), clock=self.clock, is_server=True))
        for slug, count in (("keys", keys), ("cards", cards), ("gift", gifts)):
            if count:
                self.import_codes(slug, count, 0, 0)
        for wants in first:
            self.place(wants, True, "alipay")

    @rule(choice=st.sampled_from(LIKELY), data=st.data())
    def live(self, choice: str, data: st.DataObject) -> None:
        """One rule for all that can happen: with a rule for each, most histories would never see an order."""
        act = ACTS[choice]
        if act.needs and not getattr(self, act.needs):
            choice, act = "place", ACTS["place"]
        getattr(self, choice)(**data.draw(st.fixed_dictionaries(act.given), label=choice))

    # --- stock -----------------------------------------------------------------------------------------------------------

    def import_codes(self, slug: str, new: int, known: int, twice: int) -> None:
        fresh = [f"{slug.upper()}-{self.number():05}" for _ in range(new)]
        old = self.model.known[:known]
        lines = [*fresh, *old, *fresh[:twice]]
        if not lines:
            return
        if self.model.is_sealed:
            with pytest.raises(Sealed):
                self.run(stock(self.shop, slug, lines))
            return
        report = self.run(stock(self.shop, slug, lines))
        assert (report.new, report.duplicate_in_stock, report.duplicate_in_file) == (
            self.model.stock(slug, lines),
            len(old),
            len(fresh[:twice]),
        )

    def void(self, slug: str, pick: int) -> None:
        shelf = self.model.shelf[slug]
        if not shelf:
            return
        code = shelf[pick % len(shelf)]
        code_id = self.run(self.shop.db.read(code_id_of, slug, shelf.index(code)))
        was_free = self.run(self.shop.db.write(stock_writes.void, code_id, reason="bad", actor=CLI))
        assert was_free == (code in self.model.free[slug])
        if was_free:
            self.model.free[slug].discard(code)
            self.model.void[slug] += 1

    # --- buyers ----------------------------------------------------------------------------------------------------------

    def place(self, wants: dict[str, int], has_key: bool, method: str) -> None:
        lines = tuple(checkout.Want(slug, n) for slug, n in wants.items())
        wish = checkout.Checkout(lines=lines, contact_type="email", contact="a@example.com", gateway="epay-main", method=method)
        key = f"key-{self.number()}" if has_key else ""
        if not self.model.can_hold(wants):
            with pytest.raises(SoldOut):
                self.run(checkout.place(self.shop, wish, BUYER, key=key))
            return
        placed = self.run(checkout.place(self.shop, wish, BUYER, key=key))
        order_no = placed.order.order_no
        attempt = placed.attempt and ModelAttempt(placed.attempt.attempt_no, placed.attempt.amount_minor, method)
        order = self.model.place(order_no, wants, attempt, self.clock.ms)
        assert placed.order.total_minor == order.total
        assert (placed.attempt is None) == (order.total == 0)
        self.placed[order_no] = placed
        if key:
            self.wishes[key] = wish

    def place_again(self, pick: int, is_other: bool) -> None:
        key, wish = list(self.wishes.items())[pick % len(self.wishes)]
        if is_other:
            other = checkout.Checkout(
                **{f: getattr(wish, f) for f in wish.__struct_fields__ if f != "contact"}, contact="b@example.com"
            )
            with pytest.raises(Mismatch):
                self.run(checkout.place(self.shop, other, BUYER, key=key))
            return
        before = len(self.model.orders)
        again = [self.run(checkout.place(self.shop, wish, BUYER, key=key)) for _ in range(2)]
        assert {(p.order.order_no, p.is_replay) for p in again} == {(again[0].order.order_no, True)}
        assert again[0].order.order_no in self.placed
        assert len(self.run(self.shop.db.read(orders.page, 10**12, limit=10_000))) == before

    def change_method(self, pick: int, method: str) -> None:
        order = self.payable[pick % len(self.payable)]
        change = attempts.change(self.shop, self.placed[order.order_no].order, gateway="epay-main", method=method, actor=BUYER)
        again = self.model.again(order, method)
        is_over = order.status != "pending" or order.expires_at <= self.clock.ms
        if is_over or (again is None and len(order.attempts) >= attempts.MOST_ATTEMPTS):
            with pytest.raises(Conflict):
                self.run(change)
            return
        newest = self.run(change)
        assert newest.amount_minor == order.owed
        assert again is None or again.attempt_no == newest.attempt_no
        self.model.change(order, again or ModelAttempt(newest.attempt_no, newest.amount_minor, method))

    def cancel(self, pick: int) -> None:
        if not self.model.orders:
            return
        order = self.some(pick)
        work = checkout.cancel(self.shop, self.placed[order.order_no].order, BUYER)
        if self.model.end(order, "cancelled", self.clock.ms):
            self.run(work)
        else:
            with pytest.raises(Conflict):
                self.run(work)

    def expire(self, pick: int) -> None:
        order = self.some(pick)
        ended = self.run(checkout.expire(self.shop, self.placed[order.order_no].order.order_id, CLI))
        assert ended == self.model.end(order, "expired", self.clock.ms)

    def reveal(self, pick: int) -> None:
        if not self.model.orders:
            return
        order = self.some(pick)
        placed = self.placed[order.order_no]
        opened = self.run(deliver.order_of_link(self.shop, order.order_no, placed.token))
        if not any(line.sold for line in order.lines) or (order.paid and order.kept <= 0):
            with pytest.raises(Conflict):
                self.run(deliver.reveal(self.shop, opened, BUYER, how="page"))
            return
        if self.model.is_sealed:
            with pytest.raises(Sealed):
                self.run(deliver.reveal(self.shop, opened, BUYER, how="page"))
            return
        shown = self.run(deliver.reveal(self.shop, opened, BUYER, how="page"))
        assert {r.line.sku_code: sorted(r.codes) for r in shown} == {x.good.slug: sorted(x.sold) for x in order.lines if x.sold}

    # --- money -----------------------------------------------------------------------------------------------------------

    def pay(self, pick: int, share: str, times: int, other: bool) -> None:
        order = self.payable[pick % len(self.payable)]
        attempt = order.attempts[pick % len(order.attempts)]
        amount = {"exact": attempt.amount, "part": max(1, attempt.amount // 2), "over": attempt.amount + 100}[share]
        method = "qqpay" if other and share == "exact" else attempt.method or "alipay"
        self.tell(attempt.attempt_no, f"T{self.number()}", amount, method, times)

    def pay_again(self, pick: int, times: int, is_same: bool) -> None:
        txn, known = list(self.model.receipts.items())[pick % len(self.model.receipts)]
        order, _ = self.model.attempt(known.attempt_no)
        attempt = order.attempts[pick % len(order.attempts)]
        self.tell(attempt.attempt_no, txn, known.amount if is_same else 100 + pick % 900, "alipay", times)

    def pay_with_anothers_money(self, pick: int, other: int) -> None:
        txn = list(self.model.receipts)[pick % len(self.model.receipts)]
        order = self.payable[other % len(self.payable)]
        self.tell(order.attempts[-1].attempt_no, txn, order.attempts[-1].amount, "alipay", 1)

    def tell(self, attempt_no: str, txn: str, amount: int, method: str, times: int) -> None:
        """The gateway calls back, so many times at once."""
        query = notice(attempt_no, txn, amount, method, key=self.epay.key)
        expected = {self.model.settle(attempt_no, txn, amount, method) for _ in range(times)}
        answers = self.run(self.all_at_once([call_back(self.shop, query) for _ in range(times)]))
        assert {answer.status for answer in answers} == ({400} if "refused" in expected else {200})

    def tell_lies(self, pick: int, flaw: str) -> None:
        attempt = self.payable[pick % len(self.payable)].attempts[-1]
        lies: dict[str, dict[str, Any]] = {
            "signature": {"key": "another"},
            "merchant": {"pid": "9"},
            "status": {"status": "WAIT_BUYER_PAY"},
            "amount": {"money": "-1.00"},
            "attempt": {"attempt_no": "A261101NOTHERE"},
        }
        told = {"attempt_no": attempt.attempt_no, "txn": f"T{self.number()}", "amount": attempt.amount, "method": "alipay"}
        query = notice(**{**told, "key": self.epay.key, **lies[flaw]})
        answer = self.run(call_back(self.shop, query))
        assert answer.status == (200 if flaw == "status" else 400)

    def pay_and_lose_the_callback(self, pick: int) -> None:
        order = self.payable[pick % len(self.payable)]
        attempt = order.attempts[-1]
        if attempt.silent_txn or attempt.amount <= 0:
            return
        newest = self.run(self.shop.db.read(payments.attempts, self.placed[order.order_no].order.order_id))[-1]
        code, _, taken = self.epay.take(form_of(newest), by_api=False)
        assert code == 1
        assert taken is not None
        self.epay.pay(attempt.attempt_no, lose=True)
        attempt.silent_txn = taken.txn

    def ask_the_gateway(self, pick: int) -> None:
        order = self.payable[pick % len(self.payable)]
        known = self.run(self.shop.db.read(payments.attempts, self.placed[order.order_no].order.order_id))
        found = known[pick % len(known)]
        self.run(attempts.query(self.shop, found.attempt_id, CLI))
        self.model.query(order, self.model.attempt(found.attempt_no)[1])

    def confirm(self, pick: int, is_used: bool) -> None:
        order = self.payable[pick % len(self.payable)]
        reference = next(iter(self.model.receipts), "") if is_used else ""
        reference = reference or f"M{self.number()}"
        work = confirm.confirm(self.shop, order.order_no, reference=reference, note="seen on the statement", actor=CLI)
        if order.status in PAID:
            with pytest.raises(Conflict):
                self.run(work)
        elif reference in self.model.receipts and order.kept < order.total:
            with pytest.raises(Invalid):
                self.run(work)
        else:
            assert self.run(work) == self.model.confirm(order.order_no, reference)

    # --- staff and time --------------------------------------------------------------------------------------------------

    def deliver_by_hand(self, pick: int) -> None:
        waiting = [(o, x) for o in self.model.orders.values() for x in o.lines if x.good.is_manual]
        if not waiting:
            return
        order, line = waiting[pick % len(waiting)]
        order_id = self.placed[order.order_no].order.order_id
        found = self.run(self.shop.db.read(orders.lines, order_id))
        line_id = next(x.line_id for x in found if x.sku_code == line.good.slug)
        contents = [f"done {self.number()}" for _ in range(line.quantity)]
        work = deliver.deliver_by_hand(self.shop, order.order_no, line_id, contents, CLI)
        if self.model.is_sealed:
            with pytest.raises(Sealed):
                self.run(work)
        elif order.status in ("paid", "delivering") and not line.sold:
            assert self.run(work) == self.model.deliver_by_hand(order, line, contents)
        else:
            with pytest.raises(Conflict):
                self.run(work)

    def close_an_exception(self, pick: int) -> None:
        desk = self.run(self.shop.db.read(orders.desk))
        if desk:
            row = desk[pick % len(desk)]
            work = self.shop.db.write(order_writes.close_by_hand, row.exception_id, CLI, reason="seen")
            if row.kind == "sealed":
                with pytest.raises(Conflict):
                    self.run(work)
                return
            assert self.run(work)
            self.model.orders[row.order_no].desk.discard(row.kind)

    def pass_time(self, minutes: int) -> None:
        self.clock.pass_time(minutes=minutes)

    def run_jobs(self) -> None:
        ended = self.run(schedule.expire_orders(self.shop))
        due = [o for o in self.model.orders.values() if o.status == "pending" and o.expires_at <= self.clock.ms]
        due.sort(key=lambda o: o.expires_at)
        assert ended == sum([self.model.end(order, "expired", self.clock.ms) for order in due])
        self.run(deliver.sweep(self.shop, older_than=0))
        self.run(schedule.read_callbacks(self.shop))

    def choose_what_late_money_does(self, delivers: bool) -> None:
        self.run(settings.change(self.shop, {"orders.late_payment": "deliver" if delivers else "hold"}, CLI))
        self.model.delivers_late = delivers

    def seal_or_unseal(self) -> None:
        if self.model.is_sealed:
            assert self.run(vault.open_with(self.shop, vault.Given(), CLI)) == self.model.unseal()
        else:
            assert self.run(vault.seal(self.shop, CLI))
            self.model.is_sealed = True

    def restart(self) -> None:
        assert self.shop is not None
        self.run(self.shop.close())
        self.shop = self.run(Shop.open(config(self.data), clock=self.clock, is_server=True))

    # --- what must be true -----------------------------------------------------------------------------------------------

    @invariant()
    def the_shop_is_as_the_model(self) -> None:
        if self.shop is None:
            return
        state, wanted = self.run(self.shop.db.read(state_of)), expected(self.model)
        different = {name: (state.get(name), wanted.get(name)) for name in state | wanted if state.get(name) != wanted.get(name)}
        assert not different, f"(the shop, the model): {different}"

    @invariant()
    def every_invariant_holds(self) -> None:
        if self.shop is None:
            return
        for each in INVARIANTS:
            if each.needs_vault and self.model.is_sealed:
                continue
            witness = self.run(self.shop.db.read(each.first_witness, self.shop.keyring))
            assert witness is None, f"{each.id}: {witness}"

    @invariant()
    def the_river_tells_only_allowed_moves(self) -> None:
        if self.shop is None:
            return
        seen: dict[int, str] = {}
        for order_id, name in self.run(self.shop.db.read(moves_told)):
            assert name == "pending" if order_id not in seen else name in MOVES[seen[order_id]], (order_id, seen, name)
            seen[order_id] = name
        assert seen == {p.order.order_id: self.model.orders[no].status for no, p in self.placed.items()}

    @property
    def orders(self) -> list[ModelOrder]:
        return list(self.model.orders.values())

    @property
    def receipts(self) -> dict[str, ModelReceipt]:
        return self.model.receipts

    @property
    def payable(self) -> list[ModelOrder]:
        return [order for order in self.model.orders.values() if order.attempts]

    def some(self, pick: int) -> ModelOrder:
        return list(self.model.orders.values())[pick % len(self.model.orders)]
