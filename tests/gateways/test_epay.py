"""Epay V1: the sheet's vectors, the ways to begin, and whole payments against the simulated server."""

import json
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec
import pytest

from kashop.bundled.pay_epay.gateway import EPAY, EpayGateway
from kashop.bundled.pay_epay.signing import sign
from kashop.lib.errors import Invalid
from kashop.payments.types import CallbackRequest, GatewayFailed, Intent, Rejected
from kashop.plugins.kit import Stage, Vendor, open_stage
from kashop.plugins.kit.simulators.epay import EpaySimulator
from kashop.plugins.kit.vendorwords import How, Told

KEY = "KEYepayV1test0001"
NOTIFY = (
    "pid=1001&trade_no=2026110112000012345&out_trade_no=K202611010001&type=alipay"
    "&name=%E6%B5%8B%E8%AF%95%E5%95%86%E5%93%81+VIP&money=12.5&trade_status=TRADE_SUCCESS"
    "&sign_type=MD5&sign=c077682aef124b31e18717605c857c09"
)
OPTIONS = {"url": "https://pay.example", "pid": "1001", "key": KEY, "mode": "page", "methods": "alipay,wxpay"}
INTENT = Intent(
    attempt_no="K202611010001",
    amount_minor=1250,
    currency="CNY",
    method="alipay",
    title="测试商品 VIP",
    callback_url="https://shop.example/pay/epay/notify/7",
    return_url="https://shop.example/order/K202611010001",
    client_ip="203.0.113.7",
    locale="zh_Hans",
    created_at=0,
    expires_at=900_000,
)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


@pytest.fixture
def epay() -> Iterator[EpaySimulator]:
    with EpaySimulator(pid="1001", key=KEY) as server:
        yield server


def make(stage: Stage, **options: str) -> EpayGateway:
    return EpayGateway({**OPTIONS, **options}, stage.ctx)


def notified(query: str, method: str = "GET") -> CallbackRequest:
    return CallbackRequest(method=method, query=query.encode(), headers={}, body=b"")


def called(told: Told) -> CallbackRequest:
    return notified(urlsplit(told.url).query)


# The sheet's vectors


def test_vector_1_request() -> None:
    fields = {
        "money": "12.50",
        "name": "测试商品 VIP",
        "notify_url": "https://shop.example/pay/epay/notify/7",
        "out_trade_no": "K202611010001",
        "param": "",
        "pid": "1001",
        "return_url": "https://shop.example/order/K202611010001",
        "sign_type": "MD5",
        "type": "alipay",
    }
    assert sign(fields, KEY) == "0367d01f56aa70f56b46156d7615dcdf"


async def test_vector_1_is_what_begin_sends(stage: Stage) -> None:
    begun = await make(stage).begin(INTENT)
    url = urlsplit(begun.url)
    sent = dict(parse_qsl(url.query))
    assert (begun.kind, url.netloc, url.path) == ("redirect", "pay.example", "/submit.php")
    assert (sent["sign"], sent["sign_type"]) == ("0367d01f56aa70f56b46156d7615dcdf", "MD5")
    assert KEY not in begun.url


async def test_vector_2_notification(stage: Stage) -> None:
    for query in (NOTIFY, NOTIFY.replace("+", "%20"), NOTIFY + "?", "?" + NOTIFY, NOTIFY.replace("&sign_type=MD5", "")):
        notice = make(stage).read_callback(notified(query))
        assert (notice.state, notice.attempt_no) == ("paid", "K202611010001")
        assert (notice.gateway_txn, notice.amount_minor) == ("2026110112000012345", 1250)
        assert (notice.currency, notice.method) == ("CNY", "alipay")


def test_zero_is_signed_and_an_ideographic_blank_too() -> None:
    assert sign({"a": "0"}, KEY) != sign({}, KEY)
    assert sign({"a": "\u3000"}, KEY) != sign({}, KEY)
    assert sign({"a": " \t\r\n\0\x0b"}, KEY) == sign({}, KEY)


# Notifications


async def test_the_request_does_not_choose_the_algorithm(stage: Stage) -> None:
    for told in ("RSA", "NONE", ""):
        with pytest.raises(Rejected) as caught:
            make(stage).read_callback(notified(NOTIFY.replace("sign_type=MD5", f"sign_type={told}")))
        assert caught.value.reason == "sign_type"


async def test_a_post_is_not_a_notification(stage: Stage) -> None:
    with pytest.raises(Rejected):
        make(stage).read_callback(CallbackRequest(method="POST", query=b"", headers={}, body=NOTIFY.encode()))
    with pytest.raises(Rejected):
        make(stage).read_callback(notified(NOTIFY, method="POST"))


async def test_the_key_of_another_account_proves_nothing(stage: Stage) -> None:
    with pytest.raises(Rejected) as caught:
        make(stage, key="another").read_callback(notified(NOTIFY))
    assert caught.value.reason == "signature"


# Options


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://pay.example", "https://pay.example/"),
        ("https://pay.example/", "https://pay.example/"),
        ("https://pay.example/epay//", "https://pay.example/epay/"),
        ("https://pay.example:8443/submit.php", "https://pay.example:8443/"),
        ("https://pay.example/x/mapi.php", "https://pay.example/x/"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/"),
        ("http://[::1]:9", "http://[::1]:9/"),
    ],
)
async def test_addresses_as_operators_paste_them(stage: Stage, given: str, base: str) -> None:
    begun = await make(stage, url=given).begin(INTENT)
    assert begun.url.startswith(f"{base}submit.php?")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("url", url) for url in ("", "pay.example", "ftp://pay.example", "https://", "https://a b/", "javascript:alert(1)")),
        *(("url", url) for url in ("http://pay.example", "https://u:p@pay.example", "https://pay.example/?a=1", "https://x#y")),
        *(("url", url) for url in ("https://pay.example:99999", "https://[::1", "https://pay.example\n", "https://支付.example")),
        *(("pid", pid) for pid in ("", " ", "10 01", "1001&x=1", "１００１", "1" * 33)),
        *(("key", key) for key in ("", "  ", "\n")),
        ("mode", "fax"),
        ("methods", "alipay,cash"),
    ],
)
async def test_options_that_cannot_work_are_refused_by_name(stage: Stage, option: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        make(stage, **{option: value})
    assert [e.field for e in caught.value.fields] == [option]


async def test_an_unencrypted_gateway_must_be_allowed(stage: Stage) -> None:
    assert await make(stage, url="http://epay.lan", allow_http="yes").begin(INTENT)


# Beginning by API


@pytest.mark.parametrize(
    ("reply", "kind", "told"),
    [
        ({"code": 1, "trade_no": "T1", "payurl": "https://pay.example/c/1"}, "redirect", "https://pay.example/c/1"),
        ({"code": "1", "trade_no": "T1", "payurl": "https://pay.example/c/1"}, "redirect", "https://pay.example/c/1"),
        ({"code": 1, "trade_no": "T1", "qrcode": "weixin://wxpay/bizpayurl?pr=1"}, "qr", "weixin://wxpay/bizpayurl?pr=1"),
        ({"code": 1, "trade_no": "T1", "urlscheme": "weixin://dl/business/?t=1"}, "redirect", "weixin://dl/business/?t=1"),
    ],
)
@pytest.mark.parametrize("is_text_in_text", [False, True])
async def test_the_ways_to_pay_that_mapi_gives(
    stage: Stage, reply: dict[str, object], kind: str, told: str, is_text_in_text: bool
) -> None:
    text = json.dumps(reply)
    stage.mouth.says((json.dumps(text) if is_text_in_text else text).encode())
    begun = await make(stage, url=stage.mouth.url, mode="api").begin(INTENT)
    assert (begun.kind, begun.gateway_ref) == (kind, "T1")
    assert (begun.qr if kind == "qr" else begun.url) == told
    line, body = stage.mouth.heard[0]
    assert line.startswith("POST /mapi.php ")
    sent = dict(parse_qsl(body.decode()))
    assert sent["clientip"] == "203.0.113.7"
    assert KEY not in line + body.decode()


@pytest.mark.parametrize(
    "reply",
    [
        {"code": 1},
        {"code": 1, "payurl": "javascript:alert(1)"},
        {"code": 1, "payurl": "data:text/html,x"},
        {"code": 1, "payurl": ["https://pay.example"]},
        {"code": 1, "payurl": "https://pay.example/\r\nx"},
        {"code": 1, "html": "<form>"},
        {"code": 1, "qrcode": "x" * 5000},
    ],
)
async def test_an_order_taken_without_a_way_to_pay_is_unclear(stage: Stage, reply: dict[str, object]) -> None:
    stage.mouth.says(json.dumps(reply).encode())
    with pytest.raises(GatewayFailed) as caught:
        await make(stage, url=stage.mouth.url, mode="api").begin(INTENT)
    assert caught.value.is_unclear


async def test_without_a_method_the_gateways_own_cashier_asks(stage: Stage) -> None:
    begun = await make(stage, mode="api").begin(msgspec.structs.replace(INTENT, method=""))
    assert "type" not in dict(parse_qsl(urlsplit(begun.url).query))


async def test_a_long_or_dirty_title_is_cut_before_it_is_signed(stage: Stage) -> None:
    begun = await make(stage).begin(msgspec.structs.replace(INTENT, title="测\n试\0 " * 50))
    sent = dict(parse_qsl(urlsplit(begun.url).query))
    assert len(sent["name"].encode()) <= 127
    assert sent["name"].startswith("测 试")
    assert sign(sent, KEY) == sent["sign"]


async def test_a_callback_address_with_a_query_or_another_currency_is_refused(stage: Stage) -> None:
    for intent in (
        msgspec.structs.replace(INTENT, callback_url="https://shop.example/cb?a=1"),
        msgspec.structs.replace(INTENT, currency="USD"),
    ):
        with pytest.raises(GatewayFailed) as caught:
            await make(stage).begin(intent)
        assert not caught.value.is_unclear


# Asking


@pytest.mark.parametrize(("status", "state"), [(0, "pending"), (2, "closed"), (3, "pending"), (4, "pending"), ("", "pending")])
async def test_only_status_1_pays(stage: Stage, status: object, state: str) -> None:
    reply = {"code": 1, "trade_no": "T1", "out_trade_no": INTENT.attempt_no, "pid": 1001, "money": "12.50", "status": status}
    stage.mouth.says(json.dumps(reply).encode())
    notice = await make(stage, url=stage.mouth.url).query(INTENT)
    assert notice is not None
    assert notice.state == state


@pytest.mark.parametrize(
    "lie",
    [
        {"out_trade_no": "K202611010002"},
        {"out_trade_no": None},
        {"pid": 1002},
        *({"money": money} for money in (*Vendor.bad_amounts, None, 12.505, -1, 1e30, ["12.50"], True)),
        {"trade_no": ""},
        {"trade_no": "a b"},
        {"type": "Ａ"},
    ],
)
async def test_a_reply_about_something_else_or_in_strange_words_is_not_believed(stage: Stage, lie: dict[str, object]) -> None:
    reply = {"code": 1, "trade_no": "T1", "out_trade_no": INTENT.attempt_no, "pid": 1001, "money": "12.50", "status": 1}
    stage.mouth.says(json.dumps({**reply, **lie}).encode())
    with pytest.raises(GatewayFailed):
        await make(stage, url=stage.mouth.url).query(INTENT)


# Whole payments against the simulated server


async def test_pay_by_page(stage: Stage, epay: EpaySimulator) -> None:
    gateway = make(stage, url=epay.url)
    assert await gateway.query(INTENT) is None
    begun = await gateway.begin(INTENT)
    async with httpx.AsyncClient(follow_redirects=True) as browser:
        page = await browser.get(begun.url)
    assert "12.50 CNY" in page.text
    asked = await gateway.query(INTENT)
    assert asked is not None
    assert asked.state == "pending"
    epay.pay(INTENT.attempt_no, lose=True)
    told = gateway.read_callback(called(epay.notification(epay.find(INTENT.attempt_no), How())))
    assert told == await gateway.query(INTENT)
    assert told.amount_minor == 1250


async def test_pay_by_api(stage: Stage, epay: EpaySimulator) -> None:
    gateway = make(stage, url=epay.url, mode="api")
    intent = msgspec.structs.replace(INTENT, method="wxpay")
    begun = await gateway.begin(intent)
    assert begun.kind == "qr"
    assert begun.qr.startswith("weixin://")
    assert begun == await gateway.begin(intent), "the same order again gives the same answer"
    epay.pay(INTENT.attempt_no, lose=True)
    with pytest.raises(GatewayFailed, match="已支付") as caught:
        await gateway.begin(intent)
    assert not caught.value.is_unclear


async def test_what_the_simulated_server_can_do_wrong(stage: Stage, epay: EpaySimulator) -> None:
    gateway = make(stage, url=epay.url, mode="api")
    await gateway.begin(INTENT)
    payment = epay.find(INTENT.attempt_no)
    lies = {"signature": "signature", "key": "signature", "amount": "signature", "merchant": "merchant"}
    for forge, reason in lies.items():
        with pytest.raises(Rejected) as caught:
            gateway.read_callback(called(epay.notification(payment, How(forge=forge))))
        assert caught.value.reason == reason
    with pytest.raises(Rejected) as caught:
        gateway.read_callback(called(epay.notification(payment, How(amount="1e3"))))
    assert caught.value.reason == "amount"
    assert gateway.read_callback(called(epay.notification(payment, How(state="WAIT")))).state == "pending"
    assert gateway.read_callback(called(epay.notification(payment, How(state="closed")))).state == "closed"
    assert gateway.read_callback(called(epay.notification(payment, How(amount="0.01")))).amount_minor == 1
    epay.mood("error")
    with pytest.raises(GatewayFailed) as failed:
        await gateway.query(INTENT)
    assert failed.value.is_unclear


async def test_the_self_test_tells_a_good_account_from_a_bad_one(stage: Stage, epay: EpaySimulator) -> None:
    assert all(f.is_ok for f in await make(stage, url=epay.url).test())
    for wrong in ({"key": "wrong-key-0001"}, {"pid": "1002"}):
        findings = await make(stage, url=epay.url, **wrong).test()
        assert [f.subject for f in findings if not f.is_ok] == ["Merchant number and key"]
    insecure = await make(stage, url="http://epay.invalid", allow_http="yes").test()
    assert [f.is_ok for f in insecure] == [False, False]


def test_the_type_says_what_the_panel_needs() -> None:
    assert [o.name for o in EPAY.options if o.is_secret] == ["key"]
    assert {m.name for m in EPAY.methods} == {"alipay", "wxpay", "qqpay", "bank", "jdpay"}
    assert not EPAY.is_practice
