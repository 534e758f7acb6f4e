"""Limits: who counts as one client, and what a limit does not count."""

import asyncio
import contextlib

import pytest

from kashop.flows import lookup
from kashop.lib.errors import Invalid, NotFound, TooMany
from kashop.risk import SCOPES, Limits, one_client
from kashop.risk.scopes import Scope
from kashop.settings.table import SETTINGS, checked
from kashop.shop import Shop
from tests.cast import TestClock, add_epay, add_product, order


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:1::7", "2001:db8:1:0:9::", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("", "x", False),
    ],
)
def test_a_client_is_what_a_provider_hands_out_whole(one: str, other: str, are_same: bool) -> None:
    assert (one_client(one) == one_client(other)) is are_same


async def test_a_new_address_in_the_same_network_guesses_on_nobodys_account(shop: Shop) -> None:
    refused = []
    for n in range(40):
        with pytest.raises((NotFound, TooMany)) as said:
            await lookup.find(shop, subject=f"{n}@example.com", password="guessed", ip=f"2001:db8::{n:x}")
        refused.append(said.type)
    assert refused == [NotFound] * 30 + [TooMany] * 10


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow scope and a wide one of the tests' own."""
    monkeypatch.setitem(SCOPES, "door", Scope(1, 60, "client"))
    monkeypatch.setitem(SCOPES, "gate", Scope(1000, 60, "client", "risk.api_calls"))


@pytest.mark.usefixtures("doors")
def test_asking_whether_a_limit_is_spent_spends_nothing(clock: TestClock) -> None:
    limits = Limits(clock)
    for _ in range(3):
        assert not limits.is_spent("door", "a")
    limits.take("door", "a")
    assert limits.is_spent("door", "a")
    assert not limits.is_spent("door", "b")
    clock.pass_time(seconds=61)
    assert not limits.is_spent("door", "a")


def taken(limits: Limits, scope: str, subject: str, times: int) -> int:
    """How many of so many tries were let through."""
    passed = 0
    for _ in range(times):
        with contextlib.suppress(TooMany):
            limits.take(scope, subject)
            passed += 1
    return passed


@pytest.mark.usefixtures("doors")
def test_a_wide_limit_counts_exactly_and_remembers_little(clock: TestClock) -> None:
    limits = Limits(clock)
    passed = 0
    for _ in range(120):
        passed += taken(limits, "gate", "a", 20)
        clock.pass_time(seconds=0.1)
    assert passed == 1000
    assert len(limits._tries["gate", "a"]) <= 33
    clock.pass_time(seconds=61)
    assert taken(limits, "gate", "a", 1200) == 1000


@pytest.mark.usefixtures("doors")
def test_who_is_quiet_for_longer_than_the_window_is_forgotten_with_the_tries_of_others(clock: TestClock) -> None:
    limits = Limits(clock)
    for n in range(50):
        taken(limits, "gate", f"early {n}", 1)
    clock.pass_time(seconds=30)
    taken(limits, "gate", "later", 1)
    assert len(limits._tries) == 51
    clock.pass_time(seconds=31)
    for n in range(25):
        taken(limits, "gate", f"last {n}", 1)
    assert {subject for _scope, subject in limits._tries} == {"later", *(f"last {n}" for n in range(25))}
    assert taken(limits, "gate", "later", 2000) == 999


@pytest.mark.usefixtures("doors")
def test_a_merchants_own_number_holds_at_once(clock: TestClock) -> None:
    number = 5
    limits = Limits(clock, lambda name: number)
    assert taken(limits, "gate", "a", 20) == 5
    number = 9
    assert taken(limits, "gate", "a", 20) == 4


@pytest.mark.usefixtures("doors")
@pytest.mark.parametrize("hours", [-24, -1, 24])
def test_a_clock_that_is_set_keeps_nobody_out_for_longer_than_the_window(clock: TestClock, hours: int) -> None:
    limits = Limits(clock)
    limits.take("door", "a")
    clock.pass_time(hours=hours)
    assert limits.is_spent("door", "a") is (hours < 0)
    clock.pass_time(seconds=61)
    limits.take("door", "a")
    if hours < 0:
        with pytest.raises(TooMany) as refused:
            limits.take("door", "a")
        assert refused.value.retry_after <= 60


@pytest.mark.parametrize("flooded", sorted(SCOPES))
def test_a_flood_of_one_scope_spends_no_other(clock: TestClock, flooded: str) -> None:
    limits = Limits(clock)
    taken(limits, flooded, "198.51.100.1", SCOPES[flooded].most + 5)
    assert limits.is_spent(flooded, "198.51.100.1")
    others = [scope for scope in SCOPES if scope != flooded]
    assert [scope for scope in others if limits.is_spent(scope, "198.51.100.1")] == []


def test_every_setting_of_a_scope_has_the_tables_number() -> None:
    wanted = {scope.setting: scope.most for scope in SCOPES.values() if scope.setting}
    assert {name: SETTINGS[name].default for name in wanted} == wanted


async def test_a_flood_of_look_ups_keeps_nobody_from_ordering_with_a_password(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=2)
    flood = [asyncio.create_task(shop.lookup_passwords.verify(None, "guessed")) for _ in range(80)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany):  # the look-ups are full
        await shop.lookup_passwords.verify(None, "one more")
    placed = await order(shop, "steam-50", lookup_password="my password")
    assert placed.order.lookup_hash
    for task in flood:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("203.0.113.7, 10.0.0.1/8", "203.0.113.7/32, 10.0.0.0/8"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("", ""),
    ],
)
def test_networks_are_read_as_they_are_meant(typed: str, kept: str) -> None:
    assert checked("risk.free_networks", typed) == kept


@pytest.mark.parametrize("typed", ["everybody", "0.0.0.0/0", "::/0", "10.0.0.0/33"])
def test_no_network_of_everybody(typed: str) -> None:
    with pytest.raises(Invalid):
        checked("risk.free_networks", typed)
