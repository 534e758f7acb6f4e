"""What waits for the writer, in lanes by kind of work: who is kept waiting for whom is decided here, and nowhere else.

Always true: units of one lane run in the order in which they came; money and people come into the very next group, however many
orders wait; background work has at most a fifth of the writer's time while anybody else waits, and always gets
that; a lane that is full refuses at once.

A flow says what kind of work it does where it is defined (`@does(Work.SALE)`); whatever says nothing is what people wait for.
"""

from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar

from kashop.lib.errors import Busy

T = TypeVar("T")
P = ParamSpec("P")

MAX_GROUP, MIN_GROUP = 512, 64
"""Units in one COMMIT. More, and the first answers wait longer than the sync they save; fewer, and syncs are all there is."""

GROUP_SECONDS = 0.025
"""How long the units of a group are to take, or as long as its COMMIT where the disk is slower: between these two a group is as
large as that allows, by what the last ones took."""

NEWEST = 0.2
"""The weight of the newest group in what the last ones took."""

BACKGROUND_GROUP = 8
"""Background units in one COMMIT: somebody who comes meanwhile waits for all of them."""

OTHERS_FIRST = 4
"""After a background group, everybody else has this many times what it took before the next one."""


class Work(Enum):
    """Kinds of work. `most` units of a kind may wait."""

    MONEY = "money"
    """A payment or a refund that is told or sent: callbacks, settling, delivery."""
    PEOPLE = "people"
    """Somebody waits for an answer: the panel, look-ups, reveals, log-ins. The kind of everything that says nothing."""
    SALE = "sale"
    """New orders."""
    BACKGROUND = "background"
    """Nobody waits: jobs, imports, rotation, reconciliation."""


MOST = {Work.MONEY: 8000, Work.PEOPLE: 8000, Work.SALE: 20_000, Work.BACKGROUND: 4000}
"""Units that may wait in a lane; one more is refused at once. Orders are refused much earlier, by how long they would wait
(web/admission.py)."""

_SHARES = ((Work.MONEY, 0.5), (Work.PEOPLE, 0.25), (Work.SALE, 0.5))
"""Of a group when several lanes wait. What money or people leave unused goes to the other of them: orders that have to wait
anyway do not lengthen the group that a callback waits for."""

_now: ContextVar[Work] = ContextVar("work", default=Work.PEOPLE)


@contextmanager
def doing(work: Work) -> Iterator[None]:
    """What is written within is this kind of work; also by tasks that are begun within."""
    before = _now.set(work)
    try:
        yield
    finally:
        _now.reset(before)


def does(work: Work) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """A flow that is this kind of work, whoever calls it."""

    def of(flow: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @wraps(flow)
        async def kind(*args: P.args, **kwargs: P.kwargs) -> T:
            before = _now.set(work)
            try:
                return await flow(*args, **kwargs)
            finally:
                _now.reset(before)

        return kind

    return of


class Queue(Generic[T]):
    """Units that wait, taken group by group. Lives on the event loop alone."""

    def __init__(self) -> None:
        self._lanes: dict[Work, deque[T]] = {work: deque() for work in Work}
        self._count = 0
        self._unit_seconds = self._sync_seconds = 0.0
        self._owed = 0.0
        self._is_background = False

    def __len__(self) -> int:
        return self._count

    def waiting(self, work: Work) -> int:
        """How many units of a kind wait."""
        return len(self._lanes[work])

    def put(self, unit: T) -> None:
        """Line up in the lane of the work that is being done. Raises Busy when that is full."""
        work = _now.get()
        lane = self._lanes[work]
        if len(lane) >= MOST[work]:
            raise Busy("The shop is very busy. Please try again in a moment.", retry_after=5)
        lane.append(unit)
        self._count += 1

    def take(self) -> list[T]:
        """The next group; empty when nothing waits. Tell `took` when it is done."""
        background = self._lanes[Work.BACKGROUND]
        others = self._count - len(background)
        self._is_background = bool(background) and (not others or self._owed <= 0)
        group = self._taken(Work.BACKGROUND, BACKGROUND_GROUP) if self._is_background else self._mixed()
        self._count -= len(group)
        return group

    def _mixed(self) -> list[T]:
        limit = MAX_GROUP
        if self._unit_seconds:
            wanted = int(max(GROUP_SECONDS, self._sync_seconds) / self._unit_seconds)
            limit = min(MAX_GROUP, max(MIN_GROUP, wanted))
        money, people = self._lanes[Work.MONEY], self._lanes[Work.PEOPLE]
        if not money and not people:
            return self._taken(Work.SALE, limit)
        group = [unit for work, share in _SHARES for unit in self._taken(work, int(limit * share))]
        for work in (Work.MONEY, Work.PEOPLE):
            group += self._taken(work, limit - len(group))
        return group

    def _taken(self, work: Work, most: int) -> list[T]:
        lane = self._lanes[work]
        return [lane.popleft() for _ in range(min(len(lane), most))]

    def took(self, units: int, seconds: float, sync: float) -> None:
        """The group that was taken last is done: how long its units and its COMMIT took decides how large the next ones are, and
        whose."""
        others = self._count - len(self._lanes[Work.BACKGROUND])
        if self._is_background:
            self._owed = OTHERS_FIRST * (seconds + sync) if others else 0.0
            return
        self._owed = max(0.0, self._owed - seconds - sync) if others else 0.0
        each = seconds / max(units, 1)
        weight = NEWEST if self._unit_seconds else 1.0
        self._unit_seconds += (each - self._unit_seconds) * weight
        self._sync_seconds += (sync - self._sync_seconds) * weight

    def drop(self) -> list[T]:
        """Take everything out, for an answer without having run."""
        everything = [unit for lane in self._lanes.values() for unit in lane]
        for lane in self._lanes.values():
            lane.clear()
        self._count = 0
        return everything
