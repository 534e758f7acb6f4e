"""Alipay: the sheet's vectors, keys and certificates, bills, and what the public SDK makes of the same."""

import base64
import datetime as dt
import io
import json
import zipfile
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from alipay import AliPay, DCAliPay
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kashop.bundled.pay_alipay import bills
from kashop.bundled.pay_alipay.certificates import is_trusted, root_serial, serial_of
from kashop.bundled.pay_alipay.gateway import AlipayGateway
from kashop.bundled.pay_alipay.signing import content, members
from kashop.lib.errors import Invalid
from kashop.payments.types import CallbackRequest, GatewayFailed, Rejected
from kashop.plugins.api import is_rsa_signed, rsa_private_key, rsa_public_key, rsa_sign
from kashop.plugins.kit import Reply, Stage, open_stage
from kashop.plugins.kit.stage import NOW
from tests.gateways import testkeys
from tests.gateways.test_alipay_contract import HEAD, TRADE, AlipayVendor, packed, row, said, signature

REQUEST = (
    'app_id=2021000000000001&biz_content={"out_trade_no":"K202611010001","total_amount":"12.50","subject":"测试商品 VIP"}'
    "&charset=utf-8&format=JSON&method=alipay.trade.precreate&notify_url=https://shop.example/pay/alipay/notify/1"
    "&sign_type=RSA2&timestamp=2026-11-01 12:00:00&version=1.0"
)
REQUEST_SIGN = (
    "AzXXmfEPeGblwku8SBGT1XquRMxmFtEBpGKXtF9GZJILhYWtTweMR/qfwgp0Ws+5t3ZTXLh8mKnCP/h8XSUKwQCropxVMbqASwqFtfPUnl1/wscaXQbew3WMgeae"
    "6lRthCAHjMSNCn5PwuC+T77zaE6r843/j9o09f1trMA7wednBIpSNVOrM5PjovGQqz6QSMsyy3QJ4e5bnywpg7TyB0jaKXbOLqjvf+n4N3QF5pUyBDAEYnpAG9Jw"
    "fg84dqCx5YJWA5fGcZQp9KoAxPOxVbA8QGzuUYKDQJbaPwSLDubAPx7M8FlksMKf0Da6c44E1QlI3v+CSFS0F/qE0fbRXw=="
)
NODE = r'{"code":"10000","msg":"Success","out_trade_no":"K202611010001","qr_code":"https:\/\/qr.alipay.com\/bax000"}'
NODE_SIGN = (
    "jq8c1yfVti71swP1e2/sfdKNn5RGciBachZph1oyj29cDfD1rSF8s2cX6r64F06NIPVQhK3pFkbWrF0LoeNtFXY40bHEbb+VTJzDGE6dd8E/7Ov/YcDziicXL4jw"
    "J+0ZcszmoykhIkqLH1vJWPT2ULfnBuv4GE2LYZljenREqpCjBiCDFfZH9QESRfzfGQX+fNs9H36Eg/zNT1+WdCkk60DX1snnHyUUqwZU4zulXloc5Q5J2/o05AdQ"
    "k6EQSeDWpVZsw3N5hLyobOcOUrOJ7AzKhpT2HVWIx5iCs72AmpX9S9BHzhfE4JxKWSi+kbvKY8a8W4z9g2mR5f/pOHxrPQ=="
)
NOTICE = (
    "app_id=2021000000000001&auth_app_id=2021000000000001&buyer_id=2088000000000002&charset=utf-8&gmt_create=2026-11-01 12:00:30"
    "&gmt_payment=2026-11-01 12:00:40&notify_id=2026110100222120040012340000000001&notify_time=2026-11-01 12:00:41"
    "&notify_type=trade_status_sync&out_trade_no=K202611010001&receipt_amount=12.50&seller_id=2088000000000001"
    "&subject=测试商品 VIP&total_amount=12.50&trade_no=2026110122001400000000000001&trade_status=TRADE_SUCCESS&version=1.0"
)
NOTICE_SIGN = (
    "J+towhILBPgK3zpvbFX1ue5qHB0gLCAz0qjmm+6x8QVCrbkDF+sP8e+pDalWyaiaFj9om9Lw2dtQqq7kxJmz8nKHZ45ZLRhHAPIHNHgfaKOghR1j+UMvCGiMguRH"
    "lcwOnePSwxXbUtEhHtxyPtMsMcdsYrcrg7Dm6zdhOp+PeBPi+SvB/+rpEGD90TiZQ2IwWlFedSi46/x8IxaMx+u91r+MWbiPgZdjnnQxulPJVU8mflfjENRqEvwn"
    "Hq58h054hYI1/XCW9FnjDiWMhB0vZKZO8JLqWUvzYWZ3zRYRNJBazj/+vb41UG6OEp+PvUjhpvPZjE5b5Ol2VRTQw8SdMQ=="
)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


def make(stage: Stage, **options: str) -> AlipayGateway:
    return AlipayGateway({**AlipayVendor().options(stage.mouth.url), **options}, stage.ctx)


def fields_of(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split("&"))


def posted(fields: dict[str, str]) -> CallbackRequest:
    return CallbackRequest(method="POST", query=b"", headers={}, body=urlencode(fields).encode())


def sdk() -> AliPay:
    return AliPay(
        appid="2021000000000001",
        app_private_key_string=testkeys.private_pem("merchant", pkcs1=True),
        alipay_public_key_string=testkeys.public_pem("platform"),
    )


# The sheet's vectors


def test_vector_1_request() -> None:
    fields = fields_of(REQUEST)
    assert content({**fields, "sign": "x", "app_auth_token": ""}) == REQUEST
    assert rsa_sign(rsa_private_key(testkeys.private_line("merchant")), content(fields)) == REQUEST_SIGN
    assert sdk()._sign(REQUEST) == REQUEST_SIGN


def test_vector_2_reply() -> None:
    body = f'{{"alipay_trade_precreate_response":{NODE},"sign":"{NODE_SIGN}"}}'
    for spelt in (
        body,
        body.replace(":{", " :\n {", 1),
        f' {{"sign":"{NODE_SIGN}" , "alipay_trade_precreate_response":{NODE}}}\n',
    ):
        raw, node = members(spelt)["alipay_trade_precreate_response"]
        assert raw == NODE
        assert node["qr_code"] == "https://qr.alipay.com/bax000"
    assert is_rsa_signed(rsa_public_key(testkeys.public_line("platform")), NODE_SIGN, NODE)
    assert sdk()._verify(NODE, NODE_SIGN)


async def test_vector_3_notice(stage: Stage) -> None:
    fields = fields_of(NOTICE)
    request = posted({**fields, "sign_type": "RSA2", "sign": NOTICE_SIGN, "passback_params": ""})
    assert b"%2B" in request.body, "a plus in the signature is no blank"
    notice = make(stage).read_callback(request)
    assert (notice.state, notice.attempt_no, notice.gateway_txn) == ("paid", "K202611010001", "2026110122001400000000000001")
    assert (notice.amount_minor, notice.currency, notice.method) == (1250, "CNY", "alipay")
    assert sdk().verify({**fields, "sign_type": "RSA2"}, NOTICE_SIGN)


async def test_what_begin_sends_is_accepted_by_the_public_sdk(stage: Stage) -> None:
    """Signed as the SDK signs, in Beijing time, and a fifteen minutes' life."""
    vendor = AlipayVendor()
    intent = vendor.intent()
    stage.mouth.says(vendor.begin_reply(intent))
    await make(stage).begin(intent)
    line, body = stage.mouth.heard[-1]
    sent = {**dict(parse_qsl(urlsplit(line.split(" ")[1]).query)), **dict(parse_qsl(body.decode()))}
    signed_by = sent.pop("sign")
    assert sdk()._sign("&".join(f"{k}={v}" for k, v in sorted(sent.items()))) == signed_by
    assert sent["timestamp"] == "2026-11-01 12:00:00"
    about = json.loads(sent["biz_content"])
    assert (about["total_amount"], about["time_expire"], about["qr_code_timeout_express"]) == (
        "12.50",
        "2026-11-01 12:15:00",
        "15m",
    )
    assert sent["notify_url"] == intent.callback_url


# Replies


@pytest.mark.parametrize(
    "text",
    ["", "{", "{}x", '{"a":1,"a":1}', '{"a"}', '{"a":NaN}', '{"a":1,}', "{1:1}", "[]", '"x"', '{"a":' + "[" * 100_000],
)
def test_what_is_no_object_of_distinct_names_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        members(text)


async def test_an_answer_that_alipay_did_not_sign_is_not_believed(stage: Stage) -> None:
    method, intent = "alipay.trade.query", AlipayVendor().intent()
    trade = {"out_trade_no": intent.attempt_no, "trade_no": "Q1", "total_amount": "12.50", "trade_status": "TRADE_SUCCESS"}
    good = said(method, **trade)
    for bad in (
        said(method, who="merchant", **trade),
        good.replace(b"12.50", b"99.50"),
        good.replace(b'"Q1"', b'"Q1" '),
        good.replace(b'"sign"', b'"sing"'),
        good.replace(b'"sign":', b'"sign":1,"x":'),
    ):
        stage.mouth.says(bad)
        with pytest.raises(GatewayFailed) as caught:
            await make(stage).query(intent)
        assert caught.value.is_unclear
    stage.mouth.says(good)
    notice = await make(stage).query(intent)
    assert notice is not None
    assert notice.state == "paid"


async def test_an_unclear_refund_is_unclear(stage: Stage) -> None:
    for code, sub_code in (("20000", "isp.unknow-error"), ("40004", "ACQ.SYSTEM_ERROR"), ("40004", "aop.ACQ.SYSTEM_ERROR")):
        stage.mouth.says(said("alipay.trade.refund", code=code, sub_code=sub_code))
        with pytest.raises(GatewayFailed) as caught:
            await make(stage).refund(AlipayVendor().ask())
        assert caught.value.is_unclear


# Notices


def told(**over: str) -> CallbackRequest:
    fields = {**fields_of(NOTICE), **over}
    return posted({**fields, "sign_type": "RSA2", "sign": signature(content(fields))})


async def test_a_notice_about_a_refund_pays_nothing_and_says_what_went_back(stage: Stage) -> None:
    gateway = make(stage)
    ours = gateway.read_callback(told(refund_fee="5.00", gmt_refund="2026-11-01 13:00:00", out_biz_no="R261101TEST0000000001"))
    assert (ours.state, ours.amount_minor) == ("refunded", 0)
    assert ours.refund is not None
    assert (ours.refund.state, ours.refund.refund_no, ours.refund.amount_minor) == ("done", "R261101TEST0000000001", 0)
    theirs = gateway.read_callback(told(refund_fee="5.00", out_biz_no="20261101001")).refund
    assert theirs is not None
    assert (theirs.refund_no, theirs.gateway_refund, theirs.amount_minor) == ("", "20261101001", 500)
    whole = gateway.read_callback(told(trade_status="TRADE_CLOSED", refund_fee="12.50", out_biz_no="K202611010001"))
    assert whole.state == "refunded"
    assert gateway.read_callback(told(trade_status="TRADE_CLOSED")).state == "closed"
    assert gateway.read_callback(told(refund_fee="0.00")).state == "paid"
    assert gateway.read_callback(told(trade_status="TRADE_FINISHED")).state == "paid"
    for bad in ({"refund_fee": "1e1"}, {"refund_fee": "5.00", "trade_no": ""}, {"trade_no": "\u00e9"}):
        with pytest.raises(Rejected):
            gateway.read_callback(told(**bad))


async def test_a_notice_for_another_seller_or_by_another_way_is_rejected(stage: Stage) -> None:
    gateway = make(stage, seller_id="2088000000000009")
    with pytest.raises(Rejected, match="merchant"):
        gateway.read_callback(told())
    good = posted({**fields_of(NOTICE), "sign_type": "RSA2", "sign": NOTICE_SIGN})
    for sign_type in ("RSA", "", "rsa2", "MD5"):
        with pytest.raises(Rejected, match="sign_type"):
            make(stage).read_callback(posted({**fields_of(NOTICE), "sign_type": sign_type, "sign": NOTICE_SIGN}))
    with pytest.raises(Rejected, match="malformed"):
        make(stage).read_callback(CallbackRequest(method="GET", query=good.body, headers={}, body=b""))


# Options


async def test_keys_that_are_mixed_up_are_refused_when_they_are_saved(stage: Stage) -> None:
    for option, value in (
        ("alipay_public_key", testkeys.public_line("merchant")),
        ("alipay_public_key", testkeys.private_line("platform")),
        ("private_key", testkeys.public_line("merchant")),
        ("app_id", "20210000"),
        ("seller_id", "1234"),
        ("contracts", "qr,app"),
        ("contracts", ","),
        ("url", "http://openapi.alipay.com/gateway.do"),
        ("url", "https://[::1"),
        ("app_cert", testkeys.public_pem("merchant")),
    ):
        with pytest.raises(Invalid) as caught:
            make(stage, **{option: value})
        assert caught.value.fields
        assert testkeys.private_line("merchant") not in repr(caught.value)


# Certificates


class Authority:
    """A root as Alipay has one, what is issued under it, and what the SDK takes for its files."""

    def __init__(self) -> None:
        self.key = testkeys.private_key("authority")
        self.root = issue("Ant Root", self.key, "Ant Root", self.key, is_ca=True)

    def issued(self, name: str, key: RSAPrivateKey) -> x509.Certificate:
        return issue(name, key, "Ant Root", self.key)


def issue(name: str, key: RSAPrivateKey, by: str, by_key: RSAPrivateKey, *, is_ca: bool = False) -> x509.Certificate:
    def named(common: str) -> x509.Name:
        parts = ((NameOID.COUNTRY_NAME, "CN"), (NameOID.ORGANIZATION_NAME, "Ant Financial"))
        more = ((NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification Authority"), (NameOID.COMMON_NAME, common))
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in (*parts, *more)])

    begin = dt.datetime.fromtimestamp(NOW / 1000, dt.UTC) - dt.timedelta(days=9)
    builder = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(by)).public_key(key.public_key())
    builder = builder.serial_number(0x1234567890ABCDEF + len(name)).not_valid_before(begin)
    builder = builder.not_valid_after(begin + dt.timedelta(days=900))
    return builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True).sign(by_key, SHA256())


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def with_certificates(authority: Authority) -> dict[str, str]:
    return {
        "alipay_public_key": pem(authority.issued("Alipay", testkeys.private_key("platform"))).replace("\n", " "),
        "app_cert": pem(authority.issued("App", testkeys.private_key("merchant"))),
        "root_cert": pem(authority.root),
    }


def test_serial_numbers_are_those_of_the_public_sdk() -> None:
    authority = Authority()
    theirs = DCAliPay(
        appid="2021000000000001",
        app_private_key_string=testkeys.private_pem("merchant", pkcs1=True),
        app_public_key_cert_string=pem(authority.issued("App", testkeys.private_key("merchant"))),
        alipay_public_key_cert_string=pem(authority.issued("Alipay", testkeys.private_key("platform"))),
        alipay_root_cert_string=pem(authority.root),
    )
    assert serial_of(authority.issued("App", testkeys.private_key("merchant"))) == theirs.app_cert_sn
    assert root_serial([authority.root]) == theirs.alipay_root_cert_sn


def test_only_what_the_root_issued_is_trusted() -> None:
    authority, key = Authority(), testkeys.private_key("platform")
    leaf = authority.issued("Alipay", key)
    assert is_trusted([leaf], [authority.root], NOW)
    assert not is_trusted([leaf], [authority.root], NOW + 1000 * 86_400_000), "out of force"
    assert not is_trusted([issue("Alipay", key, "Ant Root", key)], [authority.root], NOW), "only named so"
    below = issue("Alipay", testkeys.private_key("stranger"), "Alipay", key)
    assert not is_trusted([below, leaf], [authority.root], NOW), "issued by one that may not issue"


async def test_in_certificate_mode_a_new_certificate_is_fetched_and_judged(stage: Stage) -> None:
    authority, intent = Authority(), AlipayVendor().intent()
    gateway = make(stage, **with_certificates(authority))
    fresh = authority.issued("Alipay 2", testkeys.private_key("fresh"))

    def reply(certificate: x509.Certificate, who: str) -> bytes:
        trade = {"out_trade_no": intent.attempt_no, "trade_status": "WAIT_BUYER_PAY"}
        text = said("alipay.trade.query", who, **trade).decode()
        return f'{text[:-1]},"alipay_cert_sn":"{serial_of(certificate)}"}}'.encode()

    stage.mouth.says(reply(authority.issued("Alipay", testkeys.private_key("platform")), "platform"))
    assert (await gateway.query(intent)) is not None
    sent = dict(parse_qsl(urlsplit(stage.mouth.heard[-1][0].split(" ")[1]).query))
    assert len(sent["app_cert_sn"]) == len(sent["alipay_root_cert_sn"]) == 32
    download = "alipay.open.app.alipaycert.download"
    stage.mouth.says(reply(fresh, "fresh"))
    for offered in (issue("Alipay 2", testkeys.private_key("fresh"), "Ant Root", testkeys.private_key("fresh")), fresh):
        stage.clock.at += 61_000
        body = said(download, "fresh", alipay_cert_content=base64.b64encode(pem(offered).encode()).decode())
        stage.mouth.at[f"/gateway.do?method={download}&"] = Reply(body)
        if offered is fresh:
            assert (await gateway.query(intent)) is not None
        else:
            with pytest.raises(GatewayFailed, match="root"):
                await gateway.query(intent)
            with pytest.raises(GatewayFailed, match="not known"):
                await gateway.query(intent)


# Bills


def test_a_bill_is_read_as_a_zip_and_as_a_table() -> None:
    rows = (row("交易", "12.50", fee="-0.08"), row("退款", "-5.00", "R261101TEST0000000001"), row("其他", "1.00"))
    table = "\ufeff" + "\r\n".join([HEAD, *rows])
    by_zip = bills.read(packed(*rows))
    assert bills.read(table.encode()) == bills.read(table[1:].encode("gbk")) == by_zip
    assert [(line.kind, line.amount_minor, line.refund_no, line.fee_minor) for line in by_zip] == [
        ("payment", 1250, "", 8),
        ("refund", 500, "R261101TEST0000000001", 0),
    ]
    assert {line.gateway_txn for line in by_zip} == {TRADE}
    assert bills.read(packed()) == []


def test_a_bill_that_is_broken_or_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = row("交易", "12.50")
    for bad in (good.replace("12.50", "12.505"), good.replace("12:00:40", "noon"), good.replace(TRADE, "")):
        with pytest.raises(ValueError):
            bills.read(packed(bad))
    monkeypatch.setattr(bills, "MOST_BYTES", 100_000)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"," * 1_000_000)
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(21):
            archive.writestr(f"{number}.csv", b"a")
    cut = packed(good)[:-30]
    for content_ in (bomb.getvalue(), many.getvalue(), cut):
        with pytest.raises(ValueError):
            bills.read(content_)
