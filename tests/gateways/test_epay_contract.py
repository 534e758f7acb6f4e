"""Epay V1 keeps the contract of all gateways; the vendor's side is the simulator's, not our client's."""

import json
from urllib.parse import urlencode

from kashop.bundled.pay_epay.gateway import EPAY
from kashop.payments.types import Intent
from kashop.plugins.kit import Claim, FormVendor, GatewayContract, Stage
from kashop.plugins.kit.vendor import Pairs
from tests.gateways.epay_simulator import md5

KEY = "KEYepayV1test0001"


class EpayVendor(FormVendor):
    """An Epay server, by page."""

    type = EPAY
    method = "wxpay"
    unpaid = ("WAIT_BUYER_PAY", "TRADE_CLOSED", "TRADE_FINISHED", "trade_success", "TRADE_SUCCESS ", "SUCCESS", "1", "")
    calls_to_query = True
    mode = "page"

    def options(self, base_url: str) -> dict[str, str]:
        """A merchant's account."""
        return {"url": base_url, "pid": "1001", "key": KEY, "mode": self.mode, "methods": "alipay,wxpay", "allow_http": "no"}

    def fields(self, claim: Claim) -> dict[str, str]:
        """A notification (sheet §1.3)."""
        return {
            "pid": claim.merchant or "1001",
            "trade_no": claim.txn,
            "out_trade_no": claim.attempt_no,
            "type": claim.method or self.method,
            "name": "测试商品 VIP",
            "money": claim.amount,
            "trade_status": "TRADE_SUCCESS" if claim.state == "paid" else claim.state,
            **claim.extra,
        }

    def sign(self, pairs: Pairs, *, key: str = "") -> str:
        """Sheet §1.2, in the order given."""
        text = "&".join(f"{k}={v}" for k, v in pairs if v.strip(" \t\n\r\0\x0b"))
        return md5((text + (key or KEY)).encode()).hexdigest()

    def begin_reply(self, intent: Intent) -> bytes:
        """Sheet §1.1."""
        return json.dumps({"code": 1, "trade_no": "Q1", "payurl": "https://pay.example/c/1"}).encode()

    def refusal(self, secret: str) -> bytes:
        """A careless vendor."""
        return json.dumps({"code": -3, "msg": f"sign of {urlencode({'key': secret})} {secret} wrong"}).encode()

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """Sheet §1.4."""
        order = {"code": 1, "trade_no": "Q1", "out_trade_no": intent.attempt_no, "type": "wxpay", "pid": 1001, "money": "12.50"}
        replies = {
            "paid": {**order, "status": 1},
            "unpaid": {**order, "status": 0},
            "unknown": {"code": -1, "msg": "订单号不存在"},
        }
        stage.mouth.says(json.dumps(replies[state]).encode())


class EpayApiVendor(EpayVendor):
    """The same, by API."""

    mode = "api"
    calls_to_begin = True


class TestEpayByPage(GatewayContract):
    """submit.php."""

    vendor = EpayVendor()


class TestEpayByApi(GatewayContract):
    """mapi.php."""

    vendor = EpayApiVendor()
