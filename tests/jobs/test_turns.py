"""Jobs of many nodes on one database: one has a job's turn, and when it dies another goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from kashop.flows.found import Charter, found
from kashop.jobs import runner, turns, writes
from kashop.jobs.schedule import Job
from kashop.settings.config import Config, load
from kashop.shop import Shop
from tests.cast import OWNER, PASSWORD, TestClock
from tests.postgres import Shops

pytestmark = pytest.mark.sqlite  # it brings its own server


@pytest.fixture
async def nodes(postgres: Shops, tmp_path: Path, clock: TestClock, cheap_hashing: None) -> AsyncIterator[list[Shop]]:
    """Three servers of one shop, each with a folder of its own."""
    address = postgres.address(name := postgres.make())
    made = _config(tmp_path / "one", address)
    await found(made, Charter(owner=OWNER, owner_password=PASSWORD, is_practice=True))
    async with AsyncExitStack() as stack:
        shops = []
        for folder in ("one", "two", "three"):
            (tmp_path / folder).mkdir(exist_ok=True)
            shop = await Shop.open(_config(tmp_path / folder, address, key=made.unseal_key_file), clock=clock, is_server=True)
            stack.push_async_callback(shop.close)
            shops.append(shop)
        yield shops
    postgres.drop(name)


def _config(data: Path, address: str, key: Path | None = None) -> Config:
    more = {"unseal_key_file": str(key)} if key else {}
    return load(data, {"KASHOP_DATABASE": address}, base_url="http://shop.example", **more)


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
