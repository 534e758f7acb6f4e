"""Limits: who counts as one client, and what a limit does not count."""

import pytest

from kashop.flows import lookup
from kashop.lib.errors import NotFound, TooMany
from kashop.risk import Limits, one_client
from kashop.shop import Shop
from tests.cast import TestClock


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


def test_asking_whether_a_limit_is_spent_spends_nothing(clock: TestClock) -> None:
    limits = Limits(clock)
    for _ in range(3):
        assert not limits.is_spent("door", "a", most=1, seconds=60)
    limits.take("door", "a", most=1, seconds=60)
    assert limits.is_spent("door", "a", most=1, seconds=60)
    assert not limits.is_spent("door", "b", most=1, seconds=60)
    clock.pass_time(seconds=61)
    assert not limits.is_spent("door", "a", most=1, seconds=60)
