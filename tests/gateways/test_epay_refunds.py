"""What Epay V1 says of refunds and of a day, and what it is not asked to decide."""

import datetime as dt
import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl

import msgspec
import pytest

from kashop.bundled.pay_epay.gateway import EpayGateway
from kashop.payments.types import GatewayFailed, RefundAsk
from kashop.plugins.kit import Stage, open_stage
from tests.gateways.test_epay import KEY, OPTIONS
from tests.gateways.test_epay_contract import LISTED, NEXT_DAY, PAYMENTS, EpayVendor

ASK: RefundAsk = EpayVendor().ask()
WHOLE = msgspec.structs.replace(ASK, amount_minor=1250)
ORDER = {"code": 1, "trade_no": ASK.gateway_txn, "out_trade_no": ASK.payment.attempt_no, "pid": 1001, "money": "12.50"}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


def make(stage: Stage) -> EpayGateway:
    return EpayGateway({**OPTIONS, "url": stage.mouth.url}, stage.ctx)


@pytest.mark.parametrize("code", [0, 1, "0", "1"])
async def test_a_refund_is_done_by_either_code(stage: Stage, code: object) -> None:
    stage.mouth.says(json.dumps({"code": code, "msg": "ok", "refund_no": "R9", "money": "5"}).encode())
    word = await make(stage).refund(ASK)
    assert (word.state, word.gateway_refund, word.amount_minor) == ("done", "R9", 500)
    line, body = stage.mouth.heard[0]
    assert line.startswith("POST /api.php?act=refund ")
    assert KEY not in line
    sent = dict(parse_qsl(body.decode()))
    assert sent == {"pid": "1001", "key": KEY, "trade_no": ASK.gateway_txn, "money": "5.00", "refund_no": ASK.refund_no}


@pytest.mark.parametrize("reply", [b"{}", b'{"msg":"ok"}'])
async def test_a_refund_without_a_code_is_unclear(stage: Stage, reply: bytes) -> None:
    stage.mouth.says(reply)
    with pytest.raises(GatewayFailed) as caught:
        await make(stage).refund(ASK)
    assert caught.value.is_unclear


@pytest.mark.parametrize(
    ("ask", "order", "found"),
    [
        (WHOLE, {"status": 2}, "done"),
        (WHOLE, {"status": 1}, None),
        (ASK, {"status": 2}, "done"),
        (ASK, {"status": 1, "api_trade_no": ""}, None),
        (ASK, {"status": 1}, "unclear"),  # an old build: it might know no status 2
        (msgspec.structs.replace(ASK, refunded_minor=100), {"status": 2, "api_trade_no": ""}, "unclear"),  # of which refund?
        (WHOLE, {"status": 0}, "unclear"),
        (WHOLE, {"status": 3}, "unclear"),
        (WHOLE, {"code": -1, "msg": "订单号不存在"}, "unclear"),
    ],
)
async def test_what_its_status_says_of_a_refund(
    stage: Stage, ask: RefundAsk, order: dict[str, object], found: str | None
) -> None:
    stage.mouth.says(json.dumps({**ORDER, **order}).encode())
    if found == "unclear":
        with pytest.raises(GatewayFailed) as caught:
            await make(stage).query_refund(ask)
        assert caught.value.is_unclear
        return
    word = await make(stage).query_refund(ask)
    assert (word.state if word else None) == found


async def test_a_list_of_old_builds_is_walked_by_page(stage: Stage) -> None:
    stage.clock.at = NEXT_DAY
    stage.mouth.says(json.dumps({"code": 1, "data": LISTED}).encode())
    assert await make(stage).statement(dt.date(2026, 11, 1)) == PAYMENTS
    line = stage.mouth.heard[0][0]
    assert "limit=50" in line
    assert "offset=0" in line
    assert "page=1" in line


@pytest.mark.parametrize(
    "reply", [{"code": -3, "msg": "密钥错误"}, {"code": -1, "msg": "失败"}, {"code": 1}, {"code": 1, "data": {}}]
)
async def test_a_list_that_is_refused_is_no_empty_day(stage: Stage, reply: dict[str, object]) -> None:
    stage.clock.at = NEXT_DAY
    stage.mouth.says(json.dumps(reply).encode())
    with pytest.raises(GatewayFailed):
        await make(stage).statement(dt.date(2026, 11, 1))
