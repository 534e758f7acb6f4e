"""Which of several servers live, and with which program: told by each, seen by the doctor and in the panel."""

import pytest

from kashop import __version__
from kashop.cli import ailments
from kashop.jobs import presence, reads, turns
from kashop.jobs.presence import Presence
from kashop.shop import Shop
from tests import beside
from tests.admin.desk import Desk, app_of
from tests.cast import TestClock


def present(shop: Shop, name: str, does: str = "web jobs") -> Presence:
    return Presence(shop, turns.node_name(name), does=does)


async def names(shop: Shop) -> list[str]:
    return [node.name for node in await shop.db.read(reads.nodes)]


async def said(shop: Shop) -> dict[str, tuple[str, str]]:
    findings = await ailments.of_shop(shop, online=False)
    return {f.subject: (f.level, f.said) for f in findings if f.subject.startswith("server")}


@pytest.mark.sqlite
async def test_a_server_is_seen_until_it_ends_or_dies(nodes: list[Shop], clock: TestClock) -> None:
    here = [present(shop, name) for shop, name in zip(nodes, ("a", "b", "c"), strict=True)]
    for each in here:
        await each.start()
    assert await names(nodes[0]) == ["a", "b", "c"]
    await here[0].leave()
    await here[1].stop()
    assert await names(nodes[0]) == ["a", "c"]
    clock.pass_time(seconds=31)
    await here[0].leave()
    found = await said(nodes[1])
    assert found["server a"] == ("ok", f"{__version__}, web and jobs, last seen 0 s ago, is leaving")
    assert found["server c"][0] == "note"
    assert "last seen 31 s ago: it died" in found["server c"][1]
    for each in here:
        await each.stop()
    assert await names(nodes[0]) == []


@pytest.mark.sqlite
async def test_what_several_servers_lack_together_is_told(nodes: list[Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    await present(nodes[0], "a", "web").start()
    assert (await said(nodes[0]))["servers"] == ("mend", "none of them does jobs: no unpaid order ends, no gateway is asked")
    monkeypatch.setattr(presence, "__version__", "0.0.9")
    old = present(nodes[1], "a")
    await old.start()
    findings = await ailments.of_shop(nodes[0], online=False)
    told = [f.said for f in findings if f.subject == "servers"]
    assert told == [
        "not all run the same program: bring the others up to date too",
        "two of them have one name: give each its own with --node",
    ]


@pytest.mark.sqlite
async def test_the_panel_shows_the_servers(nodes: list[Shop], clock: TestClock) -> None:
    await present(nodes[0], "front-1", "web").start()
    await present(nodes[1], "back-1", "jobs").start()
    desk = Desk(app_of(nodes[0]))
    await desk.log_in()
    page = (await desk.get("/admin/jobs")).text
    assert "front-1" in page
    assert "web, no jobs" in page
    assert "At work" in page
    clock.pass_time(seconds=31)
    page = (await desk.get("/admin/jobs")).text
    assert "At work" not in page
    assert page.count("Gone without a word") == 2


async def test_a_shop_alone_on_its_file_tells_nobody(shop: Shop) -> None:
    if shop.db.has_nodes:
        pytest.skip("here it is not alone")
    alone = present(shop, "a")
    await alone.start()
    await alone.leave()
    assert beside.value(shop.config.place, "SELECT COUNT(*) FROM nodes") == 0
    await alone.stop()
