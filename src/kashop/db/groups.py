"""Changes committed in groups, whatever the engine: units of work that come while a commit is under way go into the next one.

Always true: an answer is given only after the commit that holds it; a unit that fails is undone alone; a commit whose outcome
is unknown is told as that to everyone in it, and no unit is taken until the engine has recovered (promises V-4).
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from kashop.db import Reader, Tx
from kashop.db.queue import Queue
from kashop.db.units import Failed, Unit
from kashop.lib import logs
from kashop.lib.errors import Refusal, Unavailable, UnknownOutcome

T = TypeVar("T")
P = ParamSpec("P")

CAREFUL_GROUPS = 16
"""After a unit failed that had changed something, so many groups mark where each of their units begins."""

AWAY = "the database does not answer"

ANSWERS_AT_A_TIME = 16
"""Answers handed out between two looks of the event loop at everybody else."""

Done = tuple[list[Any], list[Any], float, float]
"""Of a group: its units' answers, what those saw that watch, the seconds of the units, and of the commit."""

log = logs.get_logger("kashop.db")


class Unreachable(Unavailable):
    """Nothing of a group stays, and no other would fare better until there is a way to the database again."""


@dataclass(slots=True)
class _Waiting:
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    done: "asyncio.Future[Any]"


class Groups(ABC):
    """The writing half of a Db. An engine says how a group is committed, and how it recovers."""

    def __init__(self) -> None:
        self._queue: Queue[_Waiting] = Queue()
        self._drain: asyncio.Task[None] | None = None
        self._is_closing = False
        self.problem = ""
        """Why the writer takes no units just now; empty when it does."""
        self.groups = 0
        self.units = 0
        self._under_way = 0
        self._answers: deque[tuple[asyncio.Future[Any], Any]] = deque()
        self._is_answering = False
        self._told: list[Callable[[], None]] = []
        self._watched: list[tuple[Callable[[Reader], Any], Callable[[Any], None]]] = []

    @abstractmethod
    async def _commit(self, group: list[Unit]) -> Done:
        """Run a group and commit it. Raises UnknownOutcome; anything else says that nothing of it stays."""

    @abstractmethod
    async def _recover(self) -> None:
        """After an unknown outcome, or Unreachable: come back only when the engine writes again, or is being closed."""

    async def _after(self, *, is_idle: bool) -> None:  # noqa: B027 - an engine may have nothing to do then
        """Called after a group was answered; `is_idle` says that nothing waits."""

    async def write(self, fn: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a change in the next group; returns after its COMMIT. A cancelled caller does not cancel the change."""
        if self.problem or self._is_closing:
            raise Unavailable("The shop cannot write just now: {problem}.", problem=self.problem or "it is stopping")
        unit = _Waiting(fn, args, kwargs, asyncio.get_running_loop().create_future())
        self._queue.put(unit)
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._drain_groups())
        return cast(T, await unit.done)  # a caller that is cancelled cancels its answer, which nobody else waits for

    async def trouble(self) -> str:
        """Why no change can be made here just now, as far as looking tells; empty when one can."""
        return self.problem

    @property
    def waiting(self) -> int:
        """How many changes wait for the writer or are under way."""
        return len(self._queue) + self._under_way

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this on the event loop whenever a group was committed."""
        self._told.append(call)

    def watch(self, look: Callable[[Reader], T], told: Callable[[T], None]) -> None:
        """Run a look at the end of every group, within it, and tell on the event loop what it saw once that is durable."""
        self._watched.append((look, told))

    async def _finish(self) -> bool:
        """Take no more, and finish what is queued; whether this was the first call."""
        if self._is_closing:
            return False
        self._is_closing = True
        if self._drain is not None:
            await self._drain
        while self._answers:  # noqa: ASYNC110 - they are being handed out
            await asyncio.sleep(0)
        return True

    async def _drain_groups(self) -> None:
        while group := self._queue.take():
            self._under_way = len(group)
            seen: list[Any] = []
            try:
                answers, seen, *took = await self._commit([(u.fn, u.args, u.kwargs) for u in group])
                self._queue.took(len(group), *took)
            except UnknownOutcome as outcome:
                log.critical("a commit failed: its outcome is unknown", problem=outcome.text())
                answers = [Failed(outcome)] * len(group)
                self.problem = "a commit could not be confirmed"
            except Unreachable as away:
                log.critical("the database cannot be reached", problem=away.text())
                answers = [Failed(away)] * len(group)
                self.problem = AWAY
            except Unavailable as refusal:
                log.error("a group could not be written", problem=refusal.text())
                answers = [Failed(refusal)] * len(group)
            except Exception as error:  # the group was undone as a whole: a full disk, a lock that did not come
                log.exception("write group failed")
                refused = Unavailable("The shop cannot write just now: {problem}.", problem=str(error))
                answers = [Failed(refused)] * len(group)
            self.groups += 1
            self.units += len(group)
            self._under_way = 0
            if not self.problem:
                self._tell(seen)
            self._hand_out([(unit.done, answer) for unit, answer in zip(group, answers, strict=True)])
            if self.problem:
                self._refuse_waiting()
                await self._recover()
            else:
                await self._after(is_idle=not self._queue)

    def _refuse_waiting(self) -> None:
        refused = Unavailable("The shop cannot write just now: {problem}.", problem=self.problem)
        for unit in self._queue.drop():
            _answer(unit.done, Failed(refused))

    def _hand_out(self, answers: list[tuple["asyncio.Future[Any]", Any]]) -> None:
        """A few at a time, while the writer is at the next group: a page must not wait until all of this one were answered."""
        self._answers.extend(answers)
        if not self._is_answering:
            self._is_answering = True
            self._hand_out_some()

    def _hand_out_some(self) -> None:
        """The last turn of it hands out nothing, so that a group which ends in the turn of another's last few waits its turn."""
        self._is_answering = bool(self._answers)
        for _ in range(min(len(self._answers), ANSWERS_AT_A_TIME)):
            _answer(*self._answers.popleft())
        if self._is_answering:
            asyncio.get_running_loop().call_soon(self._hand_out_some)

    def _tell(self, seen: list[Any]) -> None:
        """Before who waits for the group goes on: whatever he looks at then knows of it."""
        calls: list[Callable[[], None]] = [partial(told, saw) for (_, told), saw in zip(self._watched, seen, strict=False)]
        for call in calls + self._told:
            try:
                call()
            except Exception:
                log.exception("who wanted to know of a commit failed")


def _answer(done: "asyncio.Future[Any]", answer: Any) -> None:
    if done.done():
        return
    if isinstance(answer, Failed):
        done.set_exception(answer.error)
        if isinstance(answer.error, Refusal):
            done.exception()  # a caller that went away leaves no "never retrieved" noise
    else:
        done.set_result(answer)
