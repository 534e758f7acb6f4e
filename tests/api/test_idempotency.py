"""One key, one order: one after another, and all at once (I-36); across a kill: tests/hostile."""

import asyncio

import pytest

from kashop.lib.clock import DAY
from kashop.orders import reads as orders
from kashop.orders import writes as order_writes
from kashop.shop import Shop
from tests import beside
from tests.api.conftest import Api, usual
from tests.api.test_orders import problem
from tests.beside import row_counts
from tests.cast import TestClock
from tests.hostile.tables import changed


async def count(shop: Shop) -> int:
    return len(await shop.db.read(orders.page, 10**9, limit=100))


async def test_the_same_key_and_content_give_the_same_answer(api: Api, shop: Shop) -> None:
    first = await api.order(key="one")
    before = row_counts(shop.config.place)
    again = await api.order(key="one")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert changed(before, row_counts(shop.config.place)) == {}


async def test_the_same_content_written_otherwise_is_the_same(api: Api, shop: Shop) -> None:
    first = await api.order(key="one")
    turned = dict(reversed(usual().items()))
    assert (await api.order(turned, key="one")).json() == first.json()
    assert await count(shop) == 1


async def test_fifty_at_once_make_one_order(api: Api, shop: Shop) -> None:
    answers = await asyncio.gather(*(api.order(key="one") for _ in range(50)))
    assert {a.status_code for a in answers} == {201}
    texts = {a.text for a in answers}
    assert len(texts) == 1, texts
    assert answers[0].json()["payment"]["kind"] == "redirect"
    assert sum("idempotent-replayed" not in a.headers for a in answers) == 1
    assert await count(shop) == 1


async def test_fifty_at_once_with_their_own_keys_are_fifty(api: Api, shop: Shop) -> None:
    """The control: without the shared key nothing holds them together, so five are sold and the rest are told."""
    one = {"lines": [{"sku": "steam-50", "quantity": 1}]}
    answers = await asyncio.gather(*(api.order(key=f"own-{n}", **one) for n in range(50)))
    assert sorted({a.status_code for a in answers}) == [201, 409]
    assert await count(shop) == sum(a.status_code == 201 for a in answers) == 5


@pytest.mark.parametrize(
    "over",
    [
        {"lines": [{"sku": "steam-50", "quantity": 1}]},
        {"contact": {"type": "email", "value": "b@example.com"}},
        {"method": "wxpay"},
        {"lookup_password": "other"},
    ],
)
async def test_the_same_key_with_other_content_is_refused(api: Api, shop: Shop, over: dict[str, object]) -> None:
    first = (await api.order(key="one")).json()
    before = row_counts(shop.config.place)
    answer = await api.order(key="one", **over)
    problem(answer, 422, "idempotency_mismatch")
    assert first["token"] not in answer.text
    assert changed(before, row_counts(shop.config.place)) == {}


async def test_a_refused_wish_does_not_use_its_key_up(api: Api) -> None:
    problem(await api.order(key="one", gateway="nobody"), 422, "invalid")
    assert (await api.order(key="one")).status_code == 201


@pytest.mark.parametrize("key", ["x" * 256, "a b", "é", ""])
async def test_a_key_is_visible_ascii(api: Api, shop: Shop, key: str) -> None:
    headers = {"idempotency-key": key.encode("latin-1")}
    answer = await api.post("/orders", json=usual(), headers=headers)
    problem(answer, 400, "idempotency_key_malformed")
    assert await count(shop) == 0


async def test_a_key_is_needed_once(api: Api, shop: Shop) -> None:
    problem(await api.post("/orders", json=usual()), 400, "idempotency_key_missing")
    twice = [("idempotency-key", "a"), ("idempotency-key", "b")]
    problem(await api.post("/orders", json=usual(), headers=twice), 400, "idempotency_key_malformed")
    assert await count(shop) == 0
    assert (await api.order(key="!" * 255)).status_code == 201


async def test_a_key_is_kept_for_a_day_at_least(api: Api, shop: Shop, clock: TestClock) -> None:
    first = (await api.order(key="one")).json()
    clock.pass_time(hours=24)
    await shop.db.write(order_writes.forget_keys, clock.now() - 2 * DAY, limit=100)
    assert (await api.order(key="one")).json()["order_no"] == first["order_no"]


async def test_an_attempt_whose_process_died_is_begun_by_the_replay(api: Api, shop: Shop, clock: TestClock) -> None:
    placed = (await api.order(key="one")).json()
    beside.change(shop.config.place, "UPDATE attempts SET kind = '', url = ''")
    clock.pass_time(seconds=20)
    again = (await api.order(key="one")).json()
    assert again["payment"] == placed["payment"]
