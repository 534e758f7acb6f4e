"""Slow clients by the hundred and thousand keep nobody out (abuse case A06): honest buyers look, order and pay meanwhile."""

import asyncio
from pathlib import Path

import pytest

from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.stress import epay
from kashop.web.themes import load_theme
from tests.cast import add_epay, add_product, config
from tests.hostile.slow import Besieged, Honest
from tests.planting import planted
from tests.serving import Served

FILES = 400
"""Of these the shop keeps a quarter for itself: there is room for 300."""
NOBODY_GIVES_WAY = ("src/kashop/web/connections.py", "stillest = self._stillest()", "stillest = None")


def furnish(data: Path, codes: int) -> str:
    """A shop with so many codes; the address of its largest file."""

    async def furnished() -> str:
        shop = await Shop.open(config(data), is_server=True)
        await add_epay(shop, key=epay.KEY, pid=epay.PID, mode="page")
        await add_product(shop, "steam-50", codes=codes)
        await settings.change(shop, {"risk.captcha": "off"}, CLI)
        theme = load_theme("default", data=data, timezone=lambda: "UTC", is_strict=False)
        await shop.close()
        return theme.assets.url(max(theme.assets.files, key=lambda name: len(theme.assets.files[name].body)))

    return asyncio.run(furnished())


def served(data: Path, *, files: int = 0, tree: Path | None = None) -> Served:
    return Served(data, tree=tree, files=files, KASHOP_TRUSTED_PROXIES="127.0.0.1")


def visited(port: int, seconds: float, *, every: float, salt: str) -> Honest:
    honest = Honest(port, salt)
    asyncio.run(honest.come(seconds, every=every))
    return honest


def test_hundreds_of_slow_clients_keep_nobody_out(data: Path) -> None:
    path = furnish(data, 100)
    with served(data, files=FILES) as server:
        with Besieged(server.port, 450, every=1, path=path) as slow:
            honest = visited(server.port, 3, every=0.1, salt="a")
        assert slow.cut_off > 100, "there was room for all"
        assert not honest.wrong
        assert {kind: len(seconds) for kind, seconds in honest.seconds.items()} == {"page": 30, "order": 30, "callback": 30}
        assert server.count("SELECT COUNT(*) FROM orders WHERE status = 'delivered'") == 30


def test_control_where_nobody_gives_way_the_honest_are_kept_out(data: Path, tmp_path: Path) -> None:
    path = furnish(data, 100)
    tree = planted(tmp_path, NOBODY_GIVES_WAY)
    with served(data, files=FILES, tree=tree) as server, Besieged(server.port, 450, every=1, path=path):
        honest = visited(server.port, 1, every=0.1, salt="a")
    assert honest.wrong


@pytest.mark.drill
@pytest.mark.parametrize(("many", "files"), [(3000, 0), (3000, 1400)], ids=["room-for-all", "room-for-a-third"])
def test_thousands_of_slow_clients(data: Path, many: int, files: int) -> None:
    path = furnish(data, 2000)
    with served(data, files=files) as server:
        visited(server.port, 1, every=0.1, salt="w")
        calm = visited(server.port, 8, every=0.05, salt="c")
        with Besieged(server.port, many, every=5, path=path) as slow:
            pressed = visited(server.port, 15, every=0.05, salt="p")
        after = visited(server.port, 4, every=0.05, salt="z")
        told = {kind: [round(each.p99(kind), 1) for each in (calm, pressed, after)] for kind in calm.seconds}
        print(f"\np99 in ms before, meanwhile, after: {told}; wrong: {dict(pressed.wrong)}")
        print(f"slow at once {slow.most}, opened {slow.opened}, cut off {slow.cut_off}, told {dict(slow.answers)}")
        assert not calm.wrong + pressed.wrong + after.wrong
        server.check()
