"""V免签 keeps the contract of all gateways; the vendor's side signs on its own."""

import hmac
import json
from hashlib import md5
from typing import Any
from urllib.parse import urlencode

import msgspec

from kashop.bundled.pay_vmq.gateway import VMQ
from kashop.payments.types import CallbackRequest, Intent
from kashop.plugins.kit import Claim, GatewayContract, Reply, Stage, Vendor

KEY = "vmqTestKey01"


def signed(values: list[str], *, key: str = KEY, by: str = "MD5") -> str:
    """Sheet §4."""
    text = "".join(values)
    return md5((text + key).encode()).hexdigest() if by == "MD5" else hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


def order(**over: Any) -> dict[str, Any]:
    """What createOrder and getOrder say."""
    data = {
        "payId": Claim().attempt_no,
        "orderId": "202611011200001",
        "payType": 2,
        "price": 12.5,
        "reallyPrice": 12.51,
        "payUrl": "https://qr.alipay.com/fkx1",
        "isAuto": 1,
        "state": 0,
        "timeOut": 5,
        "date": 1793505600,
    }
    return {**data, **over}


def said(data: Any, code: int = 1, msg: str = "成功") -> bytes:
    """An answer."""
    return json.dumps({"code": code, "msg": msg, "data": data}).encode()


class VmqVendor(Vendor):
    """A merchant's own server."""

    type = VMQ
    method = "alipay"
    calls_to_begin = calls_to_query = True
    only_tells_payments = True
    names_transactions = False
    sign_type = "MD5"

    def options(self, base_url: str) -> dict[str, str]:
        """An account."""
        return {"url": base_url, "key": KEY, "sign_type": self.sign_type, "methods": "wxpay,alipay", "allow_http": "no"}

    def callback(self, claim: Claim) -> CallbackRequest:
        """A notification; what really had to be sent is a cent more."""
        fields = {
            "payId": claim.attempt_no,
            "param": claim.merchant or "kashop",
            "type": "2",
            "price": claim.amount,
            "reallyPrice": claim.amount,
        }
        query = {**fields, "sign": signed(list(fields.values()), by=self.sign_type)}
        return CallbackRequest(method="GET", query=urlencode(query).encode(), headers={}, body=b"")

    def begin_reply(self, intent: Intent) -> bytes:
        """Sheet §4."""
        return said(order())

    def refusal(self, secret: str) -> bytes:
        """A careless server."""
        return json.dumps({"code": -1, "msg": f"md5(…{secret})", "data": None}).encode()

    def intent(self, base_url: str = "https://shop.example") -> Intent:
        """It must have been begun before it can be asked about."""
        return msgspec.structs.replace(super().intent(base_url), gateway_ref="202611011200001")

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """getOrder says what, checkOrder proves it."""
        if state == "unknown":
            stage.mouth.says(said(None, -1, "云端订单编号不存在"))
            return
        stage.mouth.at["/getOrder"] = Reply(said(order(state=1 if state == "paid" else 0)))
        query = self.callback(Claim()).query.decode()
        stage.mouth.at["/checkOrder"] = Reply(said(f"https://shop.example/pay/tested/return?{query}"))


class HmacVendor(VmqVendor):
    """A newer build."""

    sign_type = "HMAC_SHA256"


class TestVmq(GatewayContract):
    """MD5."""

    vendor = VmqVendor()


class TestVmqHmac(GatewayContract):
    """HMAC_SHA256."""

    vendor = HmacVendor()
