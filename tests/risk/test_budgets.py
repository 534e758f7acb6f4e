"""What one buyer and one address may hold unpaid; what changes under pressure; and proofs of work (abuse case C12)."""

import asyncio
from typing import Any

import altcha
import msgspec
import pytest

from kashop.db import Reader
from kashop.flows import checkout, pressure, settings
from kashop.flows.checkout import Placed
from kashop.flows.offers import Visitor
from kashop.flows.pressure import ProofNeeded, ProofSpent
from kashop.jobs.schedule import expire_orders, forget
from kashop.lib.actor import CLI, Actor
from kashop.lib.clock import MINUTE
from kashop.lib.errors import SoldOut, TooMany
from kashop.risk import budgets
from kashop.risk.budgets import Caps, Held, OverBudget, Who
from kashop.risk.captcha import Shown
from kashop.shop import Shop
from tests.cast import TestClock, add_epay, add_product, call_back, epay_notice, wish

NUMBER = "A" * 22


@pytest.fixture
async def stocked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Fifty codes; work that takes a hundredth of its time."""
    monkeypatch.setattr("kashop.bundled.captcha_altcha.proof.TRIES_A_SECOND", 4)
    monkeypatch.setattr("kashop.bundled.captcha_altcha.proof.COST", 10)
    await add_epay(shop, mode="page")
    await add_product(shop, "steam-50", codes=50)
    return shop


def buyer(n: int) -> Actor:
    return Actor("buyer", ip=f"198.{n // 250}.100.{n % 250}")


async def buy(shop: Shop, n: int, *, quantity: int = 1, contact: str = "", **shown: Any) -> Placed:
    """An order of the n-th buyer, from an address and with a contact of his own."""
    asked = wish("steam-50", quantity, contact=contact or f"b{n}@example.com")
    return await checkout.place(shop, asked, buyer(n), visitor=Visitor(shown=Shown(**shown)))


def solved(needed: ProofNeeded) -> str:
    """What a browser sends back."""
    challenge = altcha.Challenge.from_dict(dict(needed.challenge))
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    answer: str = altcha.Payload(challenge, solution).to_base64()
    return answer


async def proof_for(shop: Shop, n: int, **more: Any) -> str:
    with pytest.raises(ProofNeeded) as needed:
        await buy(shop, n, **more)
    return await asyncio.to_thread(solved, needed.value)


async def press(shop: Shop, clock: TestClock, *, orders: int = 10) -> list[Placed]:
    """So many orders at once that nobody pays: ten from as many addresses, before that is pressure, the others by staff."""
    placed = [await buy(shop, 1000 + n) for n in range(10)]
    for n in range(10, orders):
        placed.append(await checkout.place(shop, wish("steam-50", contact=f"s{n}@example.com"), CLI))
    clock.pass_time(seconds=2)
    return placed


async def test_a_buyer_holds_so_many_unpaid_orders_and_is_free_again_when_he_pays_or_cancels(stocked: Shop) -> None:
    mine = [await buy(stocked, 1, contact="me@example.com") for _ in range(5)]
    with pytest.raises(OverBudget, match="already: 5"):
        await buy(stocked, 1, contact="ME@example.com ")
    await checkout.cancel(stocked, mine[0].order, buyer(1))
    mine.append(await buy(stocked, 1, contact="me@example.com"))
    with pytest.raises(OverBudget):
        await buy(stocked, 1, contact="me@example.com")
    await call_back(stocked, epay_notice(mine[1]))
    await buy(stocked, 1, contact="me@example.com")


async def strangers_at_work(shop: Shop, clock: TestClock) -> None:
    """C12: they hold what they can with a contact that is not theirs, from many addresses, and let it all run out; then again."""
    for n in range(10, 20):
        await buy(shop, n, contact="me@example.com")
    clock.pass_time(minutes=16)
    assert await expire_orders(shop) == 10
    clock.pass_time(seconds=2)
    for n in range(20, 27):
        await buy(shop, n, contact="me@example.com", answer=await proof_for(shop, n, contact="me@example.com"))


async def test_a_stranger_who_knows_a_contact_uses_nothing_of_its_owners_up(stocked: Shop, clock: TestClock) -> None:
    await strangers_at_work(stocked, clock)
    with pytest.raises(ProofNeeded) as of_the_owner:
        await buy(stocked, 1, contact="me@example.com")
    with pytest.raises(ProofNeeded) as of_another:
        await buy(stocked, 2)
    assert of_the_owner.value.task.work == of_another.value.task.work, "his work is made harder"
    await buy(stocked, 1, contact="me@example.com", answer=await asyncio.to_thread(solved, of_the_owner.value))
    with pytest.raises(OverBudget, match="already: 1"):  # which is his own
        await buy(stocked, 1, contact="me@example.com")


async def test_control_a_contact_that_counts_alone_is_used_up_by_anybody(
    stocked: Shop, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held_by(db: Reader, who: Who) -> list[Held]:
        sql = "SELECT COUNT(*) FROM orders WHERE status = 'pending' AND contact = :contact"
        held = int(db.value(sql, contact=who.contact))
        return [Held("contact", held, held)]

    monkeypatch.setattr(pressure.unpaid, "held_by", held_by)
    with pytest.raises(OverBudget):
        await strangers_at_work(stocked, clock)


async def test_a_browser_is_counted_whatever_its_address_and_contact(stocked: Shop) -> None:
    for n in range(5):
        await buy(stocked, n, browser=NUMBER)
    with pytest.raises(OverBudget):
        await buy(stocked, 5, browser=NUMBER)
    await buy(stocked, 5, browser="B" * 22)


async def test_an_address_is_counted_and_an_ipv6_network_as_one(stocked: Shop) -> None:
    await settings.change(stocked, {"risk.orders_per_address": 3}, CLI)

    async def from_ip(ip: str, n: int) -> None:
        await checkout.place(stocked, wish("steam-50", contact=f"c{n}@example.com"), Actor("buyer", ip=ip))

    for n in range(3):
        await from_ip(f"2001:db8::{n + 1}", n)
    with pytest.raises(OverBudget, match="your network"):
        await from_ip("2001:db8::ffff", 4)
    await from_ip("2001:db8:0:1::1", 5)


async def test_codes_are_counted_too(stocked: Shop) -> None:
    await settings.change(stocked, {"risk.codes_per_buyer": 10}, CLI)
    with pytest.raises(OverBudget, match="At most 10"):
        await buy(stocked, 1, quantity=11)
    await buy(stocked, 1, quantity=6)
    with pytest.raises(OverBudget, match="hold 11 codes"):
        await buy(stocked, 1, quantity=5)
    await buy(stocked, 1, quantity=4)


async def test_no_bound_is_no_look(stocked: Shop) -> None:
    assert Caps().counted(budgets.Who(1, "a", 2)) == budgets.NOBODY
    names = ("orders_per_buyer", "codes_per_buyer", "orders_per_address", "codes_per_address")
    await settings.change(stocked, {f"risk.{name}": 0 for name in names}, CLI)
    for n in range(9):
        await buy(stocked, n, contact="me@example.com")


async def place_at_once(shop: Shop) -> int:
    """Twenty orders of one buyer in the same moment; how many were placed."""
    await settings.change(shop, {"risk.captcha": "off", "risk.pressure_share": 100}, CLI)
    ended = await asyncio.gather(*(buy(shop, 1) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(e, Placed | OverBudget) for e in ended), ended
    return sum(isinstance(e, Placed) for e in ended)


async def test_many_at_once_are_counted_in_the_change(stocked: Shop) -> None:
    assert await place_at_once(stocked) == 5


async def test_control_without_the_count_in_the_change(stocked: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure.unpaid, "held_by", lambda db, who: [Held("contact", 0, 0)])
    assert await place_at_once(stocked) == 20


async def test_addresses_that_are_the_merchants_own_are_not_counted(stocked: Shop, clock: TestClock) -> None:
    await settings.change(stocked, {"risk.free_networks": "198.0.0.0/8", "risk.orders_per_address": 1}, CLI)
    for n in range(20):
        await checkout.place(stocked, wish("steam-50", contact=f"x{n}@example.com"), buyer(7))
    clock.pass_time(seconds=2)
    assert (await pressure.pressed_now(stocked))[0].is_pressed
    await checkout.place(stocked, wish("steam-50", contact="last@example.com"), buyer(7))


async def test_an_address_tries_so_many_orders(stocked: Shop) -> None:
    await settings.change(stocked, {"risk.orders_tried": 3}, CLI)
    for _ in range(3):
        with pytest.raises((OverBudget, SoldOut)):
            await buy(stocked, 1, quantity=60)
    with pytest.raises(TooMany):
        await buy(stocked, 1)
    await buy(stocked, 2)


async def test_a_calm_shop_asks_nothing(stocked: Shop, clock: TestClock) -> None:
    for n in range(9):
        await buy(stocked, n)
        clock.pass_time(seconds=2)
    assert await pressure.pressed_now(stocked) == []


async def test_under_pressure_holds_are_shorter_and_a_buyer_holds_one(stocked: Shop, clock: TestClock) -> None:
    calm = await press(stocked, clock)
    assert {p.order.expires_at - p.order.created_at for p in calm} == {15 * MINUTE}
    pressed = await buy(stocked, 1, answer=await proof_for(stocked, 1))
    assert pressed.order.expires_at - pressed.order.created_at == 3 * MINUTE
    with pytest.raises(OverBudget):  # before any work
        await buy(stocked, 1)


async def test_a_shop_with_the_captcha_off_has_its_budgets_still(stocked: Shop, clock: TestClock) -> None:
    await settings.change(stocked, {"risk.captcha": "off"}, CLI)
    await press(stocked, clock)
    await buy(stocked, 1)
    with pytest.raises(OverBudget):
        await buy(stocked, 1)


async def test_always_asks_on_a_calm_day_too(stocked: Shop) -> None:
    await settings.change(stocked, {"risk.captcha": "always"}, CLI)
    placed = await buy(stocked, 1, answer=await proof_for(stocked, 1))
    assert placed.order.expires_at - placed.order.created_at == 15 * MINUTE


async def test_a_proof_serves_once_and_a_restart_does_not_forget_it(stocked: Shop, clock: TestClock) -> None:
    await press(stocked, clock)
    answer = await proof_for(stocked, 1)
    placed = await buy(stocked, 1, answer=answer)
    await checkout.cancel(stocked, placed.order, CLI)
    stocked.captchas.clear()  # all that the process knew of it
    with pytest.raises(ProofSpent):
        await buy(stocked, 1, answer=answer)


async def test_a_proof_that_placed_nothing_is_not_spent(stocked: Shop, clock: TestClock) -> None:
    await press(stocked, clock)
    answers = [await proof_for(stocked, 1) for _ in range(2)]
    held, answer = await buy(stocked, 1, answer=answers[0]), answers[1]
    with pytest.raises(OverBudget):
        await buy(stocked, 1, answer=answer)
    await checkout.cancel(stocked, held.order, CLI)
    await buy(stocked, 1, answer=answer)


async def test_the_same_proof_twenty_times_at_once_places_one_order(stocked: Shop, clock: TestClock) -> None:
    await press(stocked, clock)
    answer = await proof_for(stocked, 1)
    tries = [buy(stocked, 1, contact=f"c{n}@example.com", answer=answer) for n in range(20)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(e, Placed) for e in ended) == 1
    assert sum(isinstance(e, ProofSpent | ProofNeeded) for e in ended) == 19


async def test_a_proof_serves_nobody_else_nothing_else_and_not_for_ever(stocked: Shop, clock: TestClock) -> None:
    await add_product(stocked, "game-card", codes=20)
    await press(stocked, clock)
    answer = await proof_for(stocked, 1)
    with pytest.raises(ProofNeeded):  # from another address
        await buy(stocked, 2, answer=answer)
    await settings.change(stocked, {"risk.captcha": "always"}, CLI)
    other = wish("game-card", contact="b1@example.com")
    with pytest.raises(ProofNeeded):  # for another product
        await checkout.place(stocked, other, buyer(1), visitor=Visitor(shown=Shown(answer=answer)))
    clock.pass_time(minutes=11)
    with pytest.raises(ProofNeeded):  # too late
        await buy(stocked, 1, answer=answer)


@pytest.mark.parametrize("change", ["for", "work", "until", "signature", "key", "nonsense", "empty solution"])
async def test_an_altered_answer_proves_nothing(stocked: Shop, clock: TestClock, change: str) -> None:
    await press(stocked, clock)
    with pytest.raises(ProofNeeded) as needed:
        await buy(stocked, 1)
    told = msgspec.json.decode(msgspec.json.encode(needed.value.challenge))
    solution = {"counter": 3, "derivedKey": "00" * 32, "time": 1}
    if change in ("for", "work", "until"):
        told["parameters"]["data"][change] = "9999999999999"
    elif change == "signature":
        told["signature"] = "00" * 32
    elif change == "empty solution":
        solution = {}
    answer = altcha.Payload.from_dict({"challenge": told, "solution": solution}).to_base64() if solution else "e30="
    with pytest.raises(ProofNeeded):
        await buy(stocked, 1, answer="!!" if change == "nonsense" else answer)


async def test_the_work_grows_with_the_codes_and_with_what_was_taken_and_not_paid(stocked: Shop, clock: TestClock) -> None:
    async def work(n: int, **more: Any) -> float:
        with pytest.raises(ProofNeeded) as needed:
            await buy(stocked, n, **more)
        return needed.value.task.work

    await press(stocked, clock)
    fresh = await work(1)
    assert await work(1, quantity=4) == pytest.approx(4 * fresh)
    assert await work(1000, contact="new@example.com") == pytest.approx(2 * fresh)  # the address holds one
    clock.pass_time(minutes=16)
    assert await expire_orders(stocked) == 10
    clock.pass_time(seconds=2)
    assert (await pressure.pressed_now(stocked))[0].lapsed == 10
    assert await work(1000) == pytest.approx(2 * await work(1))  # let one run out
    clock.pass_time(minutes=61)
    await buy(stocked, 1000)  # an hour later all is calm and forgotten


async def test_who_pays_is_forgiven(stocked: Shop, clock: TestClock) -> None:
    await press(stocked, clock)
    clock.pass_time(minutes=16)
    await expire_orders(stocked)
    clock.pass_time(seconds=2)
    await pressure.measure(stocked)
    paid = await buy(stocked, 1000, answer=await proof_for(stocked, 1000))
    await call_back(stocked, epay_notice(paid))
    clock.pass_time(seconds=2)
    await pressure.measure(stocked)
    assert [unpaid_by(stocked, n) for n in (1000, 1001)] == [0, 1]


def unpaid_by(shop: Shop, n: int) -> int:
    address = pressure._digest(shop, "client", buyer(n).ip)
    return shop.gauge.unpaid("client", address, shop.clock.now())


async def test_nobody_works_for_what_is_gone(stocked: Shop, clock: TestClock) -> None:
    await press(stocked, clock, orders=50)
    with pytest.raises(SoldOut):
        await buy(stocked, 1)


async def test_a_burst_is_seen_within_itself(stocked: Shop) -> None:
    ended = await asyncio.gather(*(buy(stocked, n) for n in range(50)), return_exceptions=True)  # the clock stands
    assert [type(e) for e in ended] == [Placed] * 10 + [ProofNeeded] * 40
    with pytest.raises(OverBudget):  # what was not placed is not counted
        await buy(stocked, 60, quantity=6)


async def test_what_a_sealed_vault_keeps_for_the_paid_is_no_pressure(stocked: Shop, clock: TestClock) -> None:
    stocked.keyring.seal()
    for n in range(20):
        await call_back(stocked, epay_notice(await buy(stocked, n), txn=f"T{n}"))
        clock.pass_time(seconds=2)
    assert await pressure.pressed_now(stocked) == []


async def test_the_line_serves_no_faster_than_one_core(stocked: Shop, clock: TestClock) -> None:
    await press(stocked, clock, orders=30)
    began, turns = clock.now(), []
    for n in range(120):  # a script with as many addresses
        with pytest.raises(ProofNeeded) as needed:
            await buy(stocked, n, asks_turn=True)
        turns.append((needed.value.turn, needed.value.task.work))
    given = [(turn.opens_at - began, work) for turn, work in turns if turn is not None]
    assert all(at >= 1000 * sum(w for _t, w in given[: n + 1]) - 1 for n, (at, _w) in enumerate(given))
    assert turns[-1][0] is None  # the line is full, and says so
    again = [await asked_again(stocked, n) for n in range(3)]  # moves nobody; servers together keep whole milliseconds of work
    assert [(turn.opens_at, turn.until) for turn in again] == [(turn.opens_at, turn.until) for turn, _work in turns[:3] if turn]
    assert [turn.seconds for turn in again] == pytest.approx([turn.seconds for turn, _work in turns[:3] if turn], abs=0.001)


async def asked_again(shop: Shop, n: int) -> Any:
    with pytest.raises(ProofNeeded) as needed:
        await buy(shop, n, asks_turn=True)
    return needed.value.turn


async def test_a_turn_is_taken_once_in_its_time_by_its_holder(stocked: Shop, clock: TestClock) -> None:
    await press(stocked, clock)
    with pytest.raises(ProofNeeded) as needed:
        await buy(stocked, 1, asks_turn=True)
    turn = needed.value.turn
    assert turn is not None
    ticket = pressure.ticket_of(stocked, turn, buyer(1).ip)
    for n, sent in ((1, ticket), (1, ticket.replace(str(turn.opens_at), "1000000000000"))):
        with pytest.raises(ProofNeeded):
            await buy(stocked, n, ticket=sent)
    clock.pass_time(seconds=(turn.opens_at - clock.now()) / 1000 + 1)
    with pytest.raises(ProofNeeded):
        await buy(stocked, 2, ticket=ticket)
    placed = await buy(stocked, 1, ticket=ticket)
    await checkout.cancel(stocked, placed.order, CLI)
    with pytest.raises(ProofSpent):
        await buy(stocked, 1, ticket=ticket)


async def test_spent_proofs_are_forgotten_when_they_would_have_lapsed(stocked: Shop, clock: TestClock) -> None:
    await press(stocked, clock)
    await buy(stocked, 1, answer=await proof_for(stocked, 1))
    assert await stocked.db.read(lambda db: db.value("SELECT COUNT(*) FROM spent_proofs")) == 1
    clock.pass_time(minutes=11)
    await forget(stocked)
    assert await stocked.db.read(lambda db: db.value("SELECT COUNT(*) FROM spent_proofs")) == 0


async def test_without_any_captcha_budgets_hold_alone(stocked: Shop, clock: TestClock, monkeypatch: pytest.MonkeyPatch) -> None:
    await press(stocked, clock)
    monkeypatch.setattr(stocked.plugins, "_captchas", {})
    await buy(stocked, 1)
    with pytest.raises(OverBudget):
        await buy(stocked, 1)
