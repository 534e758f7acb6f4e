"""虎皮椒: the sheet's vectors, what begins where, what a query and a refund say, and payments at a simulated vendor."""

import json
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest

from kashop.bundled.pay_xunhu.gateway import XunhuGateway
from kashop.bundled.pay_xunhu.signing import sign
from kashop.lib.errors import Invalid
from kashop.payments.types import CallbackRequest, GatewayFailed, Rejected
from kashop.plugins.kit import Stage, open_stage
from kashop.plugins.kit.simulators.xunhu import XunhuSimulator
from kashop.plugins.kit.stage import NOW
from kashop.plugins.kit.vendorwords import How
from tests.gateways.test_epay import INTENT
from tests.gateways.test_xunhu_contract import SECRET, XunhuVendor, reply

CREATE = (
    "appid=20261100001&nonce_str=8f3a1c&notify_url=https://shop.example/pay/xunhu/notify/3&time=1793505600&title=VIP"
    "&total_fee=12.50&trade_order_id=K202611010001&version=1.1"
)
NOTICE = {
    "appid": "20261100001",
    "nonce_str": "77aa",
    "open_order_id": "20261101000001",
    "order_title": "VIP",
    "status": "OD",
    "time": "1793505660",
    "total_fee": "12.50",
    "trade_order_id": "K202611010001",
    "transaction_id": "4200001",
}
NOTICE_HASH = "257bcd0abaeab65ec40bd44a68e2294f"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


@pytest.fixture
def vendor() -> Iterator[XunhuSimulator]:
    with XunhuSimulator() as server:
        server.clock = lambda: NOW / 1000
        yield server


def make(stage: Stage, **options: str) -> XunhuGateway:
    return XunhuGateway({**XunhuVendor().options(stage.mouth.url), **options}, stage.ctx)


def posted(fields: dict[str, str], **more: str) -> CallbackRequest:
    return CallbackRequest(method="POST", query=b"", headers={}, body=urlencode({**fields, **more}).encode())


# The sheet's vectors


async def test_vector_create(stage: Stage) -> None:
    fields = dict(pair.split("=", 1) for pair in CREATE.split("&"))
    assert sign({**fields, "attach": ""}, SECRET) == "7b7c7d23fc75fc65d3c11f3933e28c43"
    stage.mouth.says(XunhuVendor().begin_reply(INTENT))
    intent = msgspec.structs.replace(
        INTENT, callback_url="https://shop.example/pay/xunhu/notify/3", return_url="", title="VIP", method="wxpay"
    )
    await make(stage).begin(intent)
    line, body = stage.mouth.heard[0]
    sent = dict(parse_qsl(body.decode(), keep_blank_values=True))
    assert line.startswith("POST /payment/do.html ")
    assert sent.pop("hash") == sign(sent, SECRET)
    assert {**sent, "nonce_str": "8f3a1c"} == fields


async def test_vector_notification(stage: Stage) -> None:
    notice = make(stage).read_callback(posted(NOTICE, hash=NOTICE_HASH))
    assert (notice.state, notice.attempt_no, notice.gateway_txn) == ("paid", "K202611010001", "20261101000001")
    assert (notice.amount_minor, notice.currency, notice.method) == (1250, "CNY", "wxpay")
    with pytest.raises(Rejected) as caught:
        make(stage, secret="another-secret").read_callback(posted(NOTICE, hash=NOTICE_HASH))
    assert caught.value.reason == "signature"


# Beginning


@pytest.mark.parametrize(
    ("device", "method", "kind", "is_wap"),
    [
        ("desktop", "wxpay", "qr", False),
        ("phone", "wxpay", "redirect", True),
        ("phone", "alipay", "redirect", False),
        ("wechat", "wxpay", "redirect", False),
    ],
)
async def test_where_the_buyer_is_decides_how(stage: Stage, device: str, method: str, kind: str, is_wap: bool) -> None:
    stage.mouth.says(XunhuVendor().begin_reply(INTENT))
    begun = await make(stage, methods=method).begin(msgspec.structs.replace(INTENT, device=device, method=method))
    assert (begun.kind, begun.url, begun.gateway_ref) == (kind, "https://api.xunhupay.com/pay/1", "Q1")
    assert begun.qr == (begun.url if kind == "qr" else "")
    sent = dict(parse_qsl(stage.mouth.heard[0][1].decode()))
    assert (sent.get("type"), sent.get("wap_url")) == (("WAP", "https://shop.example") if is_wap else (None, None))


@pytest.mark.parametrize(
    "said",
    [
        {k: v for k, v in json.loads(reply(url="https://x.example/1")).items() if k != "hash"},
        {**json.loads(reply(url="https://x.example/1")), "url": "https://evil.example/1"},
        json.loads(reply(url="javascript:alert(1)")),
        json.loads(reply(openid="Q1")),
    ],
)
async def test_an_answer_that_is_not_proved_or_no_way_to_pay_is_unclear(stage: Stage, said: dict[str, object]) -> None:
    stage.mouth.says(json.dumps(said).encode())
    with pytest.raises(GatewayFailed) as caught:
        await make(stage).begin(INTENT)
    assert caught.value.is_unclear


async def test_what_it_cannot_take_is_refused_before_it_is_asked(stage: Stage) -> None:
    long = msgspec.structs.replace(INTENT, callback_url=f"https://{'a' * 120}.example/pay/x/callback")
    for intent in (long, msgspec.structs.replace(INTENT, currency="USD")):
        with pytest.raises(GatewayFailed) as caught:
            await make(stage).begin(intent)
        assert not caught.value.is_unclear
    assert not stage.mouth.heard


async def test_a_title_loses_emoji_and_length(stage: Stage) -> None:
    stage.mouth.says(XunhuVendor().begin_reply(INTENT))
    await make(stage).begin(msgspec.structs.replace(INTENT, title="🎁测\n试 " * 40))
    sent = dict(parse_qsl(stage.mouth.heard[0][1].decode()))
    assert sent["title"].startswith("测 试")
    assert len(sent["title"].encode()) <= 127


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("appid", text) for text in ("", "2026 1", "a&b", "x" * 65)),
        *(("secret", text) for text in ("", "   ", "short", "with space in it")),
        *(("url", text) for text in ("http://api.xunhupay.com", "api.xunhupay.com", "https://x.example/?a=1")),
        ("methods", "wxpay,alipay"),
    ],
)
async def test_options_that_cannot_work_are_refused_by_name(stage: Stage, option: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        make(stage, **{option: value})
    assert [e.field for e in caught.value.fields] == [option]


async def test_an_address_is_taken_as_it_is_pasted(stage: Stage) -> None:
    stage.mouth.says(XunhuVendor().begin_reply(INTENT))
    await make(stage, url=f"{stage.mouth.url}/payment/do.html").begin(INTENT)
    assert stage.mouth.heard[0][0].startswith("POST /payment/do.html ")


# Asking


@pytest.mark.parametrize(("status", "state"), [("WP", "pending"), ("CD", "closed"), ("RD", "pending"), ("", "pending")])
async def test_only_od_pays(stage: Stage, status: str, state: str) -> None:
    stage.mouth.says(reply(data={"status": status, "open_order_id": "1", "total_fee": "12.50"}))
    notice = await make(stage).query(INTENT)
    assert notice is not None
    assert notice.state == state


async def test_an_order_paid_without_an_amount_was_paid_whole(stage: Stage) -> None:
    stage.mouth.says(reply(data={"status": "OD", "open_order_id": "1"}))
    notice = await make(stage).query(INTENT)
    assert notice is not None
    assert (notice.state, notice.amount_minor, notice.gateway_txn) == ("paid", 1250, "1")


@pytest.mark.parametrize(
    "lie", [{"total_fee": "1e1"}, {"total_fee": 0}, {"open_order_id": ""}, {"out_trade_order": "A2"}, {"trade_order_id": "A2"}]
)
async def test_a_strange_answer_is_not_believed(stage: Stage, lie: dict[str, object]) -> None:
    stage.mouth.says(reply(data={"status": "OD", "open_order_id": "1", "total_fee": "12.50", **lie}))
    with pytest.raises(GatewayFailed):
        await make(stage).query(INTENT)


# The simulated vendor


async def test_a_payment_and_its_refund(stage: Stage, vendor: XunhuSimulator) -> None:
    gateway = make(stage, **vendor.options())
    assert await gateway.query(INTENT) is None
    assert (await gateway.begin(INTENT)).kind == "qr"
    vendor.pay(INTENT.attempt_no, lose=True)
    payment = vendor.find(INTENT.attempt_no)
    told = vendor.notification(payment, How())
    notice = gateway.read_callback(CallbackRequest(method="POST", query=b"", headers={}, body=told.body))
    assert notice == await gateway.query(INTENT)
    vendor.names_amounts = False
    assert notice == await gateway.query(INTENT)
    ask = msgspec.structs.replace(XunhuVendor().ask(), payment=INTENT, gateway_txn=notice.gateway_txn)
    assert await gateway.query_refund(ask) is None
    assert (await gateway.refund(ask)).state == "done"
    found = await gateway.query_refund(ask)
    assert found is not None
    assert found.state == "done"
    assert len(payment.refunds) == 1


async def test_the_self_test_tells_a_right_secret_from_a_wrong_one(stage: Stage, vendor: XunhuSimulator) -> None:
    assert all(f.is_ok for f in await make(stage, **vendor.options()).test())
    for wrong in ({"secret": "another-secret"}, {"appid": "20261100002"}):
        findings = await make(stage, **{**vendor.options(), **wrong}).test()
        assert [f.subject for f in findings if not f.is_ok] == ["APPID and APPSECRET", "The gateway says"]
    assert not vendor.payments
