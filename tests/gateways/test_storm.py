"""Callbacks as strangers, careless vendors and bad networks send them, by the thousand, at every gateway of the box: nothing is
delivered without its money, and no money is lost (promises, drill 7).

Genuine, forged, foreign, mangled, repeated and reordered callbacks of payments in full, in part and too high, some lost; what was
lost is then asked for. The simulated vendor keeps the truth.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from kashop.analytics.invariants import INVARIANTS
from kashop.flows import attempts, gateways, inbox
from kashop.flows.checkout import Placed
from kashop.lib.actor import CLI, SYSTEM
from kashop.lib.money import places
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rules import AccountRules
from kashop.payments.types import CallbackRequest
from kashop.plugins.kit.simulator import Simulator
from kashop.plugins.kit.simulators import simulators
from kashop.plugins.kit.vendorwords import How, Payment, Told, scaled
from kashop.shop import Shop
from tests.cast import add_product, config, let_a_crowd_in, order

ACCOUNT = "stormy"
ORDERS = 24
PARALLEL = 20
RATES = {"CNY": "1", "USD": "0.14", "EUR": "0.13", "JPY": "21"}


@pytest.fixture
async def now_shop(data: Path) -> AsyncIterator[Shop]:
    """A shop in real time: vendors put the time of day into what they sign."""
    shop = await Shop.open(config(data), is_server=True)
    yield shop
    await shop.close()


@dataclass
class Storm:
    """One run. `genuine` holds (vendor's transaction, amount) of every paid callback that was ever made by the vendor."""

    shop: Shop
    vendor: Simulator
    chance: random.Random
    placed: list[Placed] = field(default_factory=list)
    genuine: set[str] = field(default_factory=set)
    paid: list[Told] = field(default_factory=list)
    answers: dict[tuple[int, bytes], int] = field(default_factory=dict)

    async def set_up(self) -> None:
        rules = AccountRules(
            currency="" if self.vendor.currency == "CNY" else self.vendor.currency, rate=RATES[self.vendor.currency]
        )
        kind, options = self.vendor.gateway_type, self.vendor.options()
        await gateways.configure(self.shop, ACCOUNT, type=kind, options=options, actor=CLI, rules=rules)
        await add_product(self.shop, "steam", codes=ORDERS * 2, price=12500, hold_minutes=60)
        await let_a_crowd_in(self.shop)
        for _ in range(ORDERS):
            placed = await order(self.shop, "steam", gateway=ACCOUNT, method=self.vendor.method)
            assert placed.attempt is not None
            assert placed.attempt.kind, placed.attempt.problem
            await asyncio.to_thread(self.visit, placed)
            self.placed.append(placed)

    def visit(self, placed: Placed) -> None:
        """The buyer opens the page he is sent to: with some vendors the payment begins only there."""
        assert placed.attempt is not None
        self.vendor.visit(placed.attempt.kind, placed.attempt.url, placed.attempt.fields)

    def payment(self, placed: Placed) -> Payment:
        assert placed.attempt is not None
        return self.vendor.find(placed.attempt.attempt_no)

    def befall(self) -> list[Told]:
        """What the vendor makes of each payment: most are paid, once, in full or not; some are cancelled or left."""
        told = []
        for placed in self.placed:
            payment = self.payment(placed)
            fate = self.chance.choices(("full", "half", "double", "closed", "left"), (60, 12, 8, 10, 10))[0]
            if fate == "left":
                continue
            share = {"half": "0.5", "double": "2"}.get(fate, "")
            amount = scaled(payment.amount, share) if share else ""
            how = How(amount=amount, state="closed" if fate == "closed" else "paid", lose=True)
            self.vendor.send(payment, how)
            self.genuine.add(payment.txn)
            told.append(self.vendor.notification(payment, how))
            if fate != "closed":
                self.paid.append(told[-1])
        return told

    def forged(self) -> Told:
        payment = self.payment(self.chance.choice(self.placed))
        forge = self.chance.choice(("signature", "key", "merchant", "amount"))
        return self.vendor.notification(payment, How(forge=forge, txn=f"F{self.chance.getrandbits(40)}"))

    def mangled(self, told: Told) -> CallbackRequest:
        """A genuine one that was cut, bent, doubled or sent in another way."""
        request = requested(told)
        part = "body" if request.body else "query"
        text: bytes = getattr(request, part)
        at = self.chance.randrange(len(text) + 1)
        ways = (
            lambda: text[:at],
            lambda: text[:at] + self.chance.randbytes(1) + text[at + 1 :],
            lambda: text + b"&" + text[:at],
            lambda: text[:at] + self.chance.randbytes(9) + text[at:],
            text.swapcase,
            lambda: b"",
        )
        if self.chance.random() < 0.2:
            headers = dict(request.headers)
            for name in self.chance.sample(sorted(headers), k=min(1, len(headers))):
                headers[name] = headers[name][::-1]
            return msgspec.structs.replace(request, headers=headers, method=self.chance.choice(("GET", "POST")))
        return msgspec.structs.replace(request, **{part: self.chance.choice(ways)()})

    async def blow(self, callbacks: int) -> None:
        """All of them, in any order, many at once."""
        true = self.befall()
        true.remove(self.paid[0])  # of one payment, at the least, nobody ever hears
        arriving = [told for told in true if self.chance.random() < 0.8]  # the rest is lost for good
        requests = [requested(told) for told in arriving]
        while len(requests) < callbacks:
            kind = self.chance.random()
            if kind < 0.3 and arriving:
                requests.append(requested(self.chance.choice(arriving)))
            elif kind < 0.6:
                requests.append(requested(self.forged()))
            else:
                requests.append(self.mangled(self.chance.choice(true)))
        self.chance.shuffle(requests)
        for first in range(0, len(requests), PARALLEL):
            await asyncio.gather(*(self.call(n, request) for n, request in enumerate(requests[first : first + PARALLEL])))

    async def call(self, number: int, request: CallbackRequest) -> None:
        ip = f"198.51.{self.chance.randrange(256)}.{number}"
        answer = await inbox.receive_callback(self.shop, ACCOUNT, request, ip=ip)
        assert answer.status < 500
        self.answers[answer.status, answer.body] = self.answers.get((answer.status, answer.body), 0) + 1

    async def ask_about_all(self) -> None:
        """What was lost is found by asking, as the schedule would."""
        for placed in self.placed:
            assert placed.attempt is not None
            await attempts.query(self.shop, placed.attempt.attempt_id, SYSTEM)

    async def look(self, *, is_asked: bool) -> None:
        """Hold what the shop believes against what the vendor knows."""
        delivered = 0
        for placed in self.placed:
            payment = self.payment(placed)
            receipts = await self.shop.db.read(payments.receipts, placed.order.order_id)
            known = await self.shop.db.read(orders.get, placed.order.order_id)
            if payment.state != "paid":
                assert not receipts, "money out of nothing"
            if payment.state == "paid" and is_asked and not receipts:
                assert not self.vendor.proves_when_asked, f"a payment was lost: {payment}"
                desk = await self.shop.db.read(orders.open_exceptions, placed.order.order_id)
                assert [e.kind for e in desk] == ["gateway_unclear"], f"a payment was lost: {payment}"
                continue
            assert len(receipts) <= 1, [r.gateway_txn for r in receipts]
            for receipt in receipts:
                assert receipt.amount_minor == minor(payment.paid_amount, self.vendor), payment
            assert (known.status == "delivered") is (sum(r.counted_minor for r in receipts) >= known.total_minor)
            odd = any(r.counted_minor != known.total_minor for r in receipts)
            assert bool(await self.shop.db.read(orders.open_exceptions, placed.order.order_id)) is odd
            delivered += known.status == "delivered"
        assert delivered or not is_asked
        for invariant in INVARIANTS:
            assert await self.shop.db.read(invariant.first_witness, self.shop.keyring) is None, invariant.id  # type: ignore[arg-type]


def requested(told: Told) -> CallbackRequest:
    """The request as our door takes it."""
    headers = {name.lower(): value for name, value in told.headers.items()}
    return CallbackRequest(method=told.method, query=urlsplit(told.url).query.encode(), headers=headers, body=told.body)


def minor(amount: str, vendor: Simulator) -> int:
    """The vendor's text in minor units, by a reading of our own."""
    whole, _, part = vendor.decimal(amount).partition(".")
    digits = places(vendor.currency)
    return int(whole + part.ljust(digits, "0")[:digits])


async def storm(shop: Shop, kind: type[Simulator], *, callbacks: int) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"{kind.name}: seed {seed}")
    with kind() as vendor:
        blowing = Storm(shop, vendor, random.Random(seed))
        await blowing.set_up()
        await blowing.blow(callbacks)
        await blowing.look(is_asked=False)
        await blowing.ask_about_all()
        await blowing.look(is_asked=True)
    print(f"{callbacks} callbacks, answered {blowing.answers}")


BOX = [pytest.param(kind, id=name) for name, kind in simulators().items() if kind.calls_back]


@pytest.mark.parametrize("kind", BOX)
async def test_a_storm_of_callbacks(now_shop: Shop, kind: type[Simulator]) -> None:
    await storm(now_shop, kind, callbacks=1000)


@pytest.mark.drill
@pytest.mark.parametrize("kind", BOX)
async def test_a_long_storm_of_callbacks(now_shop: Shop, kind: type[Simulator]) -> None:
    await storm(now_shop, kind, callbacks=10_000)


async def test_control_a_gateway_that_believes_any_signature_is_caught(now_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kashop.bundled.pay_epay.gateway.is_same", lambda _told, _expected: True)
    with pytest.raises(AssertionError):
        await storm(now_shop, simulators()["epay"], callbacks=300)


async def test_control_a_shop_that_does_not_ask_is_caught(now_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_anything: object) -> str:
        return "unknown"

    monkeypatch.setattr(attempts, "query", silent)
    with pytest.raises(AssertionError, match="a payment was lost"):
        await storm(now_shop, simulators()["epay"], callbacks=300)
