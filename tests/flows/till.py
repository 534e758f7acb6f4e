"""A vendor in memory that refunds, closes and answers as it is told: what the shop's side does is what is tested with it."""

from dataclasses import dataclass, field
from typing import Any

from kashop.flows import gateways, refunds, settle
from kashop.flows.checkout import Placed
from kashop.flows.refunds import Wish
from kashop.inventory import reads as inventory
from kashop.lib.actor import CLI, SYSTEM, Actor
from kashop.orders import reads as orders
from kashop.payments import reads
from kashop.payments.rows import Refund
from kashop.payments.types import (
    Answer,
    Begun,
    CallbackRequest,
    Finding,
    GatewayFailed,
    GatewayType,
    Intent,
    Method,
    Notice,
    RefundAsk,
    RefundWord,
    Rejected,
)
from kashop.shop import Shop
from tests.cast import order

METHODS = (Method("alipay", "Alipay"), Method("wxpay", "WeChat Pay"))


@dataclass
class Till:
    """The vendor. `says` and `knows` are what the next `refund` and `query_refund` meet: a state, or an error to raise."""

    accepted: Answer = field(default_factory=Answer)
    rejected: Answer = field(default_factory=lambda: Answer(status=400, body=b"fail"))
    says: Any = "done"
    knows: Any = None
    finds: Notice | None = None
    closing: GatewayFailed | None = None
    begun: list[str] = field(default_factory=list)
    asked: list[RefundAsk] = field(default_factory=list)
    queried: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    number: int = 0

    async def begin(self, intent: Intent) -> Begun:
        self.begun.append(intent.attempt_no)
        return Begun(kind="qr", qr=f"till:{intent.attempt_no}")

    def read_callback(self, request: CallbackRequest) -> Notice:
        raise Rejected("signature")

    async def query(self, intent: Intent) -> Notice | None:
        return self.finds if self.finds is not None and self.finds.attempt_no == intent.attempt_no else None

    async def refund(self, ask: RefundAsk) -> RefundWord:
        self.asked.append(ask)
        return self._word(self.says, ask)

    async def query_refund(self, ask: RefundAsk) -> RefundWord | None:
        self.queried.append(ask.refund_no)
        return None if self.knows is None else self._word(self.knows, ask)

    async def close(self, intent: Intent) -> None:
        self.closed.append(intent.attempt_no)
        if self.closing is not None:
            raise self.closing

    async def test(self) -> list[Finding]:
        return []

    def _word(self, said: Any, ask: RefundAsk) -> RefundWord:
        if isinstance(said, Exception):
            raise said
        if isinstance(said, RefundWord):
            return said
        self.number += 1
        problem = "balance too low" if said == "failed" else ""
        return RefundWord(state=said, refund_no=ask.refund_no, gateway_refund=f"V-{ask.refund_no}", problem=problem)


async def add_till(shop: Shop, name: str = "till", *, refunds: str = "any", closes: bool = True) -> Till:
    """An account of such a vendor."""
    till = Till()
    kind = GatewayType(
        type=name,
        label="Till",
        methods=METHODS,
        currencies=(),
        options=(),
        make=lambda _options, _ctx: till,
        refunds=refunds,
        closes=closes,
    )
    shop.plugins._gateways[name] = ("epay", kind)
    await gateways.configure(shop, name, type=name, options={}, actor=CLI)
    return till


async def told(shop: Shop, notice: Notice, name: str = "till", *, actor: Actor = SYSTEM) -> str:
    """The vendor proves something; what the shop makes of it."""
    account = await shop.db.read(reads.find_gateway, name)
    assert account is not None
    return await settle.settle_notice(shop, account, notice, actor, source="query")


async def pay(
    shop: Shop, placed: Placed, *, txn: str = "T1", amount: int = 0, name: str = "till", currency: str = "CNY", method: str = ""
) -> str:
    """The buyer pays an order's first attempt."""
    assert placed.attempt is not None
    amount_minor = amount or placed.attempt.amount_minor
    number = placed.attempt.attempt_no
    paid = {"gateway_txn": txn, "amount_minor": amount_minor, "currency": currency, "method": method}
    return await told(shop, Notice(state="paid", attempt_no=number, **paid), name)


async def refunded(shop: Shop, placed: Placed, *, txn: str = "", name: str = "till", **word: Any) -> str:
    """The vendor tells of a refund."""
    assert placed.attempt is not None
    refund = RefundWord(**{"state": "done", **word})
    return await told(shop, Notice(state="refunded", attempt_no=placed.attempt.attempt_no, gateway_txn=txn, refund=refund), name)


async def buy(shop: Shop, **more: Any) -> Placed:
    return await order(shop, "steam", **{"gateway": "till", **more})


async def sold(shop: Shop) -> Placed:
    placed = await buy(shop)
    assert await pay(shop, placed) == "settled"
    return placed


async def send(shop: Shop, placed: Placed, amount: int | None = None, **more: Any) -> Refund:
    wish = Wish(**{"amount_minor": amount, "reason": "asked by mail", **more})
    sent = await refunds.refund(shop, placed.order.order_no, wish, CLI)
    assert isinstance(sent, Refund)
    return sent


async def state(shop: Shop, placed: Placed) -> tuple[str, int, int, list[str]]:
    """The order's status, what it kept, what went back, and why it is on the desk."""
    current = await shop.db.read(orders.get, placed.order.order_id)
    desk = [e.kind for e in await shop.db.read(orders.open_exceptions, placed.order.order_id)]
    return current.status, current.kept_minor, current.refunded_minor, desk


async def free(shop: Shop) -> int:
    (count,) = await shop.db.read(inventory.counts)
    return count.free
