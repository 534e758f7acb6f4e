"""Epay V2: the sheet's vectors, what its keys prove and what not, its list of orders, payments at a simulated platform."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kashop.bundled.pay_epay.gateway import EpayGateway
from kashop.bundled.pay_epay.gateway_v2 import EpayV2Gateway
from kashop.bundled.pay_epay.signing import content
from kashop.lib.errors import Invalid
from kashop.payments.types import CallbackRequest, GatewayFailed, Rejected
from kashop.plugins.api import rsa_private_key, rsa_sign
from kashop.plugins.kit import Stage, open_stage
from kashop.plugins.kit.simulators.epay_v2 import EpayV2Simulator
from kashop.plugins.kit.stage import NOW
from kashop.plugins.kit.vendorwords import How, Told
from tests.gateways import testkeys
from tests.gateways.test_epay import INTENT, KEY, OPTIONS
from tests.gateways.test_epay_contract import LISTED, NEXT_DAY, PAYMENTS, listed
from tests.gateways.test_epay_v2_contract import EpayV2Vendor, refused, reply, signed_by

REQUEST = (
    "clientip=203.0.113.7&device=pc&method=web&money=12.50&name=测试商品 VIP&notify_url=https://shop.example/pay/epay/notify/7"
    "&out_trade_no=K202611010001&pid=1001&return_url=https://shop.example/order/K202611010001&timestamp=1793505600&type=alipay"
)
REQUEST_SIGN = (
    "OEEio1MkFR+fZCTC0jDET1N3hFkuxHGsIzffAvc3FwZX7490llyFRULCrV/DJxQfcugTeZ3unZyRTPd0GhI1J0hg4eLL5nWDHkIn9KiZ6qVmSy/P8XSLX5cO"
    "Z06PcQtyXXkLgPs0FCfbpQ8/UsH+Zgub9gnYd3emV7bnYTB+ve68+1zPOtKfNo6QKyDXNchT6CU7vZiU734yxk5lrGxBSKeWG0yRNVNPwz1S8fvWsVVq4m1K"
    "Eh37VlN36gI1kQHRhdhChCL9QWULd55OjksoepfxScPXwnQkN7wNE+n+dT4afKXsjh00FvshY+h8HKIV0E9yahQ1d0lUX2/eSY0eqQ=="
)
REPLY_SIGN = (
    "G4oavgpoQZZwI7ggoo+wDqmQc256zhIGFtI3+5ScZTo3aNAeEX/6L7GfH6Ck0xqwGFRhCMvxuns8GMAoOi8IQcLxhsGVq8PKEi76QoPWpGk+pgaF8OD+yrH5"
    "t7Hul25UMrOWv4Qo8Lhcc+AELLdhtGCqnBAn0QcxIN7zCOuQSnLNwrCZgq8aI8Yg4zM+xYN6jbHdqDKtikFDkv7laGPzgnswe+zIuRQpgYGcWHSJOaXbQqzw"
    "GopkdvpaADXYbZzrlv0Nx3HjM8JtxFAnRPSysFzz7yTTsu9GqHw3EVyQniEw3g0KvEIsoGbLf4Yh8xZ81VdQIumq6dD/PL3wGQoRZQ=="
)
NOTICE = {
    "api_trade_no": "2026110122001400001",
    "money": "12.5",
    "name": "测试商品 VIP",
    "out_trade_no": "K202611010001",
    "pid": "1001",
    "timestamp": "1793505660",
    "trade_no": "2026110112000012345",
    "trade_status": "TRADE_SUCCESS",
    "type": "alipay",
}
NOTICE_SIGN = (
    "l+1vGfCEzijHMnHNarCcyet+/GJAT7VOgQnJN9pC4C/o8hZ5XDnm4n2Q3jxxSVHv/xCrEWvQS9QRh3OThf59ftlVgLfFfzuu0YoqrKssWHjnRsPbUGFN9xe6"
    "lnw+q9XKPXGn8Kz6tbQhRCVhnKkpyRhvbl9xozB965uHdHrSeIxK1tDVV9uX1OZxR11v2AKgzXXK98d3KWg3G2HpowTvXt+DAQmkHpSSZ0FBHwqtQmdpE8vK"
    "n/QPlfzZH2Z2hTg7j7ou2SId6tGvPDV3IaBxCY/ONr7lwOOh6EOSjg/Q22Q19W3ErJGo5kWzqQP+c1zNZjRHka45ImhuKjsa/uukNg=="
)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


@pytest.fixture
def platform() -> Iterator[EpayV2Simulator]:
    with EpayV2Simulator() as server:
        server.clock = lambda: NOW / 1000
        yield server


def make(stage: Stage, **options: str) -> EpayV2Gateway:
    good = {**EpayV2Vendor().options("https://pay.example"), **options}
    return EpayV2Gateway(good, stage.ctx)


def notified(fields: dict[str, str], sign: str, *, received_at: int = 0, **more: str) -> CallbackRequest:
    query = urlencode({**fields, **more, "sign": sign}).encode()
    return CallbackRequest(method="GET", query=query, headers={}, body=b"", received_at=received_at)


def called(told: Told) -> CallbackRequest:
    return CallbackRequest(method="GET", query=urlsplit(told.url).query.encode(), headers={}, body=b"")


# The sheet's vectors


def test_vector_3_request() -> None:
    fields = dict(pair.split("=", 1) for pair in REQUEST.split("&"))
    assert content({**fields, "sign_type": "RSA", "param": ""}) == REQUEST
    assert rsa_sign(rsa_private_key(testkeys.private_line("merchant")), content(fields)) == REQUEST_SIGN


@pytest.mark.parametrize("private_key", [testkeys.private_line("merchant"), testkeys.private_pem("merchant", pkcs1=True)])
async def test_vector_3_is_what_begin_sends(stage: Stage, private_key: str) -> None:
    stage.mouth.says(reply(trade_no="Q1", pay_type="jump", pay_info="https://pay.example/c/1"))
    await make(stage, url=stage.mouth.url, private_key=private_key).begin(INTENT)
    line, body = stage.mouth.heard[0]
    sent = dict(parse_qsl(body.decode(), keep_blank_values=True))
    assert line.startswith("POST /api/pay/create ")
    assert (sent.pop("sign"), sent.pop("sign_type")) == (REQUEST_SIGN, "RSA")
    assert content(sent) == REQUEST


async def test_vector_4_create_reply(stage: Stage) -> None:
    said = {
        "code": 0,
        "trade_no": "2026110112000012345",
        "pay_type": "qrcode",
        "pay_info": "https://pay.example/q/abc",
        "timestamp": 1793505601,
        "sign": REPLY_SIGN,
        "sign_type": "RSA",
    }
    stage.mouth.says(json.dumps(said).encode())
    begun = await make(stage, url=stage.mouth.url).begin(INTENT)
    assert (begun.kind, begun.qr, begun.gateway_ref) == ("qr", "https://pay.example/q/abc", "2026110112000012345")


async def test_vector_5_notification(stage: Stage) -> None:
    for more in ({"sign_type": "RSA"}, {}, {"param": " "}):
        notice = make(stage).read_callback(notified(NOTICE, NOTICE_SIGN, **more))
        assert (notice.state, notice.attempt_no, notice.method) == ("paid", "K202611010001", "alipay")
        assert (notice.gateway_txn, notice.amount_minor, notice.currency) == ("2026110112000012345", 1250, "CNY")


# What proves


async def test_neither_version_believes_the_other(stage: Stage) -> None:
    v1 = EpayGateway(OPTIONS, stage.ctx)
    md5_signed = {**NOTICE, "sign_type": "MD5"}
    for gateway, fields, sign in (
        (make(stage), md5_signed, EpayGateway(OPTIONS, stage.ctx)._signed(NOTICE)["sign"]),
        (make(stage), NOTICE, v1._signed(NOTICE)["sign"]),
        (v1, {**NOTICE, "sign_type": "RSA"}, NOTICE_SIGN),
        (v1, {**NOTICE, "sign_type": "MD5"}, NOTICE_SIGN),
    ):
        with pytest.raises(Rejected) as caught:
            gateway.read_callback(notified(fields, sign))
        assert caught.value.reason == "signature"
    for gateway, sign_type, sign in ((make(stage), "MD5", NOTICE_SIGN), (v1, "RSA", v1._signed(NOTICE)["sign"])):
        with pytest.raises(Rejected) as caught:
            gateway.read_callback(notified(NOTICE, sign, sign_type=sign_type))
        assert caught.value.reason == "sign_type"
    assert KEY not in repr(caught.value)


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
async def test_a_notification_of_another_time_is_stale(stage: Stage, seconds: int) -> None:
    signed_at = 1793505660_000
    stage.clock.at = signed_at + seconds * 1000
    request = notified(NOTICE, NOTICE_SIGN)
    with pytest.raises(Rejected) as caught:
        make(stage).read_callback(request)
    assert caught.value.reason == "stale"
    stored = msgspec.structs.replace(request, received_at=signed_at + 2000)
    assert make(stage).read_callback(stored).state == "paid", "what came in time and was left unread is still good"


@pytest.mark.parametrize("timestamp", ["", "0", "179350566", "17935056600", "١٧٩٣٥٠٥٦٦٠", "1793505660.0", "-793505660"])
async def test_a_notification_without_a_time_is_stale(stage: Stage, timestamp: str) -> None:
    fields = {**NOTICE, "timestamp": timestamp}
    with pytest.raises(Rejected) as caught:
        make(stage).read_callback(notified(fields, signed_by("platform", content(fields))))
    assert caught.value.reason == "stale"


@pytest.mark.parametrize("flaw", ["unsigned", "by another", "stale", "changed", "without a code"])
async def test_an_unproved_success_is_unclear(stage: Stage, flaw: str) -> None:
    good = json.loads(reply(trade_no="Q1", out_trade_no=INTENT.attempt_no, type="alipay", pid=1001, money="12.50", status=1))
    bad = {
        "unsigned": {k: v for k, v in good.items() if k != "sign"},
        "by another": {**good, "sign": signed_by("merchant", content({k: str(v) for k, v in good.items()}))},
        "stale": json.loads(reply(NOW - 301_000, trade_no="Q1", out_trade_no=INTENT.attempt_no, money="12.50", status=1)),
        "changed": {**good, "money": "1.00"},
        "without a code": {k: v for k, v in good.items() if k != "code"},
    }
    gateway = make(stage, url=stage.mouth.url)
    stage.mouth.says(json.dumps(good).encode())
    notice = await gateway.query(INTENT)
    assert notice is not None
    assert notice.state == "paid"
    stage.mouth.says(json.dumps(bad[flaw]).encode())
    with pytest.raises(GatewayFailed) as caught:
        await gateway.query(INTENT)
    assert caught.value.is_unclear


async def test_lists_stand_beside_the_signature_and_truth_is_one(stage: Stage) -> None:
    gateway = make(stage, url=stage.mouth.url)
    said = {"code": 0, "is_open": True, "is_shut": False, "none": None, "data": [{"a": 1}], "timestamp": str(NOW // 1000)}
    sign = signed_by("platform", f"code=0&is_open=1&timestamp={NOW // 1000}")
    stage.mouth.says(json.dumps({**said, "sign": sign, "sign_type": "RSA"}).encode())
    assert all(f.is_ok for f in await gateway.test())


# Options


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(
            ("private_key", text)
            for text in ("", " ", "x", testkeys.public_line("platform"), testkeys.private_line("merchant")[:-40])
        ),
        *(("public_key", text) for text in ("", " ", "x", testkeys.private_line("merchant"), testkeys.public_line("merchant"))),
        ("public_key", testkeys.public_line("platform")[:-8]),
        ("mode", "fax"),
        ("pid", "10 01"),
        ("url", "http://pay.example"),
    ],
)
async def test_options_that_cannot_work_are_refused_by_name(stage: Stage, option: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        make(stage, **{option: value})
    assert [e.field for e in caught.value.fields] == [option]


async def test_short_keys_are_refused(stage: Stage) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    with pytest.raises(Invalid):
        make(stage, public_key=short.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


# Beginning


@pytest.mark.parametrize("pay_type", ["html", "jsapi", "app", "scan", "wxplugin", "wxapp", "", None, ["jump"]])
async def test_what_the_shop_cannot_show_goes_on_at_the_platforms_page(stage: Stage, pay_type: object) -> None:
    stage.mouth.says(reply(trade_no="Q1", pay_info="<form>", **({"pay_type": pay_type} if pay_type else {})))
    begun = await make(stage, url=stage.mouth.url).begin(INTENT)
    assert begun.kind == "redirect"
    assert begun.expires_at == NOW + 300_000, "then the shop begins it again"
    url = urlsplit(begun.url)
    sent = dict(parse_qsl(url.query))
    assert url.path == "/api/pay/submit"
    assert sent["sign"] == signed_by("merchant", content(sent))


@pytest.mark.parametrize("info", ["javascript:alert(1)", "data:text/html,x", "https://pay.example/\r\nx", ""])
async def test_an_order_taken_without_a_way_to_pay_is_unclear(stage: Stage, info: str) -> None:
    stage.mouth.says(reply(trade_no="Q1", pay_type="jump", pay_info=info))
    with pytest.raises(GatewayFailed) as caught:
        await make(stage, url=stage.mouth.url).begin(INTENT)
    assert caught.value.is_unclear


@pytest.mark.parametrize(("device", "told"), [("desktop", "pc"), ("phone", "mobile"), ("wechat", "wechat"), ("qq", "qq")])
async def test_the_platform_is_told_where_the_buyer_is(stage: Stage, device: str, told: str) -> None:
    stage.mouth.says(reply(trade_no="Q1", pay_type="jump", pay_info="https://pay.example/c/1"))
    await make(stage, url=stage.mouth.url).begin(msgspec.structs.replace(INTENT, device=device))
    assert dict(parse_qsl(stage.mouth.heard[0][1].decode()))["device"] == told


async def test_by_page_the_buyer_brings_the_order(stage: Stage, platform: EpayV2Simulator) -> None:
    gateway = make(stage, **{**platform.options(), "mode": "page"})
    for intent in (INTENT, msgspec.structs.replace(INTENT, method="", attempt_no="K202611010002")):
        begun = await gateway.begin(intent)
        platform.visit(begun.kind, begun.url, "{}")
        assert platform.find(intent.attempt_no).amount == "12.50"


# The simulated platform


async def test_a_payment_and_its_refunds(stage: Stage, platform: EpayV2Simulator) -> None:
    gateway = make(stage, **platform.options())
    assert await gateway.query(INTENT) is None
    begun = await gateway.begin(msgspec.structs.replace(INTENT, method="wxpay"))
    assert begun == await gateway.begin(msgspec.structs.replace(INTENT, method="wxpay"))
    assert begun.qr.startswith("weixin://")
    platform.pay(INTENT.attempt_no, lose=True)
    payment = platform.find(INTENT.attempt_no)
    notice = gateway.read_callback(called(platform.notification(payment, How())))
    assert notice == await gateway.query(INTENT)
    with pytest.raises(GatewayFailed, match="it was paid"):
        await gateway.close(INTENT)
    ask = msgspec.structs.replace(EpayV2Vendor().ask(), payment=INTENT, gateway_txn=notice.gateway_txn)
    assert await gateway.query_refund(ask) is None
    first = await gateway.refund(ask)
    assert (first.state, first.amount_minor) == ("done", 500)
    assert await gateway.refund(ask) == first == await gateway.query_refund(ask), "the same number refunds once"
    second = msgspec.structs.replace(ask, refund_no="R261101TEST0000000002", amount_minor=751, refunded_minor=500)
    assert (await gateway.refund(second)).state == "failed", "more than came"
    assert len(payment.refunds) == 1
    after = await gateway.query(INTENT)
    assert after is not None
    assert after.state == "closed"


async def test_what_is_forged_or_of_a_dead_platform(stage: Stage, platform: EpayV2Simulator) -> None:
    gateway = make(stage, **platform.options())
    await gateway.begin(INTENT)
    lies = {"signature": "signature", "key": "signature", "amount": "signature", "merchant": "merchant"}
    for forge, reason in lies.items():
        with pytest.raises(Rejected) as caught:
            gateway.read_callback(called(platform.notification(platform.find(INTENT.attempt_no), How(forge=forge))))
        assert caught.value.reason == reason
    for mood in ("error", "html", "cuts"):
        platform.mood(mood)
        with pytest.raises(GatewayFailed) as failed:
            await gateway.query(INTENT)
        assert failed.value.is_unclear


async def test_the_self_test_says_what_to_mend(stage: Stage, platform: EpayV2Simulator) -> None:
    good = platform.options()

    async def wrong(**options: str) -> list[str]:
        findings = await make(stage, **{**good, **options}).test()
        assert all(f.advice for f in findings if not f.is_ok)
        return [f.subject for f in findings if not f.is_ok]

    assert await wrong() == []
    assert await wrong(pid="1002") == ["Merchant number and key", "The gateway says"]
    assert await wrong(private_key=testkeys.private_line("merchant")) == ["Merchant number and key", "The gateway says"]
    assert await wrong(public_key=testkeys.public_line("platform")) == ["Platform's public key (RSA)"]
    stage.clock.at = NOW + 299_000
    platform.clock = lambda: (NOW - 1000) / 1000
    assert await wrong() == []
    stage.clock.at = NOW + 400_000
    assert "Merchant number and key" in await wrong(), "the platform refuses what is signed at another time"


async def test_the_self_test_tells_a_wrong_clock(stage: Stage) -> None:
    stage.mouth.says(reply(NOW + 301_000, pid=1001))
    findings = await make(stage, url=stage.mouth.url).test()
    assert [f.subject for f in findings if not f.is_ok] == ["Signed time"]


# The list of orders


async def test_a_day_is_walked_over_many_pages(stage: Stage, platform: EpayV2Simulator) -> None:
    gateway = make(stage, **platform.options())
    day = dt.datetime(2026, 11, 1, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=8))).timestamp()
    expected = []
    for n in range(120):
        at = day + n * 600
        platform.clock = lambda at=at: at
        stage.clock.at = int(at * 1000)
        intent = msgspec.structs.replace(INTENT, attempt_no=f"A{n:05}", method="wxpay")
        await gateway.begin(intent)
        if n % 3:
            platform.pay(intent.attempt_no, lose=True)
            expected.append((f"A{n:05}", int(at) * 1000, 1250))
    platform.clock, stage.clock.at = (lambda: day + 86_400), int((day + 86_400) * 1000)
    lines = await gateway.statement(dt.date(2026, 11, 1))
    assert lines is not None
    assert [(line.attempt_no, line.happened_at, line.amount_minor) for line in lines] == expected
    assert len([path for _, path in platform.asked if path == "/api/merchant/orders"]) == 4
    assert await gateway.statement(dt.date(2026, 11, 2)) is None


@pytest.mark.parametrize(
    "rows",
    [
        LISTED[::-1],
        [{**LISTED[1], "money": "1e1"}],
        [{**LISTED[1], "endtime": None}],
        [{**LISTED[1], "addtime": "yesterday"}],
        [{**LISTED[1], "trade_no": ""}],
        [listed("9", "2026-11-02 00:00:00", "1.00", 1, "2026-11-02 00:00:00")],
        ["x"],
        "x",
        None,
    ],
)
async def test_a_list_that_cannot_be_walked_is_no_empty_day(stage: Stage, rows: object) -> None:
    stage.clock.at = NEXT_DAY
    stage.mouth.says(reply(NEXT_DAY, data=rows) if rows is not None else reply(NEXT_DAY))
    with pytest.raises(GatewayFailed):
        await make(stage, url=stage.mouth.url).statement(dt.date(2026, 11, 1))
    stage.mouth.says(reply(NEXT_DAY, data=LISTED))
    assert await make(stage, url=stage.mouth.url).statement(dt.date(2026, 11, 1)) == PAYMENTS


async def test_a_refused_close_of_an_open_order_is_told(stage: Stage) -> None:
    vendor = EpayV2Vendor()
    await vendor.arrange_close(stage, INTENT, "paid")
    await vendor.arrange_query(stage, INTENT, "unpaid")
    with pytest.raises(GatewayFailed, match="状态不支持") as caught:
        await make(stage, url=stage.mouth.url).close(INTENT)
    assert not caught.value.is_unclear
    stage.mouth.says(refused(-3, "签名校验失败"))
    with pytest.raises(GatewayFailed):
        await make(stage, url=stage.mouth.url).close(INTENT)
