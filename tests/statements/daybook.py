"""A vendor that says of each day what a test wrote into its book, and a shop with an account of it."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from kashop.flows import gateways
from kashop.lib.actor import CLI
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
    Rejected,
    StatementLine,
)
from kashop.shop import Shop

DAY = dt.date(2026, 10, 31)
NOON = 1_793_419_200_000
"""Of DAY in Shanghai."""


class Daybook:
    """What the vendor knows; one for each test."""

    def __init__(self) -> None:
        self.days: dict[dt.date, list[StatementLine] | None] = {}
        self.is_down = False
        self.asked: list[dt.date] = []
        self.paid: dict[str, Notice] = {}

    def pay(self, attempt_no: str, amount: int = 1250, txn: str = "T1", day: dt.date = DAY, **more: Any) -> StatementLine:
        values = {"currency": "CNY", "happened_at": NOON, "fee_minor": 8, **more}
        line = StatementLine(kind="payment", gateway_txn=txn, attempt_no=attempt_no, amount_minor=amount, **values)
        return self.write(line, day)

    def write(self, line: StatementLine, day: dt.date = DAY) -> StatementLine:
        self.days[day] = [*(self.days.get(day) or []), line]
        return line


class DaybookGateway:
    """Speaks for the book."""

    accepted = Answer()
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, book: Daybook):
        self._book = book

    async def begin(self, intent: Intent) -> Begun:
        return Begun(kind="redirect", url=f"https://pay.example/{intent.attempt_no}")

    def read_callback(self, request: CallbackRequest) -> Notice:
        raise Rejected("signature")

    async def query(self, intent: Intent) -> Notice | None:
        return self._book.paid.get(intent.attempt_no)

    async def test(self) -> list[Finding]:
        return []

    async def statement(self, day: dt.date) -> Sequence[StatementLine] | None:
        self._book.asked.append(day)
        if self._book.is_down:
            raise GatewayFailed("connection refused")
        return self._book.days.get(day)


async def open_book(
    shop: Shop, *, states: bool = True, states_refunds: bool = True, is_manual: bool = False, name: str = "book"
) -> Daybook:
    """A book, and an account `name` of its vendor."""
    book = Daybook()
    kind = GatewayType(
        type=f"{name}-kind",
        label="Daybook",
        methods=(Method("alipay", "Alipay"), Method("transfer", "Transfer")),
        currencies=("CNY",),
        options=(),
        make=lambda _options, _ctx: DaybookGateway(book),
        states=states,
        states_refunds=states_refunds,
        is_manual=is_manual,
    )
    shop.plugins._gateways[kind.type] = ("practice", kind)
    await gateways.configure(shop, name, type=kind.type, options={}, actor=CLI)
    return book
