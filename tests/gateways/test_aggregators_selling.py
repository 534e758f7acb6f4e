"""A shop sells through a simulated 虎皮椒 and simulated V免签 servers, and survives their moods."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kashop.flows import attempts, gateways
from kashop.orders import reads as orders
from kashop.plugins.kit.simulators.vmq import VmqHmacSimulator, VmqSimulator
from kashop.plugins.kit.simulators.xunhu import XunhuSimulator
from tests.cast import BUYER, codes_of
from tests.gateways.streets import ACCOUNT, Street, street

SUCCESS = (200, "success")
BOX = [XunhuSimulator, VmqSimulator, VmqHmacSimulator]


@pytest.fixture(params=BOX, ids=[kind.name for kind in BOX])
async def open_street(request: pytest.FixtureRequest, data: Path) -> AsyncIterator[Street]:
    async with street(data, request.param) as opened:
        yield opened


@pytest.fixture
async def vmq(data: Path) -> AsyncIterator[Street]:
    async with street(data, VmqSimulator) as opened:
        yield opened


@pytest.fixture
async def xunhu(data: Path) -> AsyncIterator[Street]:
    async with street(data, XunhuSimulator) as opened:
        yield opened


async def test_it_sells_once_whatever_is_repeated_or_forged(open_street: Street) -> None:
    placed = await open_street.buy()
    assert (await open_street.attempt(placed)).kind == "qr"
    for forge in ("signature", "key", "merchant", "amount"):
        assert await open_street.pay(placed, forge=forge) == [(400, "fail")]
    assert await open_street.query(placed) == "pending"
    assert await open_street.pay(placed, times=20, parallel=True) == [SUCCESS] * 20
    assert await open_street.status(placed) == "delivered"
    assert await codes_of(open_street.shop, placed) == ["STEAM-00000"]


async def test_what_was_lost_is_found_by_asking(open_street: Street) -> None:
    placed = await open_street.buy()
    assert await open_street.pay(placed, lose=True) == []
    assert await open_street.query(placed) == "paid"
    assert await open_street.status(placed) == "delivered"
    assert await open_street.pay(placed) == [SUCCESS]
    assert len(await open_street.shop.db.read(orders.open_exceptions, placed.order.order_id)) == 0


async def test_one_that_breaks_leaves_the_order_open_for_another_try(open_street: Street) -> None:
    for mood in ("error", "html", "cuts"):
        open_street.vendor.mood(mood)
        placed = await open_street.buy()
        assert (await open_street.attempt(placed)).problem
        open_street.vendor.mood("answers")
        method = open_street.vendor.method
        await attempts.change(open_street.shop, placed.order, gateway=ACCOUNT, method=method, actor=BUYER)
        assert await open_street.pay(placed) == [SUCCESS]
        assert await open_street.status(placed) == "delivered"


async def test_the_account_tests_well(open_street: Street) -> None:
    findings = await gateways.test(open_street.shop, ACCOUNT)
    assert len(findings) >= 2
    assert all(f.is_ok for f in findings), findings


async def test_xunhu_refunds_the_whole_once(xunhu: Street) -> None:
    placed = await xunhu.buy()
    await xunhu.pay(placed)
    gateway, ask = await xunhu.gateway(), await xunhu.refund_ask(placed, 1250)
    for state in ("failed", "pending", "done"):
        xunhu.vendor.refund_state = state
        if state != "done":
            assert (await gateway.refund(ask)).state == state  # type: ignore[attr-defined]
        else:
            xunhu.vendor.find(ask.payment.attempt_no).refunds[0].state = "done"
            assert (await gateway.query_refund(ask)).state == "done"  # type: ignore[attr-defined]
    assert len(xunhu.vendor.find(ask.payment.attempt_no).refunds) == 1


async def test_buyers_of_one_price_send_different_amounts_and_each_gets_his_code(vmq: Street) -> None:
    placed = [await vmq.buy() for _ in range(4)]
    shown = [(await vmq.attempt(each)).coin_amount for each in placed]
    assert shown == ["12.50", "12.51", "12.52", "12.53"]
    for each in reversed(placed):
        assert await vmq.pay(each) == [SUCCESS]
    for each in placed:
        assert await vmq.status(each) == "delivered"
        assert not await vmq.shop.db.read(orders.open_exceptions, each.order.order_id), "the odd cents are no overpayment"
