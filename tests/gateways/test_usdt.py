"""The USDT family: what each dialect believes, and conversations with the simulated vendors."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from kashop.bundled.pay_usdt import bepusdt, epusdt, gmpay, tokenpay
from kashop.bundled.pay_usdt.signing import go, sign, written
from kashop.lib.errors import Invalid
from kashop.payments.types import CallbackRequest, GatewayFailed, GatewayType, Intent, Rejected
from kashop.plugins.api import Number
from kashop.plugins.kit import Stage, open_stage
from kashop.plugins.kit.simulators.bepusdt import BepusdtSimulator
from kashop.plugins.kit.simulators.tokenpay import TokenpaySimulator
from kashop.plugins.kit.simulators.usdt import EpusdtSimulator, GmpaySimulator, UsdtSimulator
from kashop.plugins.kit.vendorwords import How
from tests.gateways.test_usdt_signing import BEPUSDT_KEY, EPUSDT_KEY, GMPAY_KEY, SHOP, TOKENPAY_KEY, VECTORS, fields

BASE = "https://usdt.example"

# What each sends and believes

KINDS: dict[str, tuple[GatewayType, dict[str, str]]] = {
    "epusdt": (epusdt.EPUSDT, {"url": BASE, "key": EPUSDT_KEY}),
    "gmpay": (gmpay.GMPAY, {"url": BASE, "key": GMPAY_KEY, "pid": "1000", "asset": "usdt.tron"}),
    "bepusdt": (bepusdt.BEPUSDT, {"url": BASE, "key": BEPUSDT_KEY, "asset": "usdt.trc20"}),
    "tokenpay": (tokenpay.TOKENPAY, {"url": BASE, "key": TOKENPAY_KEY, "asset": "USDT_TRC20"}),
}
NOTIFIED = {"epusdt": VECTORS[2], "gmpay": VECTORS[5], "bepusdt": VECTORS[7], "tokenpay": VECTORS[10]}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


def made(stage: Stage, kind: str, **more: str) -> Any:
    type_, options = KINDS[kind]
    return type_.make({**options, **more}, stage.ctx)


def intent(**more: Any) -> Intent:
    return msgspec.structs.replace(
        Intent(
            attempt_no="K202611010001",
            amount_minor=1250,
            currency="CNY",
            method="usdt",
            title="VIP",
            callback_url=f"{SHOP}/pay/x/callback",
            return_url=f"{SHOP}/order/K202611010001",
            client_ip="203.0.113.7",
            locale="zh_Hans",
            created_at=0,
            expires_at=1_793_505_600_000 + 1_200_000,
        ),
        **more,
    )


def posted(told: dict[str, Any], signature: str = "", name: str = "signature") -> CallbackRequest:
    more = {name: signature} if signature else {}
    return CallbackRequest(method="POST", query=b"", headers={}, body=written({**told, **more}))


@pytest.mark.parametrize("kind", KINDS)
async def test_the_sheets_notifications_pay_to_the_last_digit(stage: Stage, kind: str) -> None:
    text, _, signature = NOTIFIED[kind]
    name = "Signature" if kind == "tokenpay" else "signature"
    for numbers in ((), ("amount", "actual_amount", "status", "Status", "Amount")):
        notice = made(stage, kind).read_callback(posted(fields(text, *numbers), signature, name))
        assert (notice.state, notice.attempt_no, notice.gateway_txn) == ("paid", "K202611010001", "a1b2c3")
        assert (notice.amount_minor, notice.currency) == (1250, "CNY")
        assert (notice.coin, notice.coin_amount) == ("USDT", "1.78")


async def test_numbers_may_come_in_another_spelling_than_they_were_signed(stage: Stage) -> None:
    text, key, signature = NOTIFIED["epusdt"]
    told = fields(text, "amount", "actual_amount", "status")
    notice = made(stage, "epusdt").read_callback(posted({**told, "amount": Number("12.50")}, signature))
    assert notice.amount_minor == 1250
    dear = {**told, "amount": Number("1000000"), "trade_id": "b1"}
    notice = made(stage, "bepusdt").read_callback(posted(dear, sign(dear, BEPUSDT_KEY, go)))
    assert notice.amount_minor == 100_000_000
    tiny = {**told, "actual_amount": Number("0.00002")}
    notice = made(stage, "bepusdt").read_callback(posted(tiny, sign(tiny, BEPUSDT_KEY, go)))
    assert notice.coin_amount == "0.00002"
    with pytest.raises(Rejected, match="signature"):
        made(stage, "epusdt").read_callback(posted(dear, sign(dear, EPUSDT_KEY, go)))
    assert key == EPUSDT_KEY


@pytest.mark.parametrize(
    ("kind", "status", "state"),
    [
        *(("epusdt", "1", "pending"), ("epusdt", "3", "closed"), ("gmpay", "4", "pending"), ("bepusdt", "1", "pending")),
        *(("bepusdt", "3", "closed"), ("bepusdt", "4", "closed"), ("bepusdt", "5", "pending"), ("bepusdt", "6", "failed")),
    ],
)
async def test_other_states_are_acknowledged_and_pay_nothing(stage: Stage, kind: str, status: str, state: str) -> None:
    told = {**fields(NOTIFIED[kind][0], "status"), "status": Number(status), "block_transaction_id": ""}
    gateway = made(stage, kind)
    notice = gateway.read_callback(posted(told, sign(told, KINDS[kind][1]["key"])))
    assert (notice.state, notice.amount_minor, gateway.accepted.body) == (state, 0, b"ok")


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"status":2,"status":2}', b'{"a":{"b":1}}', b'{"a":[1]}', b'{"a":NaN}', b'{"a":1e999999999}', b'{"a":"\\u0000"}'),
        *(b'{"a":' + b"9" * 50 + b"}", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000, b'{"a":1}' + b" " * 20_000),
    ],
)
async def test_json_that_two_readers_could_read_differently_is_rejected(stage: Stage, body: bytes) -> None:
    for kind in KINDS:
        with pytest.raises(Rejected, match="malformed"):
            made(stage, kind).read_callback(CallbackRequest(method="POST", query=b"", headers={}, body=body))


async def test_gmpay_callbacks_of_another_pid_are_rejected(stage: Stage) -> None:
    told = {**fields(NOTIFIED["gmpay"][0]), "pid": "9999"}
    with pytest.raises(Rejected, match="merchant"):
        made(stage, "gmpay").read_callback(posted(told, sign(told, GMPAY_KEY)))


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        *(
            ("epusdt", {"url": u})
            for u in ("", "usdt.example", "ftp://usdt.example", "https://u:p@usdt.example", "https://a/?x=1")
        ),
        *(
            ("epusdt", {"url": u})
            for u in ("http://usdt.example", "http://10.0.0.7:8000", "https://usdt.example:99999", "javascript:1")
        ),
        *(("epusdt", {"key": k}) for k in ("", "   ")),
        *(("gmpay", {"pid": p}) for p in ("", "1 2", "1&2")),
        *(("gmpay", {"asset": a}) for a in ("", "usdt", "usdt.", "usdt.tron.x", "USDT TRON")),
        *(("bepusdt", {"asset": "usdt_trc20"}), ("tokenpay", {"asset": "usdt.trc20"}), ("bepusdt", {"fiat": "XXX"})),
    ],
)
async def test_unfit_options_are_refused_by_name(stage: Stage, kind: str, wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        made(stage, kind, **wrong)
    assert [e.field for e in caught.value.fields] == list(wrong)


async def test_an_unencrypted_gateway_wants_to_be_allowed(stage: Stage) -> None:
    for kind in KINDS:
        made(stage, kind, url="http://10.0.0.7:8000", allow_http="yes")
        made(stage, kind, url="http://127.0.0.1:8000/usdt/")


# Conversations

SIMULATED: dict[str, type[UsdtSimulator]] = {
    "epusdt": EpusdtSimulator,
    "gmpay": GmpaySimulator,
    "bepusdt": BepusdtSimulator,
    "tokenpay": TokenpaySimulator,
}


async def told(ask: Any) -> Any:
    return await asyncio.to_thread(ask)


@pytest.mark.parametrize("kind", SIMULATED)
async def test_an_order_asks_for_coins_that_no_other_asks_for(stage: Stage, kind: str) -> None:
    with SIMULATED[kind]() as vendor:
        vendor.clock = lambda: stage.clock.now() / 1000
        gateway = KINDS[kind][0].make(vendor.options(), stage.ctx)
        begun = [await gateway.begin(intent(attempt_no=f"K{n}")) for n in range(5)]
        assert {b.kind for b in begun} == {"redirect"}
        assert {b.coin for b in begun} == {"USDT"}
        assert sorted(Decimal(b.coin_amount) for b in begun) == [Decimal("1.7807") + Decimal("0.0001") * n for n in range(5)]
        assert len({b.gateway_ref for b in begun}) == 5
        if kind == "bepusdt":
            assert begun[0].expires_at == intent().expires_at, "as long as ours"
        elif kind != "tokenpay":
            assert begun[0].expires_at == stage.clock.now() + 600_000
        dear = await gateway.begin(intent(attempt_no="KDEAR", amount_minor=123_456_789))
        assert Decimal(dear.coin_amount) > 100_000, "signed as each writes large numbers"


@pytest.mark.parametrize("kind", SIMULATED)
async def test_a_query_believes_only_what_is_proved(stage: Stage, kind: str) -> None:
    with SIMULATED[kind]() as vendor:
        gateway = KINDS[kind][0].make(vendor.options(), stage.ctx)
        assert await gateway.query(intent()) is None, "nothing to ask about"
        begun = await gateway.begin(intent())
        asked = intent(gateway_ref=begun.gateway_ref)
        assert (await gateway.query(asked)).state == "pending"
        await told(lambda: vendor.pay("K202611010001", lose=True))
        notice = await gateway.query(asked)
        assert notice.state == "paid"
        assert notice.is_hint is (not vendor.proves_when_asked)
        if not notice.is_hint:
            assert (notice.amount_minor, notice.currency, notice.coin_amount) == (1250, "CNY", begun.coin_amount)
            payment = vendor.find("K202611010001")
            callback = vendor.notification(payment, How())
            again = gateway.read_callback(CallbackRequest(method="POST", query=b"", headers={}, body=callback.body))
            assert again == notice, "a late callback is the same payment"
        unknown = "00000000-0000-0000-0000-000000000009"
        assert await gateway.query(intent(gateway_ref=unknown)) is None
        gateway._base = gateway._base.replace("127.0.0.1", "0.0.0.0")
        notice = await gateway.query(asked)
        assert (notice.state, notice.is_hint, notice.amount_minor) == ("paid", True, 0)


@pytest.mark.parametrize("kind", SIMULATED)
async def test_the_self_test_knows_a_right_key_from_a_wrong_one(stage: Stage, kind: str) -> None:
    with SIMULATED[kind]() as vendor:
        good = KINDS[kind][0].make(vendor.options(), stage.ctx)
        assert all(f.is_ok for f in await good.test()), await good.test()
        bad = KINDS[kind][0].make({**vendor.options(), "key": "wrong"}, stage.ctx)
        assert [f.subject for f in await bad.test() if not f.is_ok] == ["API token"]
        assert vendor.payments == {}, "it begins nothing"
        vendor.mood("html")
        assert [f.subject for f in await good.test() if not f.is_ok] == ["Gateway answers"]


async def test_gmpay_says_when_it_lacks_the_coin(stage: Stage) -> None:
    with GmpaySimulator() as vendor:
        gateway = gmpay.GMPAY.make({**vendor.options(), "asset": "usdc.tron"}, stage.ctx)
        assert [f.subject for f in await gateway.test() if not f.is_ok] == ["Coin and network"]
        with pytest.raises(GatewayFailed, match="unsupported asset"):
            await gateway.begin(intent())


@pytest.mark.parametrize("kind", ["gmpay", "bepusdt"])
async def test_where_the_buyer_chooses_the_coin_is_not_known_before(stage: Stage, kind: str) -> None:
    with SIMULATED[kind]() as vendor:
        gateway = KINDS[kind][0].make({**vendor.options(), "asset": "choose"}, stage.ctx)
        begun = await gateway.begin(intent())
        assert (begun.coin, begun.coin_amount) == ("", "")
        assert begun.url.startswith(vendor.url)


async def test_bepusdt_closes(stage: Stage) -> None:
    with BepusdtSimulator() as vendor:
        gateway = bepusdt.BEPUSDT.make(vendor.options(), stage.ctx)
        begun = await gateway.begin(intent())
        asked = intent(gateway_ref=begun.gateway_ref)
        await gateway.close(asked)
        await gateway.close(asked)
        assert (await gateway.query(asked)).state == "closed"
        await gateway.close(intent(gateway_ref="unknown"))
        await gateway.close(intent())
        begun = await gateway.begin(intent())
        await told(lambda: vendor.pay("K202611010001", lose=True))
        with pytest.raises(GatewayFailed, match="不允许取消"):
            await gateway.close(intent(gateway_ref=begun.gateway_ref))


async def test_a_gateway_that_took_another_amount_is_not_shown_to_the_buyer(stage: Stage) -> None:
    order = {"trade_id": "1", "order_id": "K202611010001", "amount": 99, "actual_amount": 1.78, "payment_url": "https://a/"}
    for spoilt in ({}, {"amount": 12.5, "payment_url": "javascript:alert(1)"}, {"amount": 12.5, "order_id": "X"}):
        stage.mouth.says(json.dumps({"status_code": 200, "data": {**order, **spoilt}}).encode())
        with pytest.raises(GatewayFailed) as caught:
            await made(stage, "epusdt", url=stage.mouth.url).begin(intent())
        assert caught.value.is_unclear


async def test_tokenpay_in_another_base_currency_says_so(stage: Stage) -> None:
    with TokenpaySimulator() as vendor:
        gateway = tokenpay.TOKENPAY.make(vendor.options(), stage.ctx)
        with pytest.raises(GatewayFailed, match="counts in CNY, not USD"):
            await gateway.begin(intent(currency="USD"))


async def test_tokenpay_counts_the_buyers_own_amount_only_where_it_is_dynamic(stage: Stage) -> None:
    told_fields = fields(NOTIFIED["tokenpay"][0], "Amount")
    for dynamic, coins in (("0", "1.7812"), ("1", "1.78")):
        fields_ = {**told_fields, "Amount": Number("1.7812"), "IsDynamicAmount": Number(dynamic)}
        notice = made(stage, "tokenpay").read_callback(posted(fields_, sign(fields_, TOKENPAY_KEY), "Signature"))
        assert notice.coin_amount == coins
