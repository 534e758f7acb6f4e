"""The rush itself: every buyer on a cold connection of his own, their last bytes all at one moment; the vendor's callbacks and
a visitor's page looks go on beside it.

Always true: a buyer who is told to come back later comes back with the same idempotency key, and so does one whose connection
broke; what was acknowledged is noted only when its whole answer was read; when time is up, all of it ends.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from kashop.lib.errors import Unavailable
from kashop.stress import epay
from kashop.stress.copying import Sale
from kashop.stress.crowd import Line, Reply, get, post
from kashop.stress.plan import Plan

ORDERS = "/api/v1/orders"
OPEN_AT_ONCE = 250
GATHER_SECONDS = 15.0
"""A server rightly hangs up on who does not finish a request in time: who was not there by then comes as places become free."""

LONGEST_PAUSE = 15
PAGE_EVERY = 0.05
QUIET_LOOKS = 40

_BROKEN = (OSError, ValueError)
"""What a buyer meets when an answer is none."""


class _Amount(msgspec.Struct, frozen=True):
    amount: str


class _Payment(msgspec.Struct, frozen=True):
    attempt: str
    amount: _Amount


class Placed(msgspec.Struct, frozen=True):
    """What a buyer keeps of the answer that acknowledges his order."""

    order_no: str
    token: str
    payment: _Payment | None = None


class _Problem(msgspec.Struct, frozen=True):
    code: str = "?"


@dataclass(slots=True)
class Buyer:
    """One of the crowd. `end` is sold, sold_out, refused, or empty while he waits; `waited` seconds from the start to it."""

    number: int
    request: bytes
    end: str = ""
    why: str = ""
    waited: float = 0.0
    tries: int = 0
    placed: Placed | None = None
    txn: str = ""
    """The number of his payment, once the shop has said that it took it."""


@dataclass
class Tally:
    """Everything that was seen. Latencies are seconds of single answers; `seconds` until the last buyer was done."""

    buyers: list[Buyer]
    seconds: float = 0.0
    paid_seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    """By status and code, such as `201`, `409 sold_out`, `503 busy`, `broken`."""
    latencies: list[float] = field(default_factory=list)
    callbacks: list[float] = field(default_factory=list)
    callback_answers: Counter[str] = field(default_factory=Counter)
    pages: list[float] = field(default_factory=list)
    quiet_pages: list[float] = field(default_factory=list)
    page_answers: Counter[int] = field(default_factory=Counter)
    started_at: float = 0.0
    at_once: int = 0
    """How many came at the very same moment."""

    def ended(self, how: str) -> list[Buyer]:
        """The buyers of one end."""
        return [b for b in self.buyers if b.end == how]


class Rush:
    """One rush against a server. `tell` hears (stage, done, of how many)."""

    def __init__(self, port: int, plan: Plan, sale: Sale, tell: Callable[[str, int, int], None]):
        self._port, self._plan, self._sale, self._tell = port, plan, sale, tell
        self.tally = Tally([Buyer(n, self._order(n)) for n in range(plan.buyers)])
        self._to_pay: asyncio.Queue[Buyer] = asyncio.Queue()
        self._done = 0
        self._deadline = 0.0

    async def run(self) -> Tally:
        """Gather the crowd, let it go, and see everybody through."""
        tally, plan = self.tally, self._plan
        await self._look_in_quiet()
        lines = await self._gather(min(plan.connections, plan.buyers))
        looking = asyncio.create_task(self._look())
        vendors = [asyncio.create_task(self._settle_payments()) for _ in range(plan.gateway_connections)]
        tally.at_once, waiting = len(lines), iter(tally.buyers[len(lines) :])
        tally.started_at = time.perf_counter()
        self._deadline = asyncio.get_running_loop().time() + plan.seconds
        first = zip(tally.buyers, lines, [line.let_go() for line in lines], strict=False)
        await asyncio.gather(*(self._queue(buyer, line, answer, waiting) for buyer, line, answer in first))
        tally.seconds = max((b.waited for b in tally.buyers), default=0.0)
        looking.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._deadline):
                await self._to_pay.join()
        tally.paid_seconds = time.perf_counter() - tally.started_at
        for task in vendors:
            task.cancel()
        await asyncio.gather(looking, *vendors, return_exceptions=True)
        return tally

    def _order(self, number: int) -> bytes:
        sale = self._sale
        wish: dict[str, object] = {"lines": [{"sku": sale.sku_code, "quantity": sale.quantity}], "fields": sale.fields}
        wish["contact"] = contact(sale.product.contact_type, number)
        if sale.gateway:
            wish |= {"gateway": sale.gateway, "method": sale.method}
        if sale.product.lookup_password == "required":  # noqa: S105 - a rule about passwords, not one
            wish["lookup_password"] = epay.KEY
        key = f"stress-{number:08}-{epay.KEY[:16]}"
        return post(ORDERS, self._port, json.dumps(wish).encode(), idempotency_key=key, x_forwarded_for=address(number))

    async def _gather(self, count: int) -> list[Line]:
        """So many cold connections, each with its order there but for the last byte; fewer when it takes too long."""
        lines: list[Line] = []
        began = time.perf_counter()
        for start in range(0, count, OPEN_AT_ONCE):
            if time.perf_counter() - began > GATHER_SECONDS:
                break
            several = range(start, min(start + OPEN_AT_ONCE, count))
            try:
                lines += await asyncio.gather(*(Line.open(self._port) for _ in several))
            except OSError as error:
                raise Unavailable(
                    "Only {n} connections could be opened ({problem}): ask for fewer with --connections.",
                    n=len(lines),
                    problem=error.strerror or error,
                ) from None
            for number in several:
                lines[number].hold_back(self.tally.buyers[number].request)
            self._tell("gather", len(lines), count)
        await self._look_once([])  # answered once the server has read what came before: neither quiet nor storm
        return lines

    async def _queue(self, buyer: Buyer, line: Line, answer: "asyncio.Future[Reply]", waiting: Iterator[Buyer]) -> None:
        """One place in the crowd: its first buyer, and then whoever has not come yet."""
        await self._buy(buyer, line, answer)
        for later in waiting:
            await self._buy(later, None, None)

    async def _buy(self, buyer: Buyer, line: Line | None, answer: "asyncio.Future[Reply] | None") -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._deadline):
                while not buyer.end:
                    try:
                        line = line or await Line.open(self._port)
                        reply = await (answer or line.ask(buyer.request))
                    except _BROKEN:
                        self.tally.answers["broken"] += 1
                        pause = 1.0
                    else:
                        pause = self._read(buyer, reply)
                    _hang_up(line)
                    line, answer = None, None
                    buyer.tries += 1
                    if not buyer.end:
                        await asyncio.sleep(pause)
        _hang_up(line)
        buyer.waited = time.perf_counter() - self.tally.started_at
        self._done += 1
        self._tell("rush", self._done, len(self.tally.buyers))

    def _read(self, buyer: Buyer, reply: Reply) -> float:
        """Note an answer; seconds until the next try, if there has to be one."""
        tally = self.tally
        tally.latencies.append(reply.seconds)
        if reply.status == 201:
            tally.answers["201"] += 1
            buyer.placed = msgspec.json.decode(reply.body, type=Placed)
            buyer.end = "sold"
            if buyer.placed.payment is not None and pays(buyer.number, self._plan.paying):
                self._to_pay.put_nowait(buyer)
            return 0.0
        code = _code(reply)
        tally.answers[f"{reply.status} {code}"] += 1
        if reply.status in (429, 503) and reply.retry_after:
            return min(reply.retry_after, LONGEST_PAUSE) * (1 + buyer.number % 97 / 97)
        buyer.end, buyer.why = ("sold_out", "") if code == "sold_out" else ("refused", f"{reply.status} {code}")
        return 0.0

    async def _settle_payments(self) -> None:
        """One of the vendor's connections: a callback for each payment, again until the shop says success."""
        line: Line | None = None
        while True:
            buyer = await self._to_pay.get()
            try:
                while not buyer.txn:
                    line = await self._call_back(buyer, line)
            finally:
                self._to_pay.task_done()

    async def _call_back(self, buyer: Buyer, line: Line | None) -> Line | None:
        assert buyer.placed is not None
        assert buyer.placed.payment is not None
        txn, payment = f"STRESS{buyer.number:08}", buyer.placed.payment
        query = epay.notification(payment.attempt, txn, payment.amount.amount, self._sale.method)
        try:
            if line is None or not line.is_open:  # a server may end a connection that was quiet
                line = await Line.open(self._port)
            reply = await line.ask(get(f"/pay/{self._sale.gateway}/callback?{query}", self._port))
        except _BROKEN:
            self.tally.callback_answers["broken"] += 1
            await asyncio.sleep(1)
            _hang_up(line)
            return None
        self.tally.callbacks.append(reply.seconds)
        self.tally.callback_answers[f"{reply.status} {reply.body[:20].decode('ascii', 'replace')}"] += 1
        if (reply.status, reply.body) == (200, b"success"):
            buyer.txn = txn
        else:
            await asyncio.sleep(max(1, min(reply.retry_after, LONGEST_PAUSE)))
        return line

    async def _look_in_quiet(self) -> None:
        for _ in range(QUIET_LOOKS):
            await self._look_once(self.tally.quiet_pages)

    async def _look(self) -> None:
        """A visitor who looks at the product again and again."""
        while True:
            with contextlib.suppress(*_BROKEN):
                await self._look_once(self.tally.pages)
            await asyncio.sleep(PAGE_EVERY)

    async def _look_once(self, into: list[float]) -> None:
        began = time.perf_counter()
        line = await Line.open(self._port)
        try:
            reply = await line.ask(get(f"/p/{self._sale.product.slug}", self._port))
        finally:
            line.close()
        into.append(time.perf_counter() - began)
        self.tally.page_answers[reply.status] += 1


def _hang_up(line: Line | None) -> None:
    if line is not None:
        line.close()


def _code(reply: Reply) -> str:
    try:
        return msgspec.json.decode(reply.body, type=_Problem).code
    except msgspec.DecodeError:
        return "?"


def pays(number: int, share: float) -> bool:
    """Whether a buyer is one of those who pay: an even share of them, the same in every run."""
    return number * 7919 % 10_000 < round(share * 10_000)


def address(number: int) -> str:
    """A buyer's own address: 198.18.0.0/15, set aside for tests of this kind (RFC 2544)."""
    return f"198.{18 + (number >> 16) % 2}.{number >> 8 & 255}.{number & 255}"


def contact(kind: str, number: int) -> dict[str, str]:
    """How a buyer is reached, as the product asks for it."""
    made = {"phone": f"138{number:08}", "qq": f"{100_000_000 + number}", "none": ""}
    chosen = kind if kind in ("phone", "qq", "none") else "email"
    return {"type": chosen, "value": made.get(chosen, f"buyer{number}@example.com")}
