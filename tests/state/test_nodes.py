"""What each server calls itself in its keys, what all should hold, and what one sees of what another did."""

import asyncio
from pathlib import Path

import pytest

from kashop.cli.ailments_nodes import of_nodes
from kashop.flows import nodes as flows
from kashop.flows import settings
from kashop.lib import ids
from kashop.lib.actor import CLI
from kashop.settings.nodes import reads, writes
from kashop.shop import Shop
from kashop.web.live import Live
from tests.cast import TestClock, add_epay, add_product, call_back, epay_notice, order

pytestmark = pytest.mark.sqlite  # it brings its own server

PLUGIN = """KASHOP_PLUGIN = {"id": "greeter", "version": "%s", "plugin_api": 1}\n"""


@pytest.fixture(autouse=True)
def own_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests go on with the number that they had."""
    monkeypatch.setattr(ids.snowflakes, "_node", ids.snowflakes._node)


async def numbers(nodes: list[Shop]) -> list[int]:
    found = []
    for shop in nodes:
        await flows.start(shop)
        assert shop.node is not None
        found.append(shop.node.number)
    return found


def same_keys(one: int, other: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many keys of two processes are the same that make them in the same millisecond."""
    with monkeypatch.context() as patch:
        patch.setattr(ids.time, "time_ns", lambda: 1_800_000_000_000_000_000)
        mine, theirs = (set(ids.Snowflakes(number).take(5000)) for number in (one, other))
    return len(mine & theirs)


async def test_no_two_servers_make_the_same_key(nodes: list[Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = await numbers(nodes)
    assert one != other
    assert ids.snowflakes._node == other
    assert same_keys(one, other, monkeypatch) == 0


def test_control_two_with_one_number_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert same_keys(7, 7, monkeypatch) == 5000


async def test_a_number_is_anothers_only_when_its_lease_has_ended(nodes: list[Shop], clock: TestClock) -> None:
    one, two = nodes
    first, _ = await numbers(nodes)
    for _ in range(5):
        clock.pass_time(seconds=60)
        await flows.keep(one)  # the other one hangs
    await flows.start(three := two)
    assert three.node is not None
    assert three.node.number != first
    await flows.stop(one)
    assert await one.db.read(reads.free_number, below=ids.MOST_NODES) not in (first, three.node.number)
    clock.pass_time(seconds=61)
    assert await one.db.read(reads.free_number, below=ids.MOST_NODES) == first


async def test_a_server_that_hung_takes_a_new_number(nodes: list[Shop], clock: TestClock) -> None:
    one, two = nodes
    await flows.start(one)
    assert one.node is not None
    lost = one.node.number
    clock.pass_time(seconds=600)
    await flows.start(two)
    assert two.node is not None
    assert two.node.number == lost
    await flows.keep(one)
    assert one.node.number != lost


async def test_when_all_numbers_are_taken_the_one_whose_lease_ends_first_goes(nodes: list[Shop], clock: TestClock) -> None:
    for n in range(3):
        await nodes[0].db.write(writes.take_number, f"n{n}", below=3, until=clock.now() + 1000 * (9 - n), says="")
    assert await nodes[0].db.write(writes.take_number, "one more", below=3, until=clock.now() + 9000, says="") == 2


async def test_the_doctor_names_a_plugin_or_theme_that_one_server_lacks(nodes: list[Shop], clock: TestClock) -> None:
    one, two = nodes
    await numbers(nodes)
    assert [f for f in [f async for f in of_nodes(one)] if f.level == "mend"] == []
    theme = one.config.data / "themes" / "default" / "templates" / "home.html"
    theme.parent.mkdir(parents=True)
    theme.write_text("hello")
    _with_plugin(one)
    clock.pass_time(seconds=60)
    for shop in nodes:
        await flows.keep(shop)
    said = [f.said for f in [f async for f in of_nodes(two)] if f.level == "mend"]
    assert len(said) == 2
    assert "plugin greeter is not the same" in said[0]
    assert "none" in said[0]
    assert "theme default is not the same" in said[1]


def _with_plugin(shop: Shop) -> None:
    folder: Path = shop.config.data / "plugins"
    folder.mkdir(exist_ok=True)
    (folder / "greeter.py").write_text(PLUGIN % "1.0")
    shop.plugins = type(shop.plugins).load(shop.config.data)


async def test_a_theme_that_a_server_lacks_keeps_it_from_nothing(nodes: list[Shop]) -> None:
    from kashop.web.pages import Pages

    one, two = nodes
    (one.config.data / "themes").mkdir(exist_ok=True)
    await settings.change(one, {"shop.theme": "elsewhere"}, CLI)
    pages = Pages(two, is_strict=False)
    assert pages.theme.manifest.id == "default"
    await settings.reload(two)
    assert pages.theme.manifest.id == "default"


async def test_a_page_that_waits_at_one_server_hears_what_another_did(nodes: list[Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kashop.web.live.OTHERS_SECONDS", 0.01)
    one, two = nodes
    await add_epay(one, mode="page")
    await add_product(one, "steam-50", codes=5)
    placed = await order(one, "steam-50")
    live = Live(two)
    await live.catch_up()
    with live.listening(placed.order.order_id, "198.51.100.7") as listener:
        await call_back(one, epay_notice(placed))
        assert await listener.wait(60)
    live.close()
    await asyncio.sleep(0)
