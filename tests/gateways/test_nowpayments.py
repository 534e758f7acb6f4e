"""NOWPayments: the sheet's vector, how numbers and names are signed, and whole sales through the simulated service."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kashop.bundled.pay_nowpayments import words
from kashop.bundled.pay_nowpayments.gateway import NOWPAYMENTS
from kashop.bundled.pay_nowpayments.signing import canonical, sign
from kashop.lib.errors import Invalid
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.types import CallbackRequest, GatewayFailed, Rejected
from kashop.plugins.api import json_object
from kashop.plugins.kit import Stage, open_stage
from kashop.plugins.kit.simulators.nowpayments import NowpaymentsSimulator
from tests.gateways.streets import Street, street

SECRET = "nowIpnSecretTest"
SORTED = (
    '{"actually_paid":12.52,"fee":{"currency":"btc","depositFee":0.1},"order_id":"K202611010001","pay_address":"TAddr",'
    '"pay_amount":12.52,"pay_currency":"usdttrc20","payment_id":5077125051,"payment_status":"finished","price_amount":12.5,'
    '"price_currency":"usd"}'
)
SIGNATURE = (
    "07e7ae98d4906804611ebc4d83c6770e9f29471c0b8c364779ee2975fcbb9982"
    "c0e1f6e7499bb08b4e514f2075316e10cdef6d4b7555634c29ba13c448d0cad3"
)
OPTIONS = {"key": "12345678", "ipn_secret": SECRET, "asset": "usdttrc20", "url": "https://api.nowpayments.io/v1"}
OK, FAIL = (200, "ok"), (400, "fail")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


@pytest.fixture
async def now(data: Path) -> AsyncIterator[Street]:
    async with street(data, NowpaymentsSimulator) as opened:
        yield opened


def told(body: str, signature: str = "") -> CallbackRequest:
    headers = {"x-nowpayments-sig": signature or sign(canonical(json_object(body.encode())), SECRET)}
    return CallbackRequest(method="POST", query=b"", headers=headers, body=body.encode())


async def test_the_sheets_vector(stage: Stage) -> None:
    assert sign(SORTED, SECRET) == SIGNATURE
    gateway = NOWPAYMENTS.make(OPTIONS, stage.ctx)
    shuffled = dict(reversed(json.loads(SORTED).items()))
    for body in (SORTED, json.dumps(shuffled), json.dumps(shuffled, indent=2)):
        notice = gateway.read_callback(told(body, SIGNATURE))
        assert (notice.state, notice.attempt_no, notice.gateway_txn) == ("paid", "K202611010001", "5077125051")
        assert (notice.amount_minor, notice.currency, notice.coin, notice.coin_amount) == (1250, "USD", "USDTTRC20", "12.52")
    with pytest.raises(Rejected, match="signature"):
        gateway.read_callback(told(SORTED.replace("12.5,", "12.50,"), SIGNATURE))


def test_numbers_keep_their_text_and_names_are_sorted_at_every_depth() -> None:
    raw = '{"b":1e-7,"a":[{"z":1.50,"y":10}],"c":"a/b 中","d":null,"e":true}'
    assert canonical(json_object(raw.encode())) == '{"a":[{"y":10,"z":1.50}],"b":1e-7,"c":"a/b 中","d":null,"e":true}'


@pytest.mark.parametrize("text", [SORTED.replace('"fee":{"currency":"btc","depositFee":0.1}', '"fee":{}'), SORTED])
async def test_the_older_sample_drops_names_that_stand_only_inside(stage: Stage, text: str) -> None:
    gateway = NOWPAYMENTS.make(OPTIONS, stage.ctx)
    assert gateway.read_callback(told(SORTED, sign(text, SECRET))).state == "paid"


async def test_escaped_letters_are_signed_by_some(stage: Stage) -> None:
    body = SORTED.replace('"TAddr"', '"中"')
    gateway = NOWPAYMENTS.make(OPTIONS, stage.ctx)
    for text in (body, body.replace("中", "\\u4e2d")):
        assert gateway.read_callback(told(body, sign(text, SECRET))).state == "paid"


def payment(**over: Any) -> dict[str, Any]:
    names = {"order_id": "K1", "payment_id": "7", "payment_status": "finished", "price_amount": "12.5", "price_currency": "cny"}
    return {**names, "pay_amount": "1.780627", "actually_paid": "1.780627", "pay_currency": "usdttrc20", **over}


@pytest.mark.parametrize(
    ("over", "state", "amount"),
    [
        *(({}, "paid", 1250), ({"actually_paid": "1.78"}, "paid", 1250), ({"actually_paid": None}, "paid", 1250)),
        *(({"actually_paid": "3.561254"}, "paid", 2500), ({"parent_payment_id": "6", "actually_paid": "0.1"}, "paid", 70)),
        *(
            ({"payment_status": "partially_paid", "actually_paid": "0.8903135"}, "paid", 625),
            ({"price_amount": "1250"}, "paid", 125000),
        ),
        *(({"payment_status": s}, "pending", 0) for s in ("waiting", "confirming", "confirmed", "sending", "nonsense", "")),
        *(({"payment_status": "failed"}, "failed", 0), ({"payment_status": "expired"}, "closed", 0)),
        ({"payment_status": "refunded"}, "refunded", 0),
    ],
)
def test_what_a_payment_says(over: dict[str, Any], state: str, amount: int) -> None:
    notice = words.notice(payment(**over))
    assert (notice.state, notice.amount_minor, notice.attempt_no) == (state, amount, "K1")


@pytest.mark.parametrize(
    "over",
    [
        *({"price_amount": a} for a in ("", "1e1", "0", "-1", "12.505", None, "NaN")),
        *({"actually_paid": a} for a in ("-1", "x", "1e99", "9" * 20)),
        *({"payment_status": "partially_paid", **o} for o in ({"pay_amount": "0"}, {"actually_paid": "0"}, {"pay_amount": None})),
        *({name: value} for name in ("order_id", "payment_id", "price_currency") for value in ("", None, "a b", "é")),
    ],
)
def test_malformed_payments_pay_nothing(over: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"amount|coin|attempt|payment|currency"):
        words.notice(payment(**over))


@pytest.mark.parametrize(
    ("wrong", "value"),
    [
        ("url", "http://api.nowpayments.io/v1"),
        ("key", ""),
        ("key", "short"),
        ("ipn_secret", " "),
        ("asset", ""),
        ("asset", "USDT TRC20"),
    ],
)
async def test_unfit_options_are_refused_by_name(stage: Stage, wrong: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        NOWPAYMENTS.make({**OPTIONS, wrong: value}, stage.ctx)
    assert [e.field for e in caught.value.fields] == [wrong]


async def test_it_sells_by_an_address_in_the_shop(now: Street) -> None:
    placed = await now.buy()
    attempt = await now.attempt(placed)
    assert (attempt.kind, attempt.coin, attempt.coin_amount) == ("transfer", "USDTTRC20", "1.780627")
    assert attempt.qr in attempt.fields
    assert await now.pay(placed, state="pending") == [OK]
    for forge in ("signature", "key", "amount"):
        assert await now.pay(placed, forge=forge) == [FAIL]
    assert await now.status(placed) == "pending"
    assert await now.pay(placed, times=5, parallel=True) == [OK] * 5
    assert await now.status(placed) == "delivered"
    (receipt,) = await now.shop.db.read(payments.receipts, placed.order.order_id)
    assert (receipt.gateway_txn, receipt.amount_minor, receipt.coin_amount) == (attempt.gateway_ref, 1250, "1.780627")


async def test_part_and_over_are_recorded_as_what_they_are(now: Street) -> None:
    half, double = await now.buy(), await now.buy()
    assert await now.pay(half, amount="6.25") == [OK]
    assert await now.pay(double, amount="25.00") == [OK]
    assert [await now.status(p) for p in (half, double)] == ["pending", "delivered"]
    kinds = [[e.kind for e in await now.shop.db.read(orders.open_exceptions, p.order.order_id)] for p in (half, double)]
    assert kinds == [["paid_partly"], ["paid_over"]]


async def test_a_second_deposit_delivers_nothing_again(now: Street) -> None:
    placed = await now.buy()
    assert await now.pay(placed) == [OK]
    known = now.vendor.find((await now.attempt(placed)).attempt_no)
    known.request["parent"] = int(known.ref)
    assert await now.pay(placed, txn="777", amount="1.00") == [OK]
    (first, second) = await now.shop.db.read(payments.receipts, placed.order.order_id)
    assert (first.amount_minor, second.amount_minor, second.gateway_txn) == (1250, 100, "777")
    assert [e.kind for e in await now.shop.db.read(orders.open_exceptions, placed.order.order_id)] == ["paid_twice"]


async def test_a_lost_notification_is_found(now: Street) -> None:
    placed = await now.buy()
    assert await now.query(placed) == "pending"
    await now.pay(placed, lose=True)
    for mood in ("error", "html", "cuts"):
        now.vendor.mood(mood, "/v1/")
        assert await now.query(placed) == "unknown"
    now.vendor.mood("answers", "/v1/")
    assert await now.query(placed) == "paid"
    assert await now.status(placed) == "delivered"


async def test_by_their_page_only_the_notification_tells(data: Path) -> None:
    async with street(data, NowpaymentsSimulator, asset="choose") as now:
        placed = await now.buy()
        attempt = await now.attempt(placed)
        assert (attempt.kind, attempt.coin_amount, attempt.gateway_ref) == ("redirect", "", "")
        assert await now.query(placed) == "unknown"
        assert await now.pay(placed) == [OK]
        assert await now.status(placed) == "delivered"


async def test_the_self_test_names_what_is_wrong(stage: Stage) -> None:
    with NowpaymentsSimulator() as vendor:
        assert all(f.is_ok for f in await NOWPAYMENTS.make(vendor.options(), stage.ctx).test())
        for wrong, subject in (({"key": "wrong-key"}, "API key"), ({"asset": "doge"}, "Coin and network")):
            found = await NOWPAYMENTS.make({**vendor.options(), **wrong}, stage.ctx).test()
            assert [f.subject for f in found if not f.is_ok] == [subject]


async def test_a_coin_that_they_do_not_know_is_refused_in_words(now: Street) -> None:
    gateway = NOWPAYMENTS.make({**now.vendor.options(), "asset": "doge"}, (await now.gateway())._ctx)  # type: ignore[attr-defined]
    intent = (await now.attempt(await now.buy())).intent(
        title="t", callback_url="http://127.0.0.1/c", return_url="", client_ip="", locale="en"
    )
    with pytest.raises(GatewayFailed, match="DOGE was not found"):
        await gateway.begin(intent)
