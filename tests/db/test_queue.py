"""Who waits for whom before the writer."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from kashop.db import Tx, migrate, queue
from kashop.db.groups import ANSWERS_AT_A_TIME
from kashop.db.queue import BACKGROUND_GROUP, GROUP_SECONDS, MAX_GROUP, MIN_GROUP, OTHERS_FIRST, Queue, Work, does, doing
from kashop.db.sqlite import SqliteDb
from kashop.lib.clock import SystemClock
from kashop.lib.errors import Busy


def line(waiting: Queue[str], work: Work, count: int) -> None:
    with doing(work):
        for n in range(count):
            waiting.put(f"{work.value}{n}")


def kinds(group: list[str]) -> dict[str, int]:
    names = [unit.rstrip("0123456789") for unit in group]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def test_one_callback_is_in_the_next_group_however_many_orders_wait() -> None:
    waiting: Queue[str] = Queue()
    line(waiting, Work.SALE, 10_000)
    line(waiting, Work.MONEY, 1)
    line(waiting, Work.PEOPLE, 1)
    group = waiting.take()
    assert group[:2] == ["money0", "people0"]
    assert kinds(group) == {"money": 1, "people": 1, "sale": MAX_GROUP // 2}
    assert kinds(waiting.take()) == {"sale": MAX_GROUP}


def test_callbacks_that_storm_leave_orders_their_share() -> None:
    waiting: Queue[str] = Queue()
    for work in (Work.MONEY, Work.PEOPLE, Work.SALE):
        line(waiting, work, 3000)
    assert kinds(waiting.take()) == {"money": MAX_GROUP // 2, "people": MAX_GROUP // 4, "sale": MAX_GROUP // 2}


def test_what_orders_leave_unused_goes_to_the_others() -> None:
    waiting: Queue[str] = Queue()
    line(waiting, Work.MONEY, 3000)
    assert kinds(waiting.take()) == {"money": MAX_GROUP}
    line(waiting, Work.PEOPLE, 3000)
    assert len(waiting.take()) == MAX_GROUP


def test_a_lane_runs_in_the_order_in_which_it_came() -> None:
    waiting: Queue[str] = Queue()
    for _ in range(3):
        line(waiting, Work.MONEY, 1)
        line(waiting, Work.SALE, 400)
    taken = []
    while group := waiting.take():
        taken += [unit for unit in group if unit.startswith("sale")]
    assert taken == [f"sale{n}" for _ in range(3) for n in range(400)]


def test_background_runs_when_nobody_waits_a_few_at_a_time() -> None:
    waiting: Queue[str] = Queue()
    line(waiting, Work.BACKGROUND, BACKGROUND_GROUP + 1)
    assert kinds(waiting.take()) == {"background": BACKGROUND_GROUP}
    waiting.took(BACKGROUND_GROUP, 1.0, 0.0)
    assert kinds(waiting.take()) == {"background": 1}


def test_background_has_a_fifth_of_the_writer_while_others_wait() -> None:
    waiting: Queue[str] = Queue()
    line(waiting, Work.BACKGROUND, 4000)
    spent = {"background": 0.0, "sale": 0.0}
    for _ in range(400):
        line(waiting, Work.SALE, 2 * MAX_GROUP - waiting.waiting(Work.SALE))
        group = waiting.take()
        (name,) = kinds(group)
        seconds = 0.05 if name == "background" else 0.01
        spent[name] += seconds
        waiting.took(len(group), seconds / 2, seconds / 2)
    assert 0.15 < spent["background"] / sum(spent.values()) <= 1 / (OTHERS_FIRST + 1) + 0.01


def test_a_group_is_as_large_as_its_time_allows() -> None:
    waiting: Queue[str] = Queue()
    for each, expected in ((0.000001, MAX_GROUP), (GROUP_SECONDS / 100, 100), (1.0, MIN_GROUP)):
        for _ in range(60):
            line(waiting, Work.SALE, MAX_GROUP)
            taken = len(waiting.take())
            waiting.took(taken, taken * each, 0.001)
            waiting.drop()
        assert abs(taken - expected) <= 1


def test_where_syncs_are_slow_a_group_is_larger() -> None:
    waiting: Queue[str] = Queue()
    for _ in range(60):
        line(waiting, Work.SALE, MAX_GROUP)
        taken = len(waiting.take())
        waiting.took(taken, taken * GROUP_SECONDS / 100, 2 * GROUP_SECONDS)
        waiting.drop()
    assert abs(taken - 200) <= 1


def test_a_full_lane_refuses_and_the_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(queue.MOST, Work.SALE, 10)
    waiting: Queue[str] = Queue()
    line(waiting, Work.SALE, 10)
    with pytest.raises(Busy) as busy:
        line(waiting, Work.SALE, 1)
    assert busy.value.retry_after > 0
    line(waiting, Work.MONEY, 1)
    assert len(waiting) == 11
    assert len(waiting.drop()) == 11
    assert (len(waiting), waiting.take()) == (0, [])


async def test_a_flow_says_its_kind_and_gives_it_back() -> None:
    waiting: Queue[str] = Queue()

    @does(Work.MONEY)
    async def settle() -> None:
        waiting.put("money")

    @does(Work.SALE)
    async def place() -> None:
        waiting.put("sale")
        await settle()
        waiting.put("sale")
        await asyncio.create_task(_put(waiting, "sale"))

    with doing(Work.BACKGROUND):
        waiting.put("background")
        await place()
        waiting.put("background")
    waiting.put("people")
    found = {work.value: waiting.waiting(work) for work in Work}
    assert found == {"money": 1, "people": 1, "sale": 3, "background": 2}


async def _put(waiting: Queue[str], unit: str) -> None:
    waiting.put(unit)


@asynccontextmanager
async def held(db: SqliteDb) -> AsyncIterator[None]:
    """While the block lasts, the writer is at work on one unit."""
    begun, end = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        begun.set()
        end.wait(30)

    holding = asyncio.create_task(db.write(hold))
    await asyncio.to_thread(begun.wait, 30)
    try:
        yield
    finally:
        end.set()
        await holding


async def order_of_running(path: Path, storm: Work) -> int:
    """Beside how many units of a storm a callback that came last was run."""
    migrate.apply(path)
    db = await SqliteDb.open(path, SystemClock())
    ran: list[str] = []
    try:
        async with held(db):
            with doing(storm):
                units = [asyncio.create_task(db.write(lambda tx: ran.append("storm"))) for _ in range(2000)]
            with doing(Work.MONEY):
                units.append(asyncio.create_task(db.write(lambda tx: ran.append("callback"))))
            await asyncio.sleep(0)
            assert db.waiting == len(units) + 1
        await asyncio.gather(*units)
    finally:
        await db.close()
    assert len(ran) == len(units)
    return ran.index("callback")


async def test_a_callback_passes_orders_at_the_writer(tmp_path: Path) -> None:
    assert await order_of_running(tmp_path / "kashop.db", Work.SALE) == 0


async def test_control_in_one_lane_it_waits_for_all_of_them(tmp_path: Path) -> None:
    assert await order_of_running(tmp_path / "kashop.db", Work.MONEY) == 2000


async def test_the_answers_of_a_group_leave_the_loop_to_others_in_between(tmp_path: Path) -> None:
    migrate.apply(tmp_path / "kashop.db")
    db = await SqliteDb.open(tmp_path / "kashop.db", SystemClock())
    answered, seen = [], []

    async def one(n: int) -> None:
        await db.write(lambda tx: None)
        answered.append(n)

    async with held(db):
        units = [asyncio.create_task(one(n)) for n in range(200)]
        await asyncio.sleep(0)
    while len(answered) < 200:
        await asyncio.sleep(0)
        seen.append(len(answered))
    await asyncio.gather(*units)
    assert answered == sorted(answered)
    assert max(after - before for before, after in pairwise(seen)) <= ANSWERS_AT_A_TIME
    await db.close()


async def test_a_group_that_ends_with_the_last_answers_of_another_waits_its_turn(tmp_path: Path) -> None:
    migrate.apply(tmp_path / "kashop.db")
    db = await SqliteDb.open(tmp_path / "kashop.db", SystemClock())
    loop = asyncio.get_running_loop()
    first, then = ([(loop.create_future(), n) for n in range(ANSWERS_AT_A_TIME + few)] for few in (1, 0))
    db._hand_out(list(first))
    loop.call_soon(db._hand_out, list(then))
    turns = []
    while len(turns) < 4:
        turns.append(sum(answer.done() for answer, _ in first + then))
        await asyncio.sleep(0)
    await db.close()
    assert turns[-1] == len(first + then)
    assert max(after - before for before, after in pairwise(turns)) <= ANSWERS_AT_A_TIME
