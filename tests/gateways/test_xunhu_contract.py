"""虎皮椒 keeps the contract of all gateways; the vendor's side signs on its own."""

import json
from hashlib import md5
from typing import Any

from kashop.bundled.pay_xunhu.gateway import XUNHU
from kashop.payments.types import Intent, RefundAsk
from kashop.plugins.kit import Claim, FormVendor, GatewayContract, Stage
from kashop.plugins.kit.stage import NOW
from kashop.plugins.kit.vendor import Pairs

APPID = "20261100001"
SECRET = "xunhuSecretTest"


def hashed(text: str, secret: str = "") -> str:
    """Sheet §1."""
    return md5((text + (secret or SECRET)).encode()).hexdigest()


def reply(**said: Any) -> bytes:
    """A good answer: the hash stands over all that is plain."""
    plain = {"errcode": 0, "errmsg": "success!", **said}
    pairs = sorted((k, str(v)) for k, v in plain.items() if not isinstance(v, dict))
    return json.dumps({**plain, "hash": hashed("&".join(f"{k}={v}" for k, v in pairs if v))}).encode()


class XunhuVendor(FormVendor):
    """The channel of a merchant."""

    type = XUNHU
    method = "wxpay"
    carrier = "body"
    sign_field = "hash"
    unpaid = ("WP", "CD", "RD", "UD", "od", "OD ", "PAID", "")
    calls_to_begin = calls_to_query = True
    refund_ends = ("done", "pending", "failed")
    refund_findings = ("done", "pending", "failed", "unknown")

    def options(self, base_url: str) -> dict[str, str]:
        """A merchant's account."""
        return {"url": base_url, "appid": APPID, "secret": SECRET, "methods": "wxpay"}

    def fields(self, claim: Claim) -> dict[str, str]:
        """A notification."""
        return {
            "appid": claim.merchant or APPID,
            "trade_order_id": claim.attempt_no,
            "open_order_id": claim.txn,
            "transaction_id": "4200001",
            "order_title": "VIP 测试",
            "total_fee": claim.amount,
            "status": "OD" if claim.state == "paid" else claim.state,
            "time": str(NOW // 1000),
            "nonce_str": "77aa",
            **claim.extra,
        }

    def sign(self, pairs: Pairs, *, key: str = "") -> str:
        """In the order given."""
        return hashed("&".join(f"{k}={v}" for k, v in pairs if v), key)

    def begin_reply(self, intent: Intent) -> bytes:
        """Sheet §1."""
        return reply(url="https://api.xunhupay.com/pay/1", url_qrcode="https://api.xunhupay.com/qr/1.png", openid="Q1")

    def refusal(self, secret: str) -> bytes:
        """A careless vendor."""
        return json.dumps({"errcode": 40029, "errmsg": f"invalid hash by {secret}"}).encode()

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """By status."""
        self._found(stage, {"paid": "OD", "unpaid": "WP"}.get(state, ""))

    async def arrange_refund(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """The whole of a payment."""
        if state == "failed":
            stage.mouth.says(json.dumps({"errcode": 500, "errmsg": "订单不能退款"}).encode())
        else:
            stage.mouth.says(reply(refund_status={"done": "CD"}.get(state, "RD"), refund_fee="12.50", transaction_id="1"))

    async def arrange_refund_query(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """By the order's status."""
        self._found(stage, {"done": "CD", "pending": "RD", "failed": "UD", "unknown": "OD"}[state])

    @staticmethod
    def _found(stage: Stage, status: str) -> None:
        if status:
            data = {"status": status, "open_order_id": "Q1", "total_fee": "12.50", "out_trade_order": Claim().attempt_no}
            stage.mouth.says(reply(data=data))
        else:
            stage.mouth.says(json.dumps({"errcode": 404, "errmsg": "订单不存在"}).encode())


class TestXunhu(GatewayContract):
    """One APPID."""

    vendor = XunhuVendor()
