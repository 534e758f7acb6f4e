"""Clients that order, pay and look through real HTTP, and remember what was acknowledged and what never got an answer.

Always true: a step is noted as asked before its first byte is sent, and as known only after its whole answer was read.
"""

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.races import buyers
from tests.serving import Reply, read_reply, request

GONE = (OSError, asyncio.IncompleteReadError)
"""What a client meets when the server dies."""


@dataclass
class Trade:
    """One purchase from the wish to the codes. `asked` is the step whose answer is not known."""

    number: int
    placed: dict[str, Any] | None = None
    is_refused: bool = False
    is_paid: bool = False
    codes: list[str] | None = None
    asked: str = ""
    was_unknown: bool = False
    """Whether the shop once said of its order that nobody can know."""

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return f"trade-{self.number}"

    @property
    def txn(self) -> str:
        """Its payment's number."""
        return f"TXN{self.number:08}"

    @property
    def step(self) -> str:
        """What comes next; empty when all is done."""
        if self.is_refused or self.codes is not None:
            return ""
        return "place" if self.placed is None else "reveal" if self.is_paid else "pay"


@dataclass
class Book:
    """Every trade there ever was, and how many steps were acknowledged."""

    trades: list[Trade] = field(default_factory=list)
    acknowledged: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    """When each order and payment was acknowledged; monotonic seconds."""
    numbers: Any = field(default_factory=itertools.count)

    def open(self) -> Trade:
        """A new trade."""
        self.trades.append(Trade(next(self.numbers)))
        return self.trades[-1]


class Link:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> "Link":
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> Reply:
        """Send and read. Raises GONE."""
        self._writer.write(request)
        await self._writer.drain()
        return await read_reply(self._reader)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def take_step(link: Link, trade: Trade, book: Book) -> None:
    """Ask for a trade's next step and note the answer."""
    step = trade.step
    trade.asked = step
    _heed(trade, step, await link.ask(_request(trade, step)), book)


async def insist(link: Link, trade: Trade, book: Book, stops: "asyncio.Future[None]") -> None:
    """Ask for a trade's next step until there is an answer, however often the shop says that it cannot just now."""
    trade.asked = step = trade.step
    while True:
        reply = await link.ask(_request(trade, step))
        if reply.status != 503:
            return _heed(trade, step, reply, book)
        code = buyers.told(reply).get("code", "") if reply.body.startswith(b"{") else "503"
        book.refused[f"{step} {code}"] += 1
        trade.was_unknown |= (step, code) == ("place", "unknown_outcome")
        if stops.done():
            return None
        await asyncio.sleep(0.25)


def _heed(trade: Trade, step: str, reply: Reply, book: Book) -> None:
    if step == "place" and reply.status == 409:
        assert buyers.told(reply)["code"] == "sold_out"
        trade.is_refused = True
    else:
        assert reply.status == (201 if step == "place" else 200), (step, reply)
        _note(trade, step, reply)
    trade.asked = ""
    book.acknowledged[step] += 1
    if step != "reveal":
        book.times.append(time.monotonic())


def _request(trade: Trade, step: str) -> bytes:
    if step == "place":
        return buyers.order("steam-50", key=trade.key, quantity=1 + trade.number % 3)
    assert trade.placed is not None
    return buyers.payment(trade.placed, trade.txn) if step == "pay" else buyers.reveal(trade.placed)


def _note(trade: Trade, step: str, reply: Reply) -> None:
    if step == "place":
        trade.placed = buyers.told(reply)
    elif step == "pay":
        assert reply.body == b"success"
        trade.is_paid = True
    else:
        trade.codes = buyers.codes(reply)


async def trade_until(port: int, book: Book, clients: int, dies: "asyncio.Future[None]") -> None:
    """So many clients trade as fast as they can until the server dies under them."""

    async def client() -> None:
        link = await Link.to(port)
        try:
            while not dies.done():
                trade = book.open()
                while trade.step and (trade.number % 4 or trade.step != "pay"):  # every fourth order stays unpaid
                    await take_step(link, trade, book)
        except GONE:
            if not dies.done():
                raise
        finally:
            link.close()

    await asyncio.gather(*(client() for _ in range(clients)))


async def trade_on(port: int, book: Book, clients: int, stops: "asyncio.Future[None]") -> None:
    """So many clients trade until they are told to stop, through whatever happens behind a server that stays."""

    async def client() -> None:
        link = await Link.to(port)
        while not stops.done():
            trade = book.open()
            while trade.step and not stops.done() and (trade.number % 4 or trade.step != "pay"):
                await insist(link, trade, book, stops)
        link.close()

    await asyncio.gather(*(client() for _ in range(clients)))


async def look_again(port: int, trades: list[Trade]) -> None:
    """What was acknowledged is there: each order, each payment, each code."""
    link = await Link.to(port)
    for trade in trades:
        if trade.placed is None:
            continue
        bearer = f"Bearer {trade.placed['token']}"
        shown = await link.ask(request("GET", f"/api/v1/orders/{trade.placed['order_no']}", authorization=bearer))
        assert shown.status == 200, (trade, shown)
        status = buyers.told(shown)["status"]
        assert status == "delivered" if trade.is_paid else status in ("pending", "delivered"), (trade, status)
        if trade.codes is not None:
            assert buyers.codes(await link.ask(buyers.reveal(trade.placed))) == trade.codes
    link.close()


async def ask_again(port: int, book: Book) -> None:
    """Every step without an answer, once more with its own key or callback; then it has had exactly one effect."""
    link = await Link.to(port)
    for trade in book.trades:
        if trade.asked:
            book.unknown[trade.asked] += 1
            await take_step(link, trade, book)
    link.close()
