"""The vault of several servers: one unsealing reaches all of them."""

import pytest

from kashop.flows import vault
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.vault import reads, writes
from tests.cast import TestClock

pytestmark = pytest.mark.sqlite  # it brings its own server


async def test_a_server_that_comes_up_keeps_the_doors_of_others_open(nodes: list[Shop]) -> None:
    for shop in nodes:
        await vault.start(shop)
    one, two = nodes
    root = one.keyring
    assert not root.is_sealed
    await vault.seal(two, CLI)
    await vault.watch(one)
    assert one.keyring.is_sealed
    await vault.open_with(two, vault.Given(), CLI)
    assert not two.keyring.is_sealed
    await vault.watch(one)
    assert not one.keyring.is_sealed


async def test_the_door_of_a_dead_server_is_closed_once_a_letter_lies_there_for_an_hour(
    nodes: list[Shop], clock: TestClock
) -> None:
    one, two = nodes
    for shop in nodes:
        await vault.start(shop)
    await vault.seal(two, CLI)
    await vault.open_with(two, vault.Given(), CLI)
    await vault.watch(two)
    clock.pass_time(hours=2)
    assert await two.db.write(writes.forget_doors, unread_since=clock.now() - 3_600_000) == 1
    assert two.door is not None
    assert [door.door_id for door in await one.db.read(reads.doors)] == [two.door.door_id]
