"""What the simulated WeChat Pay is, what it demands of an order, and its bill's lines."""

import datetime as dt
import re
import time
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from kashop.plugins.kit.vendorwords import Payment, Refunded

MCHID, APPID, SERIAL = "1900000001", "wx0000000000000001", "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
API_V3_KEY, APP_SECRET = "kashopTestApiV3Key00000000000001", "0123456789abcdef0123456789abcdef"
PUBLIC_KEY_ID, PLATFORM_SERIAL = "PUB_KEY_ID_0119000000012026110100", "4A7B9C00112233445566778899AABBCCDDEEFF00"
STALE_SECONDS = 300
NUMBER = re.compile(r"[A-Za-z0-9_\-|*]{6,32}", re.ASCII)
COLUMNS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,"
    "商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
TRADE_TYPES = {"native": "NATIVE", "h5": "MWEB", "jsapi": "JSAPI"}


class Refusal(Exception):
    """An error: status, code and words."""

    def __init__(self, status: int, code: str, message: str):
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


def check_order(product: str, order: Any, now: float) -> None:
    """Sheet §1: raises Refusal."""
    wrong = Refusal(400, "PARAM_ERROR", "参数错误")
    if product not in TRADE_TYPES or not isinstance(order, dict):
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "资源不存在")
    amount = order.get("amount") or {}
    if order.get("mchid") != MCHID or order.get("appid") != APPID:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    if type(amount.get("total")) is not int or amount["total"] < 1 or amount.get("currency") != "CNY":
        raise wrong
    if not NUMBER.fullmatch(str(order.get("out_trade_no"))) or not 1 <= len(str(order.get("description") or "")) <= 127:
        raise wrong
    if not str(order.get("notify_url", "")).startswith(("https://", "http://")) or "?" in order["notify_url"]:
        raise wrong
    try:
        expires_at = dt.datetime.fromisoformat(order["time_expire"])
    except (KeyError, ValueError):
        raise wrong from None
    if expires_at.tzinfo is None or expires_at.timestamp() < now + 60:
        raise wrong
    if product == "h5" and not (order.get("scene_info") or {}).get("payer_client_ip"):
        raise wrong
    if product == "jsapi" and (order.get("payer") or {}).get("openid") != "oSimulated":
        raise wrong


def row(payment: Payment, refund: Refunded | None) -> str:
    """A line of the bill: of the payment, or of one of its refunds."""
    total = yuan(payment.paid_amount)
    gone = ["0", "0", "0.00", "0.00", "", ""]
    if refund is not None:
        state = "SUCCESS" if refund.state == "done" else "PROCESSING"
        gone = [refund.ref, refund.refund_no, yuan(refund.amount), "0.00", "ORIGINAL", state]
    cells = [beijing(payment.paid_at), APPID, MCHID, "0", "", payment.txn, payment.attempt_no, "oTest"]
    cells += [TRADE_TYPES[payment.request["product"]], "REFUND" if refund else "SUCCESS", "OTHERS", "CNY", total, "0.00", *gone]
    fee = "0.00000" if refund else f"{int(payment.paid_amount) * 6 / 100_000:.5f}"
    cells += [payment.request["description"], "", fee, "0.60%", total, yuan(refund.amount) if refund else "0.00", ""]
    return ",".join(f"`{cell}" for cell in cells)


def yuan(fen: str) -> str:
    """Fen as yuan."""
    return f"{int(fen) // 100}.{int(fen) % 100:02}"


def beijing(seconds: float) -> str:
    """As bills write a time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds + 8 * 3600))


def certificate() -> str:
    """The platform's certificate."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com Root CA")])
    begin = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key_of("platform").public_key())
    builder = builder.serial_number(int(PLATFORM_SERIAL, 16)).not_valid_before(begin)
    signed = builder.not_valid_after(begin + dt.timedelta(days=1800)).sign(key_of("platform"), SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


@cache
def key_of(_who: str) -> rsa.RSAPrivateKey:
    """The key of the merchant, the platform or a stranger."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


SIMULATORS = ()
