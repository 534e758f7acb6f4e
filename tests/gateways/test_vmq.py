"""V免签: the sheet's vectors, the exact amount to send, what its signature proves, and payments at a simulated server."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest

from kashop.bundled.pay_vmq.gateway import VmqGateway
from kashop.bundled.pay_vmq.signing import sign
from kashop.lib.errors import Invalid
from kashop.payments.types import CallbackRequest, GatewayFailed, Rejected
from kashop.plugins.kit import Claim, Reply, Stage, open_stage
from kashop.plugins.kit.simulators.vmq import VmqHmacSimulator, VmqSimulator
from kashop.plugins.kit.stage import NOW
from kashop.plugins.kit.vendorwords import How
from tests.gateways.test_epay import INTENT
from tests.gateways.test_vmq_contract import KEY, VmqVendor, order, said, signed

BEGUN = VmqVendor().intent()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


@pytest.fixture(params=[VmqSimulator, VmqHmacSimulator], ids=["md5", "hmac"])
def server(request: pytest.FixtureRequest) -> Iterator[VmqSimulator]:
    with request.param() as server:
        server.clock = lambda: NOW / 1000
        yield server


def make(stage: Stage, **options: str) -> VmqGateway:
    return VmqGateway({**VmqVendor().options(stage.mouth.url), **options}, stage.ctx)


def notified(by: str = "MD5", **fields: str) -> CallbackRequest:
    """A notification over these fields, in the order of the signature."""
    told = {"payId": "K202611010001", "param": "kashop", "type": "2", "price": "12.5", "reallyPrice": "12.51", **fields}
    sign_of = fields.get("sign") or signed([told[n] for n in ("payId", "param", "type", "price", "reallyPrice")], by=by)
    return CallbackRequest(method="GET", query=urlencode({**told, "sign": sign_of}).encode(), headers={}, body=b"")


# The sheet's vectors


def test_vectors_of_a_request() -> None:
    values = ("K202611010001", "p1", "2", "12.50")
    assert sign("MD5", KEY, *values) == "5d9370fb5eb94be902bba9db09e0fe46"
    assert sign("HMAC_SHA256", KEY, *values) == "b1228478fa9566e75e03d3f24271df786ce559407db2de5944757f2f2b227657"


async def test_vector_of_a_notification(stage: Stage) -> None:
    assert sign("MD5", KEY, "K202611010001", "p1", "2", "12.5", "12.51") == "616b73144985ec526a87027fbc40bc28"
    with pytest.raises(Rejected) as caught:
        make(stage).read_callback(notified(param="p1", sign="616b73144985ec526a87027fbc40bc28"))
    assert caught.value.reason == "merchant", "genuine, and of an order that this shop did not make"


# Beginning


async def test_the_buyer_is_told_exactly_what_to_send(stage: Stage) -> None:
    stage.mouth.says(said(order()))
    begun = await make(stage).begin(BEGUN)
    assert (begun.kind, begun.qr, begun.url) == ("qr", "https://qr.alipay.com/fkx1", "https://qr.alipay.com/fkx1")
    assert (begun.coin, begun.coin_amount, begun.gateway_ref) == ("CNY", "12.51", "202611011200001")
    assert begun.expires_at == 1793505600_000 + 5 * 60_000
    sent = dict(parse_qsl(stage.mouth.heard[0][1].decode()))
    assert stage.mouth.heard[0][0].startswith("POST /createOrder ")
    assert sent["sign"] == signed([BEGUN.attempt_no, "kashop", "2", "12.50"])
    assert (sent["price"], sent["isHtml"]) == ("12.50", "0")
    assert "signType" not in sent


@pytest.mark.parametrize(
    ("over", "coin_amount", "expires_at"),
    [
        ({"reallyPrice": 12.5}, "12.50", 1793505900_000),
        ({"reallyPrice": "12.49", "date": 1793505600123}, "12.49", 1793505900_123),
        ({"date": None}, "12.51", 0),
        ({"timeOut": "x"}, "12.51", 0),
    ],
)
async def test_amounts_and_deadlines_as_builds_write_them(
    stage: Stage, over: dict[str, object], coin_amount: str, expires_at: int
) -> None:
    stage.mouth.says(said(order(**over)))
    begun = await make(stage).begin(BEGUN)
    assert (begun.coin_amount, begun.expires_at) == (coin_amount, expires_at)
    assert begun.coin == "CNY"


async def test_a_code_that_no_browser_opens_has_the_servers_page_beside_it(stage: Stage) -> None:
    stage.mouth.says(said(order(payUrl="wxp://f2f0x", payType=1)))
    begun = await make(stage).begin(msgspec.structs.replace(BEGUN, method="wxpay"))
    assert begun.qr == "wxp://f2f0x"
    assert begun.url == f"{stage.mouth.url}/payPage/pay.html?orderId=202611011200001"


async def test_the_hmac_build_is_told_so(stage: Stage) -> None:
    stage.mouth.says(said(order()))
    await make(stage, sign_type="HMAC_SHA256").begin(BEGUN)
    sent = dict(parse_qsl(stage.mouth.heard[0][1].decode()))
    assert sent["signType"] == "HMAC_SHA256"
    assert sent["sign"] == signed([BEGUN.attempt_no, "kashop", "2", "12.50"], by="HMAC_SHA256")


@pytest.mark.parametrize(
    "over",
    [
        {"payId": "A2"},
        {"payType": 1},
        {"price": 12.0},
        {"reallyPrice": 0},
        {"reallyPrice": 13.51},
        {"reallyPrice": 11.49},
        {"reallyPrice": 12.509999},
        {"reallyPrice": None},
        {"payUrl": ""},
        {"payUrl": "a\nb"},
        {"payUrl": "x" * 1025},
        {"orderId": "a b"},
        {"orderId": None},
    ],
)
async def test_an_answer_about_something_else_is_unclear(stage: Stage, over: dict[str, object]) -> None:
    stage.mouth.says(said(order(**over)))
    with pytest.raises(GatewayFailed) as caught:
        await make(stage).begin(BEGUN)
    assert caught.value.is_unclear


async def test_it_takes_cny_by_a_chosen_way(stage: Stage) -> None:
    for over in ({"currency": "USD"}, {"method": ""}, {"method": "jdpay"}):
        with pytest.raises(GatewayFailed):
            await make(stage).begin(msgspec.structs.replace(BEGUN, **over))
    assert not stage.mouth.heard


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("url", url) for url in ("", "vmq.example", "http://vmq.example", "https://vmq.example/?a=1")),
        *(("key", key) for key in ("", "  ")),
        ("sign_type", "SHA1"),
        ("methods", "alipay,jdpay"),
    ],
)
async def test_options_that_cannot_work_are_refused_by_name(stage: Stage, option: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        make(stage, **{option: value})
    assert [e.field for e in caught.value.fields] == [option]
    assert make(stage, url="http://vmq.lan/index.html", allow_http="yes")


# What the signature proves


async def test_the_price_pays_and_what_was_sent_is_told(stage: Stage) -> None:
    notice = make(stage).read_callback(notified())
    assert (notice.amount_minor, notice.coin_amount, notice.coin) == (1250, "12.51", "CNY")
    assert (notice.method, notice.gateway_txn) == ("alipay", "K202611010001")


@pytest.mark.parametrize(
    "fields",
    [
        {"price": "12.51", "reallyPrice": "2.51"},  # the same text, cut elsewhere
        {"price": "12.512", "reallyPrice": ".51"},
        {"type": "21", "price": "2.5"},
        {"param": "kashop2", "type": "", "price": "12.5"},
        {"payId": "K20261101000", "param": "1kashop"},
        {"payId": "K202611010001kashop", "param": ""},
    ],
)
async def test_a_signature_fits_no_other_cut_of_its_text(stage: Stage, fields: dict[str, str]) -> None:
    told = {"payId": "K202611010001", "param": "kashop", "type": "2", "price": "12.5", "reallyPrice": "12.51"}
    assert make(stage).read_callback(notified()).state == "paid"
    shifted = {**told, **fields}
    with pytest.raises(Rejected):
        make(stage).read_callback(notified(**shifted, sign=signed(list(shifted.values()))))


async def test_ten_yuan_cannot_be_read_as_a_hundred(stage: Stage) -> None:
    genuine = notified(price="10", reallyPrice="10.01")
    assert make(stage).read_callback(genuine).amount_minor == 1000
    sign_of = dict(parse_qsl(genuine.query.decode()))["sign"]
    with pytest.raises(Rejected) as caught:
        make(stage).read_callback(notified(price="101", reallyPrice="0.01", sign=sign_of))
    assert caught.value.reason == "amount"


@pytest.mark.parametrize("name", ["payId", "param", "type", "price", "reallyPrice", "sign"])
async def test_no_field_can_be_changed_or_left_out(stage: Stage, name: str) -> None:
    fields = dict(parse_qsl(notified().query.decode()))
    for changed in ({**fields, name: fields[name] + "1"}, {k: v for k, v in fields.items() if k != name}):
        with pytest.raises(Rejected):
            make(stage).read_callback(CallbackRequest(method="GET", query=urlencode(changed).encode(), headers={}, body=b""))


async def test_the_account_chooses_the_algorithm(stage: Stage) -> None:
    for mine, other in (("MD5", "HMAC_SHA256"), ("HMAC_SHA256", "MD5")):
        gateway = make(stage, sign_type=mine)
        assert gateway.read_callback(notified(by=mine)).state == "paid"
        query = notified(by=other).query + f"&signType={other}".encode()
        with pytest.raises(Rejected) as caught:
            gateway.read_callback(CallbackRequest(method="GET", query=query, headers={}, body=b""))
        assert caught.value.reason == "signature"


# Asking


@pytest.mark.parametrize(("state", "found"), [(0, "pending"), (-1, "closed")])
async def test_what_is_not_paid_needs_no_proof(stage: Stage, state: int, found: str) -> None:
    stage.mouth.says(said(order(state=state)))
    notice = await make(stage).query(BEGUN)
    assert notice is not None
    assert notice.state == found


@pytest.mark.parametrize(
    "address", ["", "https://shop.example/pay/x/return", None, 7, "http://[::1", "https://x/?payId=A1&sign=1"]
)
async def test_a_payment_that_is_not_signed_is_not_believed(stage: Stage, address: object) -> None:
    stage.mouth.at["/getOrder"] = Reply(said(order(state=1)))
    stage.mouth.says(said(address))
    with pytest.raises(GatewayFailed, match="does not sign"):
        await make(stage).query(BEGUN)


async def test_another_orders_proof_is_not_believed(stage: Stage) -> None:
    other = VmqVendor().callback(Claim(attempt_no="A2")).query.decode()
    stage.mouth.at["/getOrder"] = Reply(said(order(state=2)))
    stage.mouth.says(said(f"https://shop.example/?{other}"))
    with pytest.raises(GatewayFailed, match="another order"):
        await make(stage).query(BEGUN)
    stage.mouth.at["/getOrder"] = Reply(said(order(payId="A2", state=0)))
    with pytest.raises(GatewayFailed, match="another order"):
        await make(stage).query(BEGUN)


async def test_what_was_never_begun_is_not_asked_about(stage: Stage) -> None:
    assert await make(stage).query(INTENT) is None
    assert not stage.mouth.heard


# The simulated server


async def test_two_buyers_of_one_price_send_different_amounts(stage: Stage, server: VmqSimulator) -> None:
    gateway = make(stage, **server.options())
    first = await gateway.begin(INTENT)
    second = await gateway.begin(msgspec.structs.replace(INTENT, attempt_no="K202611010002"))
    assert (first.coin_amount, second.coin_amount) == ("12.50", "12.51")
    with pytest.raises(GatewayFailed, match="已存在"):
        await gateway.begin(INTENT)
    intent = msgspec.structs.replace(INTENT, attempt_no="K202611010002", gateway_ref=second.gateway_ref)
    waiting = await gateway.query(intent)
    assert waiting is not None
    assert waiting.state == "pending"
    server.pay(intent.attempt_no, lose=True)
    told = server.notification(server.find(intent.attempt_no), How())
    query = told.url.partition("?")[2].encode()
    notice = gateway.read_callback(CallbackRequest(method="GET", query=query, headers={}, body=b""))
    assert notice == await gateway.query(intent)
    assert (notice.amount_minor, notice.coin_amount) == (1250, "12.51")


async def test_the_self_test_proves_the_key_and_finds_the_phone(stage: Stage, server: VmqSimulator) -> None:
    assert [f.is_ok for f in await make(stage, **server.options()).test()] == [True, True, True]
    server.is_watching = False
    assert [f.subject for f in await make(stage, **server.options()).test() if not f.is_ok] == ["The watching phone"]
    other = "MD5" if server.sign_type == "HMAC_SHA256" else "HMAC_SHA256"
    for wrong in ({"key": "another"}, {"sign_type": other}):
        findings = await make(stage, **{**server.options(), **wrong}).test()
        assert [f.subject for f in findings if not f.is_ok] == ["Communication key (通讯密钥)", "The gateway says"]
