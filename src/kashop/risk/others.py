"""What the other servers of a shop counted, for limits that hold over all of them (docs/decisions/0045).

Always true: whoever is far from a limit is told of to nobody, since a tenth of it has to be used here first; what was told here
or elsewhere is heard within a part of a second, while anybody tries anything; while the store does not answer, each server's own
count bounds, and it is not asked again for a while, so that nobody waits for it.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from kashop.lib import logs
from kashop.lib.clock import SECOND, Clock
from kashop.lib.errors import Refusal, Unavailable
from kashop.risk.scopes import SCOPES
from kashop.risk.tally import Tally, Try

PAUSE_SECONDS = 0.5
"""Between two exchanges."""

SILENT_PART = 10
"""A subject that used less than this part of its limit at a server is told of to nobody."""

MOST_HEARD, MOST_REFUSED = 100_000, 10_000

REFUSED_FOR = 2 * SECOND
"""How long the store is not asked again about who was refused: a flood of refused tries costs it nothing."""

DOWN_FOR = 5 * SECOND

Tries = tuple[tuple[int, int], ...]
"""(since when, how many), oldest first."""

_ToldTries = dict[str, dict[str, list[tuple[int, int]]]]
"""By scope and digest."""

log = logs.get_logger("kashop.risk")


class Others:
    """One for a server. `sign` makes the digest of a text that is the same at each of them."""

    def __init__(self, tally: Tally, clock: Clock, sign: Callable[[str], str]):
        self._tally, self._clock, self._sign = tally, clock, sign
        self._due: dict[tuple[str, str], Tries] = {}
        self._told: OrderedDict[tuple[str, str], int] = OrderedDict()
        """The newest slot of each that the others know of."""
        self._heard: OrderedDict[tuple[str, str], dict[tuple[str, int], int]] = OrderedDict()
        """By scope and digest: how many, by (server, since when)."""
        self._refused: OrderedDict[str, tuple[int, int, int]] = OrderedDict()
        """By digest: until when that holds unasked, until when for the store, and of how many."""
        self._bell: asyncio.TimerHandle | None = None
        self._exchanging: asyncio.Task[None] | None = None
        self._down_until = 0
        self._is_closed = False
        self.problem = ""
        """Why limits are counted by this server alone just now; empty when they are not."""

    def of(self, scope: str, subject: str, *, since: int, now: int) -> Tries:
        """What others counted of a subject."""
        if not self._heard:
            return ()
        slots = self._heard.get((scope, self._mark(scope, subject)))
        if slots is None:
            return ()
        before = now + now - since  # another machine's clock may be ahead, but not by a window
        return tuple((at, count) for (_node, at), count in slots.items() if since < at < before)

    def took(self, scope: str, subject: str, tries: Tries, most: int) -> None:
        """A try was counted here; these are all that count."""
        if sum(count for _at, count in tries) * SILENT_PART > most:
            self._due[scope, subject] = tries
        if self._bell is None and not self._is_closed:
            self._bell = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._begin)

    async def take(self, tries: Sequence[tuple[str, str, int, int]]) -> tuple[int, int] | None:
        """Count one try of each (scope, subject, most, window) over all servers, up to the first that is refused: which, and how
        long it has to wait, in milliseconds. Raises Unavailable when the store does not answer."""
        now = self._clock.now()
        counted = [Try(self._mark(scope, subject), most, window) for scope, subject, most, window in tries]
        for place, each in enumerate(counted):
            again_at, until, most = self._refused.get(each.subject, (0, 0, 0))
            if now < again_at <= now + REFUSED_FOR and each.most <= most:
                return place, until - now
        self._refuse_while_down(now)
        try:
            refused = await self._tally.take(counted)
        except Refusal as problem:
            raise self._went_down(problem) from None
        self._came_back()
        if refused is None:
            return None
        place, until = refused
        self._refused[counted[place].subject] = (now + REFUSED_FOR, until, counted[place].most)
        while len(self._refused) > MOST_REFUSED:
            self._refused.popitem(last=False)
        return place, until - now

    async def forgive(self, scope: str, subject: str) -> None:
        """Forget what all servers counted of a subject one by one."""
        mark = self._mark(scope, subject)
        self._refused.pop(mark, None)
        try:
            self._refuse_while_down(self._clock.now())
            await self._tally.forgive(mark)
        except Refusal as problem:
            log.warning("a subject's tries could not be forgiven on other servers", problem=problem.text())

    async def exchange(self) -> None:
        """Tell what was counted here since the last time, and hear what the others did."""
        due, self._due = self._due, {}
        try:
            self._refuse_while_down(self._clock.now())
            heard = await self._tally.exchange(self._tellable(due))
        except Refusal as problem:
            self._due = due | self._due
            self._went_down(problem)
            return
        self._came_back()
        for (scope, subject), tries in due.items():
            self._told[scope, subject] = tries[-1][0]
            self._told.move_to_end((scope, subject))
        while len(self._told) > MOST_HEARD:
            self._told.popitem(last=False)
        for node, text in heard:
            self._hear(node, text)

    async def close(self) -> None:
        """Tell what is left, and let go."""
        self._is_closed = True
        if self._bell is not None:
            self._bell.cancel()
        if self._exchanging is not None:
            await asyncio.gather(self._exchanging, return_exceptions=True)
        if self._due:
            await self.exchange()
        await self._tally.close()

    def _begin(self) -> None:
        self._bell = None
        if self._exchanging is None or self._exchanging.done():
            self._exchanging = asyncio.create_task(self._exchange())

    async def _exchange(self) -> None:
        try:
            await self.exchange()
        except Exception:  # nobody waits for it
            log.exception("limits could not be shared with other servers")

    def _tellable(self, due: dict[tuple[str, str], Tries]) -> str:
        tries: _ToldTries = {}
        for (scope, subject), slots in due.items():
            told = self._told.get((scope, subject), 0)
            counts: Counter[int] = Counter()  # of a narrow limit there are several of one millisecond
            for at, count in slots:
                if at >= told:
                    counts[at] += count
            tries.setdefault(scope, {})[self._mark(scope, subject)] = list(counts.items())
        return msgspec.json.encode(tries).decode() if tries else ""

    def _hear(self, node: str, text: str) -> None:
        try:
            told = msgspec.json.decode(text, type=_ToldTries)
        except msgspec.DecodeError as error:
            log.error("another server's tries cannot be read", problem=str(error))
            return
        now = self._clock.now()
        for scope, subjects in told.items():
            if scope not in SCOPES:  # of a newer version
                continue
            since = now - SCOPES[scope].seconds * SECOND
            for mark, slots in subjects.items():
                known = self._heard.pop((scope, mark), {})
                fresh = {key: count for key, count in known.items() if key[1] > since}
                self._heard[scope, mark] = fresh | {(node, at): count for at, count in slots if at > since}
        self._forget_heard(now)

    def _forget_heard(self, now: int) -> None:
        while self._heard:
            (scope, mark), slots = next(iter(self._heard.items()))
            newest = max((at for _node, at in slots), default=0)
            if len(self._heard) <= MOST_HEARD and newest > now - SCOPES[scope].seconds * SECOND:
                return
            del self._heard[scope, mark]

    def _mark(self, scope: str, subject: str) -> str:
        return self._sign(f"{scope}|{subject}")[:22]

    def _refuse_while_down(self, now: int) -> None:
        if now < self._down_until <= now + DOWN_FOR:
            raise Unavailable("Limits are counted by each server alone just now: {problem}.", problem=self.problem)

    def _went_down(self, problem: Refusal) -> Refusal:
        now = self._clock.now()
        if not now < self._down_until <= now + DOWN_FOR:
            self._down_until = now + DOWN_FOR
            log.error("limits are counted by this server alone", problem=problem.text())
            self.problem = problem.text()
        return problem

    def _came_back(self) -> None:
        self._down_until = 0
        if self.problem:
            log.warning("limits are counted over all servers again")
            self.problem = ""
