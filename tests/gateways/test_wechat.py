"""WeChat Pay: the sheet's vectors, both key modes, sealed and signed words, bills, and what the public SDK makes of the same."""

import base64
import gzip
import json
from collections.abc import AsyncIterator

import msgspec
import pytest
from wechatpayv3.utils import aes_decrypt, build_authorization, rsa_sign, rsa_verify

from kashop.bundled.pay_wechat import bills, signing
from kashop.bundled.pay_wechat.gateway import WechatGateway
from kashop.lib.errors import Invalid
from kashop.payments.types import CallbackRequest, GatewayFailed, Rejected
from kashop.plugins.api import is_rsa_signed, rsa_private_key, rsa_public_key
from kashop.plugins.kit import Claim, Reply, Stage, open_stage
from kashop.plugins.kit.stage import NOW
from tests.gateways import testkeys
from tests.gateways.test_wechat_contract import (
    KEY,
    SERIAL,
    WechatVendor,
    bill,
    certificates,
    noticed,
    replied,
    row,
    sealed,
    signed,
)

ORDER = (
    '{"appid":"wx0000000000000001","mchid":"1900000001","description":"VIP","out_trade_no":"K202611010001",'
    '"notify_url":"https://shop.example/pay/wechat/notify/2","amount":{"total":1250,"currency":"CNY"}}'
)
ORDER_SIGN = (
    "F0rL5BehXE0ppc7KK7pMA61zC7p8EsbNbhANPwH1ntgcEFg+u6EUCuAWUgrAxbmAhO6477tRwFzHgcvSyggHSXlwOR0tqxWQZx7cjMm/dj/WTXb2wAUjkOBiphry"
    "OyY+w03amuvz3myWSJUTQ/DXlrlUtpTaFzIJ7ll9lf7rhnDpUmOJmk4m6eACR4ZRdypYwPWTDe3+T1aqGHfzyRp0wsjRNXvCQLXJxja5imRcJm1vQGw7LmVdSD6T"
    "V9D5OvVizwwjY2wtlvncmfL6ROJatiTkXwYpOrm9gvwdOjp+GjyKAbFQk5aD/JXXahJbachnUmqYMWaexIAWjYmeTfj6qA=="
)
QUERY = "/v3/pay/transactions/out-trade-no/K202611010001?mchid=1900000001"
QUERY_SIGN = (
    "EStCJkcUxQ06ztLE3UdaAXsZ0ifyQ/rApJ01ph+VfHvSjjgudOwmcrw4o7LqfDMwtTnErNOrdnK4AkkpVWUjcC7GuqMjRmyu2qvR+ROOiLkdf6aw9QfEo+YFI8XL"
    "WIu7i7tv0C+/Uq5OacGaN11rmrC8IYhz4Db3JgOEzUAWRhCHNraZRmXxaUNxWR5sIwxY+4Rp1rMr+fSJuQ83rV7+RDDL/sL16S93SQbKQF2LCBFXhBSgq4J300DG"
    "NxFL8jxyKfUOeYZ1I3KWLPu+tuF2MDEasc5ljrCQDCxs4GZyIJWv6AziTNyMpSUjc18M680O9k30c0UxsCk9WquBIGHCwg=="
)
NOTICE = '{"id":"EV-2","resource":{"ciphertext":"Tc5+TySrfaMWv9dzzxFstFRsCpvuD5Q="}}'
NOTICE_SIGN = (
    "h0mF5IulS2oozhjTZQgYicXwqZbOL9d3fo8PJPo6VMvRxQKHu9eCmTYDF1TtahZr29aHvBLaRmy6GabFKPYDLvT5qteyDus3Sui3p1V5fD3Z4ILlpMDt/SG4QVRQ"
    "gIC61nrqItCwliAJDHeL55xpaB10sdxZrdbXP7TXxAsD0AEr1WwIXEiRmmG/a7iwUHQ9YVjJqEXJvYcCDf6+qUAHT/Yh+7ymdAXpqgWRRZES68CZqFmTv8bI3Prk"
    "G5RoGUP52u8ONUFxK/u3qpkiYDRSPRq1arxyGJOzVGqG/oQD6Oyyv3fZzSkb8JcxdRNg0R0dCHVBInHbA0GOJXQM2a8+oQ=="
)
SEALED = (
    "Tc5yDnbzZLTpZ2gG/Znn6kCoMb/LRY1X2+pJjGDhpMPu9PR/XLkKxqu+d7ZqumCfvurELO9OQYZXucswPv9bv3KN/ny84xuWs7kk02O5Lso1XOqJl8eh6AgrItyW"
    "A58RVSu+xYohkK57927oagtgvV2uAoGPnI5uGSPXz7yBEcunxTtNhnTMUDk+gJTc9mBm+E4nDbKRZetyH6r38qS/2Hlqo9yn/Sa39iVWISwLaVzzUryQFDng0EaD"
    "SywaaDzgFY+4foczyukd1kLOGK2NefCuE3yHJUmn5pcpKg7i6d7OBUvE8XdH66xfnmx4F8Y6sA6DtusyZUtTdrCYLXEn7iO0kUSix1M/uhQpwooTFHjiUaejPdvb"
    "uRTMERUvt0sAvxtXfLhzg3Zi5qnmM1KWjOzjvU0oAiA00sHa0eAuXUP24Ast/H2v9EPhefXnSk2uhgCyvUEGdolZCiTfYujOO5H073gN2CZRHzcY3Xa1HeHrkI7v"
    "h0+JzepQeA=="
)
PAY_SIGN = (
    "FMwQhUINmQLT9yJQ7io7m3yMVIY1v9zHyzyc56ntE1AD8b7Lhp0hXlTIx008jlj5sr7XyNAKoMxwqvBn2PEMKffMc+DkjVp+CXa5JWX1jYpi6jyLj7WtU46hjGeS"
    "oqaVlAwwxKUggI1BRKTBWxrU/6Lx4vuk087J8oW5VN3/ekAnlF7/BM9luJI6MVZOiUaBj2gxAZWkvNiIb+F7VsS/O0oqKya/YlPzJgC5B1YRYHhtcpCTrfKj5JgC"
    "814EZcKTx3sJIuXo+lhnSNoxwkMOC17lUiBODiOFJpEwVTOZeYCX7kj1zDpjsUV2UvjnGATF0tW3obJfMMCs5UKwuiqWQw=="
)
STAMP = "1793505600"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


def make(stage: Stage, **options: str) -> WechatGateway:
    return WechatGateway({**WechatVendor().options(stage.mouth.url), **options}, stage.ctx)


def by_certificates(stage: Stage) -> WechatGateway:
    return make(stage, public_key="", public_key_id="")


# The sheet's vectors


def test_vectors_1_and_2_requests() -> None:
    key = rsa_private_key(testkeys.private_line("merchant"))
    for method, target, nonce, body, expected in (
        ("POST", "/v3/pay/transactions/native", "NONCE0000000000000000000000000001", ORDER, ORDER_SIGN),
        ("GET", QUERY, "NONCE0000000000000000000000000002", "", QUERY_SIGN),
    ):
        text = signing.asked(method, target, STAMP, nonce, body)
        assert signing.sign(key, text) == expected
        assert rsa_sign(testkeys.private_key("merchant"), text) == expected


def test_vector_3_notification() -> None:
    text = signing.told("1793505661", "NOTIFYNONCE0000000000000000000001", NOTICE)
    assert is_rsa_signed(rsa_public_key(testkeys.public_pem("platform")), NOTICE_SIGN, text)
    public = testkeys.private_key("platform").public_key()
    assert rsa_verify("1793505661", "NOTIFYNONCE0000000000000000000001", NOTICE, NOTICE_SIGN, public)


async def test_vector_4_resource(stage: Stage) -> None:
    about = {"algorithm": "AEAD_AES_256_GCM", "nonce": "nonce0000001", "associated_data": "transaction"}
    assert signing.opened({**about, "ciphertext": "Tc5+TySrfaMWv9dzzxFstFRsCpvuD5Q="}, KEY) == '{"a":1}'
    text = signing.opened({**about, "ciphertext": SEALED}, KEY)
    assert text == aes_decrypt("nonce0000001", SEALED, "transaction", KEY)
    notice = make(stage).read_callback(noticed(text))
    assert (notice.state, notice.attempt_no, notice.amount_minor, notice.currency) == ("paid", "K202611010001", 1250, "CNY")
    assert (notice.gateway_txn, notice.method) == ("4200000000202611010000000001", "wxpay")


async def test_vector_5_payment_inside_wechat(stage: Stage) -> None:
    asked = make(stage).bridged("wx01120000000000000000000001", STAMP, "NONCE0000000000000000000000000003")
    assert asked["paySign"] == PAY_SIGN
    assert asked["package"] == "prepay_id=wx01120000000000000000000001"
    assert (asked["signType"], asked["timeStamp"]) == ("RSA", STAMP)


async def test_what_is_sent_is_what_the_public_sdk_would_send(stage: Stage) -> None:
    vendor = WechatVendor()
    stage.mouth.says(vendor.begin_reply(vendor.intent()))
    await make(stage).begin(vendor.intent())
    (line, body), head = stage.mouth.heard[-1], stage.mouth.heads[-1]
    header = next(h.partition(": ")[2] for h in head.split("\r\n") if h.lower().startswith("authorization:"))
    told = dict(part.split("=", 1) for part in header.partition(" ")[2].replace('"', "").split(","))
    nonce, stamp = told["nonce_str"], told["timestamp"]
    assert stamp == STAMP
    text = f"POST\n/v3/pay/transactions/native\n{stamp}\n{nonce}\n{body.decode()}\n"
    assert told["signature"] == rsa_sign(testkeys.private_key("merchant"), text)
    theirs = build_authorization(
        "/v3/pay/transactions/native", "POST", "1900000001", told["serial_no"], testkeys.private_key("merchant"), body.decode()
    )
    assert theirs.partition(" ")[0] == header.partition(" ")[0]
    order = json.loads(body)
    assert (order["amount"], order["time_expire"]) == ({"total": 1250, "currency": "CNY"}, "2026-11-01T12:15:00+08:00")
    assert "wechatpay-serial: pub_key_id_0100000000000000" in head.lower()
    assert line.startswith("POST /v3/pay/transactions/native")


# What is not believed


async def test_an_answer_or_notice_that_is_not_proved_is_not_believed(stage: Stage) -> None:
    vendor, gateway = WechatVendor(), make(stage)
    trade = vendor.trade(vendor.intent(), "SUCCESS")
    good = replied(trade)
    head = good.headers
    bad = (
        Reply(good.body),
        Reply(good.body.replace(b"1250", b"9999"), 200, head),
        replied(trade, who="merchant"),
        replied(trade, at=NOW - 301_000),
        replied(trade, at=NOW + 301_000),
        replied(trade, serial="ABCDEF"),
        Reply(good.body, 200, {**head, "wechatpay-timestamp": "17935056"}),
        Reply(good.body, 200, {**head, "wechatpay-signature": "WECHATPAY/SIGNTEST/" + head["wechatpay-signature"]}),
        Reply(good.body, 200, {k: v for k, v in head.items() if k != "wechatpay-serial"}),
    )
    for reply in bad:
        stage.mouth.says(reply)
        with pytest.raises(GatewayFailed) as caught:
            await gateway.query(vendor.intent())
        assert caught.value.is_unclear
    stage.mouth.says(good)
    notice = await gateway.query(vendor.intent())
    assert notice is not None
    assert notice.state == "paid"


async def test_notices_are_refused_by_a_word_that_says_why(stage: Stage) -> None:
    vendor, gateway = WechatVendor(), make(stage)
    good = vendor.callback(Claim())
    probe = {**good.headers, "wechatpay-signature": "WECHATPAY/SIGNTEST/" + good.headers["wechatpay-signature"]}

    def body_of(text: str) -> CallbackRequest:
        return CallbackRequest(method="POST", query=b"", headers=signed(text), body=text.encode())

    twice = '{"mchid":"1900000001","mchid":"1900000001","out_trade_no":"A1"}'
    other_seal = {**sealed("{}"), "associated_data": "refund"}
    for request, word in (
        (msgspec.structs.replace(good, headers=probe), "probe"),
        (msgspec.structs.replace(good, headers={}), "timestamp"),
        (noticed("{}", at=NOW - 301_000), "timestamp"),
        (noticed("{}", serial="unknown"), "serial"),
        (noticed("{}", who="merchant"), "signature"),
        (msgspec.structs.replace(good, query=b"a=1"), "malformed"),
        (body_of("[]"), "malformed"),
        (body_of(json.dumps({"resource": other_seal})), "malformed"),
        (body_of(json.dumps({"resource": {**sealed("{}"), "nonce": None, "ciphertext": 7}})), "malformed"),
        (noticed(twice), "malformed"),
        (noticed("{}"), "merchant"),
    ):
        with pytest.raises(Rejected) as caught:
            gateway.read_callback(request)
        assert caught.value.reason == word


async def test_a_stored_notice_is_believed_by_the_time_it_came(stage: Stage) -> None:
    good = WechatVendor().callback(Claim())
    stage.clock.at = NOW + 86_400_000
    with pytest.raises(Rejected, match="timestamp"):
        make(stage).read_callback(good)
    assert make(stage).read_callback(msgspec.structs.replace(good, received_at=NOW + 1000)).state == "paid"


async def test_a_notice_about_a_refund_says_which_and_how_much(stage: Stage) -> None:
    gateway = make(stage)
    about = {"mchid": "1900000001", "out_trade_no": "A1", "transaction_id": "42", "refund_id": "50", "amount": {"refund": 500}}
    for status, number, state, refund_no in (
        ("SUCCESS", "R261101TEST0000000001", "done", "R261101TEST0000000001"),
        ("CLOSED", "R261101TEST0000000001", "failed", "R261101TEST0000000001"),
        ("ABNORMAL", "20261101", "pending", ""),
    ):
        text = json.dumps({**about, "refund_status": status, "out_refund_no": number})
        notice = gateway.read_callback(noticed(text, f"REFUND.{status}"))
        assert (notice.state, notice.amount_minor) == ("refunded", 0)
        assert notice.refund is not None
        told = notice.refund
        assert (told.state, told.refund_no, told.gateway_refund, told.amount_minor) == (state, refund_no, "50", 500)
        assert bool(told.problem) is (state != "done")
    other = gateway.read_callback(noticed(json.dumps(about), "TRANSFER.SUCCESS"))
    assert (other.state, other.attempt_no) == ("pending", ""), "genuine, and about nothing of ours"


# Platform certificates


async def test_platform_certificates_are_fetched_and_what_they_sign_is_believed(stage: Stage) -> None:
    vendor, gateway = WechatVendor(), by_certificates(stage)
    stage.mouth.at["/v3/certificates"] = certificates()
    stage.mouth.says(replied(vendor.trade(vendor.intent(), "SUCCESS"), serial=SERIAL))
    assert (await gateway.query(vendor.intent())) is not None
    assert (await gateway.query(vendor.intent())) is not None
    asked = [line for line, _ in stage.mouth.heard if "/v3/certificates" in line]
    assert len(asked) == 1, "fetched once"
    text = vendor.callback(Claim()).body.decode()
    request = CallbackRequest(method="POST", query=b"", headers=signed(text, serial=SERIAL), body=text.encode())
    assert gateway.read_callback(request).state == "paid"


async def test_certificates_that_the_apiv3_key_did_not_seal_are_not_believed(stage: Stage) -> None:
    vendor = WechatVendor()
    good = certificates()
    forged = json.loads(good.body)
    forged["data"][0]["encrypt_certificate"]["ciphertext"] = base64.b64encode(b"x" * 99).decode()
    for reply in (replied(forged, serial=SERIAL), Reply(good.body), Reply(good.body, 200, signed("other", serial=SERIAL))):
        stage.mouth.at["/v3/certificates"] = reply
        stage.mouth.says(replied(vendor.trade(vendor.intent(), "SUCCESS"), serial=SERIAL))
        with pytest.raises(GatewayFailed) as caught:
            await by_certificates(stage).query(vendor.intent())
        assert caught.value.is_unclear


async def test_during_a_switch_of_keys_both_are_good(stage: Stage) -> None:
    vendor, gateway = WechatVendor(), make(stage)
    stage.mouth.at["/v3/certificates"] = certificates()
    for serial in (SERIAL, vendor.serial, SERIAL):
        stage.mouth.says(replied(vendor.trade(vendor.intent(), "NOTPAY"), serial=serial))
        assert (await gateway.query(vendor.intent())) is not None


async def test_forged_serial_numbers_make_us_ask_once_a_minute(stage: Stage) -> None:
    gateway = make(stage)
    stage.mouth.says(Reply(b"{}", 404))
    for number in range(50):
        with pytest.raises(Rejected, match="serial"):
            gateway.read_callback(noticed("{}", serial=f"{number:040}"))
    await stage.ctx.close()
    assert len(stage.mouth.heard) <= 1


# Options


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("mchid", "19000"),
        ("appid", "1234"),
        ("api_v3_key", "short"),
        ("api_v3_key", "测" * 32),
        ("serial_no", "xyz"),
        ("private_key", testkeys.public_line("merchant")),
        ("public_key", testkeys.public_pem("merchant")),
        ("public_key", ""),
        ("public_key_id", ""),
        ("public_key_id", "KEY_1"),
        ("contracts", "native,app"),
        ("app_secret", ""),
        ("url", "http://api.mch.weixin.qq.com"),
        ("url", "https://api.mch.weixin.qq.com/v3"),
    ],
)
async def test_options_that_cannot_work_are_refused_by_name(stage: Stage, option: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        make(stage, **{option: value})
    assert option in [e.field for e in caught.value.fields]
    assert KEY not in repr(caught.value)


async def test_only_wechat_is_asked_for_bills(stage: Stage) -> None:
    gateway = make(stage)
    for url in ("https://evil.example/file", f"{stage.mouth.url}0/file", "file:///etc/passwd", "//evil.example"):
        with pytest.raises(GatewayFailed):
            await gateway._client.download(url, limit=100)
    assert not stage.mouth.heard


# Bills


def test_a_bill_is_read_packed_and_plain() -> None:
    plain = bill(row(), row(refund_no="R261101TEST0000000001"))
    lines = bills.read(plain)
    assert bills.read(gzip.compress(plain)) == lines
    assert [(line.kind, line.amount_minor, line.refund_no, line.fee_minor) for line in lines] == [
        ("payment", 1250, "", 8),
        ("refund", 500, "R261101TEST0000000001", 0),
    ]
    assert bills.read(bill()) == []
    assert bills.read(bill(row().replace("SUCCESS", "REVOKED"))) == []


def test_a_bill_that_is_broken_or_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = row()
    for bad in (good.replace("`12.50", "`12.505"), good.replace("12:01:00", "noon"), good[1:], good + ",`more"):
        with pytest.raises(ValueError):
            bills.read(bill(bad))
    monkeypatch.setattr(bills, "MOST_BYTES", 100_000)
    for content in (gzip.compress(b"," * 1_000_000), gzip.compress(bill(good))[:-20], b"`" * 200_000):
        with pytest.raises(ValueError):
            bills.read(content)
