"""Proofs of work, and the line of those who cannot compute, over all servers of a shop."""

import asyncio

import pytest

from kashop.flows import pressure, settings
from kashop.flows.checkout import Placed
from kashop.flows.pressure import ProofNeeded, ProofSpent
from kashop.lib.actor import CLI
from kashop.risk.waiting import Line
from kashop.shop import Shop
from tests.cast import TestClock, add_epay, add_product
from tests.risk.test_budgets import buy, proof_for

pytestmark = pytest.mark.sqlite  # it brings its own server


@pytest.fixture
async def stocked(nodes: list[Shop], monkeypatch: pytest.MonkeyPatch) -> list[Shop]:
    """Fifty codes; work that takes a hundredth of its time, and is always asked for."""
    monkeypatch.setattr("kashop.bundled.captcha_altcha.proof.TRIES_A_SECOND", 4)
    monkeypatch.setattr("kashop.bundled.captcha_altcha.proof.COST", 10)
    await add_epay(nodes[0], mode="page")
    await add_product(nodes[0], "steam-50", codes=50)
    await settings.change(nodes[0], {"risk.captcha": "always"}, CLI)
    await settings.reload(nodes[1])
    return nodes


async def bought_with_one_proof(nodes: list[Shop]) -> tuple[int, int]:
    """How many of ten orders at two servers at once are placed by one proof, and how many are refused for it."""
    answer = await proof_for(nodes[0], 1)
    tries = [buy(nodes[n % 2], 1, contact=f"c{n}@example.com", answer=answer) for n in range(10)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    return sum(isinstance(e, Placed) for e in ended), sum(isinstance(e, ProofSpent) for e in ended)


async def test_a_proof_serves_once_over_all_servers(stocked: list[Shop]) -> None:
    assert await bought_with_one_proof(stocked) == (1, 9)


async def test_control_without_the_row_it_serves_again_at_each(stocked: list[Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "spend", lambda *_anything: None)
    placed, refused = await bought_with_one_proof(stocked)
    assert placed > 1
    assert refused == 0


async def turns(nodes: list[Shop], clients: int) -> list[int]:
    """From when on each of so many clients may order that come to one server after the other."""
    opens = []
    for n in range(clients):
        with pytest.raises(ProofNeeded) as needed:
            await buy(nodes[n % 2], n, asks_turn=True)
        assert needed.value.turn is not None
        opens.append(needed.value.turn.opens_at)
    return opens


async def test_turns_come_no_faster_at_two_servers_than_at_one(stocked: list[Shop], clock: TestClock) -> None:
    one = Line(clock)
    alone = [turn.opens_at for n in range(6) if (turn := one.turn(f"client {n}", 1.0))]
    assert await turns(stocked, 6) == alone
    assert len(set(alone)) == 6


async def test_a_client_has_one_place_at_all_servers(stocked: list[Shop]) -> None:
    first = await turns(stocked, 2)
    assert await turns(stocked[::-1], 2) == first


async def test_control_a_line_at_each_server_is_twice_as_fast(stocked: list[Shop], monkeypatch: pytest.MonkeyPatch) -> None:
    for shop in stocked:
        monkeypatch.setattr(shop.db, "has_nodes", False)
    opens = await turns(stocked, 6)
    assert opens[0::2] == opens[1::2]
