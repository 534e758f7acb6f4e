"""Jobs of many nodes on one database: one has a job's turn, and when it dies another goes on."""

import asyncio

import pytest

from kashop.jobs import runner, turns, writes
from kashop.jobs.schedule import Job
from kashop.shop import Shop
from tests.cast import TestClock

pytestmark = pytest.mark.sqlite  # it brings its own server


class Bells:
    """A job that says on how many nodes it is at work."""

    def __init__(self) -> None:
        self.at_once = self.most = self.done = 0

    async def work(self, _shop: Shop) -> int:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.05)
        self.at_once -= 1
        self.done += 1
        return 1


async def ring(nodes: list[Shop], bells: Bells, *, is_everywhere: bool = False) -> None:
    job = Job("bells", 5, bells.work, is_everywhere)
    await asyncio.gather(*(runner.Runner(shop).run(job) for shop in nodes))


async def test_a_job_is_at_work_on_one_node_at_a_time(nodes: list[Shop]) -> None:
    bells = Bells()
    for _ in range(5):
        await ring(nodes, bells)
    assert bells.most == 1
    assert bells.done >= 5


async def test_control_without_turns_all_nodes_are_at_it_at_once(nodes: list[Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    async def always(*_anything: object) -> bool:
        return True

    monkeypatch.setattr(turns, "_take", always)
    await ring(nodes, bells := Bells())
    assert bells.most == 3


async def test_what_concerns_each_process_is_done_on_each(nodes: list[Shop]) -> None:
    await ring(nodes, bells := Bells(), is_everywhere=True)
    assert bells.done == 3


async def test_when_a_node_dies_in_its_turn_another_goes_on_after_the_lease(nodes: list[Shop], clock: TestClock) -> None:
    dead, bells = "a node that died", Bells()
    assert await nodes[0].db.write(writes.take_turn, "bells", node=dead, until=clock.now() + turns.LEASE)
    await ring(nodes, bells)
    assert bells.done == 0
    clock.pass_time(seconds=31)
    await ring(nodes[1:2], bells)
    assert bells.done == 1


async def test_a_long_job_keeps_its_turn(nodes: list[Shop], clock: TestClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LEASE", 300)
    one, other = (turns.node_name() for _ in range(2))
    async with turns.turn(nodes[0], "bells", one) as is_ours:
        assert is_ours
        for _ in range(5):
            clock.pass_time(seconds=0.25)
            await asyncio.sleep(0.25)
            async with turns.turn(nodes[1], "bells", other) as is_theirs:
                assert not is_theirs
    async with turns.turn(nodes[1], "bells", other) as is_theirs:
        assert is_theirs


async def test_a_server_that_ends_gives_its_turns_back(nodes: list[Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    at_it = asyncio.Event()

    async def long(_shop: Shop) -> int:
        at_it.set()
        await asyncio.Event().wait()
        return 0

    job = Job("bells", 5, long)
    monkeypatch.setattr(runner, "SCHEDULE", (job,))
    ending = runner.Runner(nodes[0])
    ending.start()
    await at_it.wait()
    async with turns.turn(nodes[1], "bells", "other") as is_theirs:
        assert not is_theirs
    await ending.stop()
    async with turns.turn(nodes[1], "bells", "other") as is_theirs:
        assert is_theirs
