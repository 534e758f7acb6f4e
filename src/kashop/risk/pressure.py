"""How hard a product is pressed by orders that nobody pays, and what follows from it.

Always true: it is measured, not set: the share of a SKU's stock that unpaid orders hold, and the codes that ran out unpaid
lately; it falls by itself when they do. Who let orders run out is remembered for an hour, in memory, by digests.
"""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Iterable

import msgspec

from kashop.lib.clock import HOUR, MINUTE

LEAST_HELD = 10
"""Fewer codes than this, held, are nobody's hoard."""
LAPSED_FOR = 30 * MINUTE
LAPSED_PART = 5
LEAST_LAPSED, LEAST_LAPSED_ORDERS = 10, 2
"""That a fifth of the stock ran out unpaid within those minutes is pressure too, if it was so many codes or several orders."""
REMEMBERED = HOUR
MOST_REMEMBERED = 50_000
LINGERS = 2 * MINUTE
"""Pressure that has just gone is still pressure: one paid order must not open the door."""

EASIEST, HARDEST = 1.0, 180.0
"""Seconds of one core, on the average, that a code costs under the least pressure, and that an order ever costs."""
DOUBLINGS, OWN_DOUBLINGS = 8, 6
"""From the least pressure to the whole stock held; and by what one address has already taken and not paid."""
PAID_FORGIVES = 2
"""Orders that ran out unpaid, for each one that the same address or browser paid."""


class Shelf(msgspec.Struct, frozen=True):
    """What there is of a SKU, over all pools."""

    sku_id: int
    free: int
    held: int


class Ended(msgspec.Struct, frozen=True):
    """A line of an order that ended: unpaid, or paid."""

    seq: int
    at: int
    client: int
    browser: int
    sku_id: int
    quantity: int


class Strain(msgspec.Struct, frozen=True):
    """How a SKU stands: the share of its stock that is held, codes that ran out lately, and `force` from 0 (none) to 1."""

    sku_id: int
    is_pressed: bool = False
    force: float = 0.0
    share: float = 0.0
    lapsed: int = 0
    free: int | None = None


class Gauge:
    """What was measured last. One for the process; the flow fills it, a second old at most when it is asked."""

    def __init__(self) -> None:
        self.read_at = 0
        self.seen = 0
        """The newest event that was taken up."""
        self.looking: asyncio.Task[None] | None = None
        """The measurement that is under way."""
        self._shelves: dict[int, Shelf] = {}
        self._since: dict[int, int] = {}
        """Codes that orders took or are about to take, which the last look cannot have seen: a burst is over in less."""
        self._lapsed: dict[int, deque[tuple[int, int]]] = {}
        self._pressed_at: dict[int, int] = {}
        self._marks: OrderedDict[tuple[str, int], deque[tuple[int, int]]] = OrderedDict()

    def take_stock(self, shelves: Iterable[Shelf], now: int, line: float) -> None:
        """What there is now; `line` is the share from which it is pressed."""
        self._shelves = {shelf.sku_id: shelf for shelf in shelves}
        self._since = {}
        self.read_at = now
        for sku_id in self._shelves.keys() | self._lapsed.keys():
            if self._measured(sku_id, now, line).is_pressed:
                self._pressed_at[sku_id] = now
        for sku_id in [s for s, at in self._pressed_at.items() if at <= now - LINGERS]:
            del self._pressed_at[sku_id]

    def expect(self, sku_id: int, codes: int) -> None:
        """An order is about to take so many codes; with a minus, it did not."""
        self._since[sku_id] = max(0, self._since.get(sku_id, 0) + codes)

    def take_lapsed(self, ended: Iterable[Ended]) -> None:
        """Orders that ended unpaid."""
        told = 0
        for line in ended:
            self._lapsed.setdefault(line.sku_id, deque()).append((line.at, line.quantity))
            if line.seq != told:  # an order of several lines ran out once
                self._mark(line, 1)
            told = line.seq

    def take_paid(self, ended: Iterable[Ended]) -> None:
        """Orders that were paid, for those who are remembered for others that were not."""
        told = 0
        for line in ended:
            if line.seq != told:
                self._mark(line, -PAID_FORGIVES)
            told = line.seq

    def strain(self, sku_id: int, now: int, line: float) -> Strain:
        """How a SKU stands."""
        found = self._measured(sku_id, now, line)
        if not found.is_pressed and self._pressed_at.get(sku_id, 0) > now - LINGERS:
            return msgspec.structs.replace(found, is_pressed=True)
        return found

    def pressed(self, now: int, line: float) -> list[Strain]:
        """Every SKU that is pressed, the hardest first."""
        known = [self.strain(sku_id, now, line) for sku_id in self._shelves.keys() | self._lapsed.keys()]
        return sorted((s for s in known if s.is_pressed), key=lambda s: (-s.force, s.sku_id))

    def unpaid(self, kind: str, who: int, now: int) -> int:
        """Orders that somebody let run out within the hour, less what he paid for others."""
        marks = self._marks.get((kind, who))
        return max(0, sum(n for at, n in marks if at > now - REMEMBERED)) if marks else 0

    @property
    def remembers(self) -> bool:
        """Whether there is anybody whom a payment would clear."""
        return bool(self._marks)

    def _measured(self, sku_id: int, now: int, line: float) -> Strain:
        shelf, since = self._shelves.get(sku_id), self._since.get(sku_id, 0)
        if shelf is not None and since:
            taken = min(since, shelf.free)
            shelf = Shelf(sku_id, shelf.free - taken, shelf.held + taken)
        lapses = self._lapsed.get(sku_id)
        while lapses and lapses[0][0] <= now - LAPSED_FOR:
            lapses.popleft()
        if lapses is not None and not lapses:
            del self._lapsed[sku_id]
        lapsed = sum(n for _at, n in lapses or ())
        stock = shelf.free + shelf.held if shelf else 0
        share = shelf.held / stock if shelf and stock else 0.0
        has_hoard = shelf is not None and shelf.held >= LEAST_HELD and share >= line
        is_much = lapsed >= LEAST_LAPSED or len(lapses or ()) >= LEAST_LAPSED_ORDERS
        has_lapsed = is_much and lapsed * LAPSED_PART >= stock
        return Strain(
            sku_id,
            is_pressed=has_hoard or has_lapsed,
            force=max(0.0, min(1.0, (share - line) / max(0.01, 1 - line))),
            share=share,
            lapsed=lapsed,
            free=shelf.free if shelf else None,
        )

    def _mark(self, line: Ended, count: int) -> None:
        for key in (("client", line.client), ("browser", line.browser)):
            if not key[1] or (count < 0 and key not in self._marks):
                continue
            marks = self._marks.setdefault(key, deque(maxlen=200))
            self._marks.move_to_end(key)
            marks.append((line.at, count))
        while len(self._marks) > MOST_REMEMBERED:
            self._marks.popitem(last=False)


def work(force: float, *, codes: int, taken: int) -> float:
    """Seconds of one core that an order of so many pressed codes costs somebody who has `taken` so many orders and not paid."""
    base = EASIEST * math.exp2(DOUBLINGS * force)
    return min(HARDEST, base * max(1, codes) * math.exp2(min(taken, OWN_DOUBLINGS)))
