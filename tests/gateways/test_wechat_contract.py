"""WeChat Pay keeps the contract in both key modes: its side written from the sheet, with signing of its own."""

import datetime as dt
import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kashop.bundled.pay_wechat.gateway import WECHAT
from kashop.payments.types import CallbackRequest, Intent, RefundAsk, StatementLine
from kashop.plugins.kit import Claim, GatewayContract, Reply, Stage, Vendor
from kashop.plugins.kit.stage import NOW
from tests.gateways import testkeys

MCHID, APPID, KEY = "1900000001", "wx0000000000000001", "kashopTestApiV3Key00000000000001"
KEY_ID, SERIAL = "PUB_KEY_ID_0100000000000000", "11223344556677889900AABBCCDDEEFF00112233"
TXN = "4200000000202611010000000001"
BILL = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,"
    "商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)


def signed(body: str, *, serial: str = KEY_ID, who: str = "platform", at: int = NOW) -> dict[str, str]:
    stamp, nonce = str(at // 1000), "NOTIFYNONCE0000000000000000000001"
    raw = testkeys.private_key(who).sign(f"{stamp}\n{nonce}\n{body}\n".encode(), padding.PKCS1v15(), SHA256())
    names = ("wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature", "wechatpay-serial")
    return dict(zip(names, (stamp, nonce, b64encode(raw).decode(), serial), strict=True))


def replied(value: Any, status: int = 200, **how: Any) -> Reply:
    body = json.dumps(value, ensure_ascii=False) if value is not None else ""
    return Reply(body.encode(), status, signed(body, **how))


def sealed(text: str, beside: str = "transaction") -> dict[str, str]:
    raw = AESGCM(KEY.encode()).encrypt(b"nonce0000001", text.encode(), beside.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": b64encode(raw).decode(),
        "associated_data": beside,
        "nonce": "nonce0000001",
    }


def noticed(text: str, event: str = "TRANSACTION.SUCCESS", **how: Any) -> CallbackRequest:
    """A notification about a resource in this JSON text."""
    notice = {"id": "EV-1", "event_type": event, "resource_type": "encrypt-resource", "resource": sealed(text)}
    body = json.dumps(notice, ensure_ascii=False)
    return CallbackRequest(method="POST", query=b"", headers=signed(body, **how), body=body.encode())


def certificates(*, who: str = "platform", serial: str = SERIAL) -> Reply:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com")])
    begin = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(testkeys.private_key(who).public_key())
    builder = builder.serial_number(7).not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=1800))
    pem = builder.sign(testkeys.private_key(who), SHA256()).public_bytes(Encoding.PEM).decode()
    entry = {"serial_no": serial, "encrypt_certificate": sealed(pem, "certificate")}
    return replied({"data": [entry]}, serial=serial, who=who)


def row(*, refund_no: str = "") -> str:
    gone = ["50000", refund_no, "5.00", "0.00", "ORIGINAL", "SUCCESS"] if refund_no else ["0", "0", "0.00", "0.00", "", ""]
    cells = ["2026-11-01 12:01:00", APPID, MCHID, "0", "", TXN, Claim().attempt_no, "oTest", "NATIVE"]
    cells += ["REFUND" if refund_no else "SUCCESS", "OTHERS", "CNY", "12.50", "0.00", *gone, "测试, 商品", "", "0.07500", "0.60%"]
    return ",".join(f"`{cell}" for cell in [*cells, "12.50", "5.00" if refund_no else "0.00", ""])


def bill(*rows: str) -> bytes:
    foot = ["总交易单数,应结订单总金额", f"`{len(rows)},`12.50", ""]
    return ("\ufeff" + "\r\n".join([BILL, *rows, *foot])).encode()


class WechatVendor(Vendor):
    """WeChat Pay in public-key mode, by QR code."""

    type = WECHAT
    method = "wxpay"
    unpaid = ("NOTPAY", "CLOSED", "REVOKED", "USERPAYING", "PAYERROR", "success", "SUCCESS ", "")
    bad_amounts = ('"1e3"', "1e3", "12.0", "-1", "0", "NaN", "null", "true", "[1]", '{"total":1}', '""', '"１２"', "9" * 40)
    calls_to_begin = True
    calls_to_query = True
    serial = KEY_ID

    def options(self, base_url: str) -> dict[str, str]:
        """A merchant's account."""
        ids = {"mchid": MCHID, "appid": APPID, "api_v3_key": KEY, "serial_no": "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"}
        keys = {"private_key": testkeys.private_line("merchant"), "public_key": testkeys.public_pem("platform")}
        more = {"public_key_id": KEY_ID, "contracts": "native,jsapi", "app_secret": "0123456789abcdef0123456789abcdef"}
        return {**ids, **keys, **more, "url": base_url}

    def callback(self, claim: Claim) -> CallbackRequest:
        """Sheet §4; an amount that is none is written as it stands."""
        try:
            total = str(int(Decimal(claim.amount) * 100)) if claim.amount in self.amounts else claim.amount
        except InvalidOperation:
            total = claim.amount
        trade = {
            "mchid": claim.merchant or MCHID,
            "appid": APPID,
            "out_trade_no": claim.attempt_no,
            "transaction_id": claim.txn,
            "trade_type": "NATIVE",
            "trade_state": "SUCCESS" if claim.state == "paid" else claim.state,
        }
        text = json.dumps(trade, ensure_ascii=False)[:-1] + f',"amount":{{"total":{total},"payer_total":1,"currency":"CNY"}}}}'
        return noticed(text, serial=self.serial)

    def reply(self, value: Any, status: int = 200) -> Reply:
        return replied(value, status, serial=self.serial)

    def begin_reply(self, intent: Intent) -> Reply:
        """Sheet §1."""
        return self.reply({"code_url": "weixin://wxpay/bizpayurl?pr=abc"})

    def refusal(self, secret: str) -> Reply:
        """A careless WeChat."""
        return self.reply({"code": "INVALID_REQUEST", "message": f"key {secret} is bad"}, 400)

    def trade(self, intent: Intent, state: str) -> dict[str, Any]:
        about = {"mchid": MCHID, "appid": APPID, "out_trade_no": intent.attempt_no, "trade_state": state}
        return {**about, "transaction_id": "Q1", "amount": {"total": 1250, "currency": "CNY"}}

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """Sheet §1."""
        replies = {
            "paid": self.reply(self.trade(intent, "SUCCESS")),
            "unpaid": self.reply(self.trade(intent, "NOTPAY")),
            "unknown": self.reply({"code": "ORDER_NOT_EXIST", "message": "订单不存在"}, 404),
        }
        stage.mouth.says(replies[state])

    async def arrange_refund(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Sheet §6."""
        states = {"done": "SUCCESS", "pending": "PROCESSING"}
        about = {"refund_id": "5000", "out_refund_no": ask.refund_no, "status": states.get(state), "amount": {"refund": 500}}
        stage.mouth.says(
            self.reply({"code": "NOT_ENOUGH", "message": "余额不足"}, 403) if state == "failed" else self.reply(about)
        )

    async def arrange_refund_query(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Sheet §6."""
        states = {"done": "SUCCESS", "pending": "ABNORMAL", "failed": "CLOSED"}
        about = {"refund_id": "5000", "out_refund_no": ask.refund_no, "status": states.get(state), "amount": {"refund": 500}}
        unknown = self.reply({"code": "RESOURCE_NOT_EXISTS", "message": "退款单不存在"}, 404)
        stage.mouth.says(unknown if state == "unknown" else self.reply(about))

    async def arrange_close(self, stage: Stage, intent: Intent, state: str) -> None:
        """Sheet §1."""
        errors = {"closed": ("ORDER_CLOSED", 400), "unknown": ("ORDER_NOT_EXIST", 404), "paid": ("ORDERPAID", 400)}
        if state == "open":
            stage.mouth.says(self.reply(None, 204))
        else:
            code, status = errors[state]
            stage.mouth.says(self.reply({"code": code, "message": code}, status))

    async def arrange_statement(self, stage: Stage, day: dt.date, state: str) -> Sequence[StatementLine]:
        """Sheet §7."""
        midnight = dt.datetime.combine(day, dt.time(), dt.timezone(dt.timedelta(hours=8))).timestamp()
        stage.clock.at = int(midnight + {"ready": 36, "empty": 40, "unready": 34}[state] * 3600) * 1000
        how = {"serial": self.serial, "at": stage.clock.at}
        self.renew(stage)
        if state != "ready":
            code = "NO_STATEMENT_EXIST" if state == "empty" else "STATEMENT_CREATING"
            stage.mouth.says(replied({"code": code, "message": code}, 400, **how))
            return []
        ask = self.ask()
        content = bill(row(), row(refund_no=ask.refund_no))
        named = {"hash_type": "SHA1", "hash_value": hashlib.sha1(content).hexdigest()}
        stage.mouth.at["/v3/billdownload"] = Reply(content)
        stage.mouth.says(replied({**named, "download_url": f"{stage.mouth.url}/v3/billdownload/file?token=1"}, **how))
        common = {"gateway_txn": TXN, "currency": "CNY", "happened_at": 1_793_505_660_000, "attempt_no": Claim().attempt_no}
        return [
            StatementLine(kind="payment", amount_minor=1250, fee_minor=8, **common),
            StatementLine(kind="refund", amount_minor=500, refund_no=ask.refund_no, gateway_refund="50000", **common),
        ]

    def renew(self, stage: Stage) -> None:
        """The clock was moved: what is signed by time is signed anew."""


class WechatPhoneVendor(WechatVendor):
    """By WeChat's page for phones."""

    def options(self, base_url: str) -> dict[str, str]:
        """Only that contract."""
        return {**super().options(base_url), "contracts": "h5,jsapi"}

    def intent(self, base_url: str = "https://shop.example") -> Intent:
        """From a phone."""

        return msgspec.structs.replace(super().intent(base_url), device="phone")

    def begin_reply(self, intent: Intent) -> Reply:
        """Sheet §1."""
        return self.reply({"h5_url": "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx1&package=1"})


class TestWechatByCode(GatewayContract):
    """Native, with the WeChat Pay public key."""

    vendor = WechatVendor()


class TestWechatByPhonePage(GatewayContract):
    """H5."""

    vendor = WechatPhoneVendor()
