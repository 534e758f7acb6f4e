"""Epay V1 keeps the contract of all gateways; the vendor's side is the simulator's, not our client's."""

import datetime as dt
import json
from collections.abc import Sequence
from hashlib import md5
from urllib.parse import urlencode

from kashop.bundled.pay_epay.gateway import EPAY
from kashop.payments.types import Intent, RefundAsk, StatementLine
from kashop.plugins.kit import Claim, FormVendor, GatewayContract, Stage
from kashop.plugins.kit.vendor import Pairs

KEY = "KEYepayV1test0001"
NEXT_DAY = 1_793_550_000_000  # 2026-11-02T00:20:00+08:00


def listed(number: str, added: str, money: str, status: object, paid: str | None) -> dict[str, object]:
    """An order as lists show it."""
    return {"trade_no": number, "out_trade_no": f"A{number}", "addtime": added, "money": money, "status": status, "endtime": paid}


LISTED = [
    listed("5", "2026-11-02 00:10:00", "1.00", 0, None),
    listed("4", "2026-11-01 23:59:58", "3", 1, "2026-11-02 00:00:00"),
    listed("3", "2026-11-01 13:00:00", "4", 3, "2026-11-01 13:00:09"),
    {**listed("2", "2026-11-01 12:00:00", "2.5", 2, "2026-11-01 12:00:09"), "out_trade_no": "x-2"},
    listed("1", "2026-10-31 23:59:00", "12.50", "1", "2026-11-01 00:00:00"),
    listed("0", "2026-10-30 23:59:00", "9.00", 1, "2026-10-31 00:01:00"),
]
"""The newest order first: unpaid; paid on the next day; frozen; refunded since and not ours; of the day; of the day before."""
PAYMENTS = [
    StatementLine(
        kind="payment", gateway_txn="1", amount_minor=1250, currency="CNY", happened_at=1_793_462_400_000, attempt_no="A1"
    ),
    StatementLine(kind="payment", gateway_txn="2", amount_minor=250, currency="CNY", happened_at=1_793_505_609_000),
]


class EpayVendor(FormVendor):
    """An Epay server, by page."""

    type = EPAY
    method = "wxpay"
    unpaid = ("WAIT_BUYER_PAY", "TRADE_CLOSED", "TRADE_FINISHED", "trade_success", "TRADE_SUCCESS ", "SUCCESS", "1", "")
    calls_to_query = True
    mode = "page"
    refund_ends = ("done", "failed")
    refund_findings = ("done", "unknown")

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

    async def arrange_refund(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Sheet §1.4."""
        done = {"code": 0, "msg": "ok", "refund_no": "R1", "trade_no": ask.gateway_txn, "money": "5.00", "reducemoney": "5.00"}
        refused = {"code": -4, "msg": "未开启API退款"}
        stage.mouth.says(json.dumps(done if state == "done" else refused).encode())

    async def arrange_refund_query(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """By the order's status alone."""
        order = {"code": 1, "trade_no": ask.gateway_txn, "out_trade_no": ask.payment.attempt_no, "api_trade_no": "", "pid": 1001}
        said = {**order, "type": "wxpay", "money": "12.50", "status": 2 if state == "done" else 1}
        stage.mouth.says(json.dumps(said).encode())

    async def arrange_statement(self, stage: Stage, day: dt.date, state: str) -> Sequence[StatementLine]:
        """act=orders."""
        stage.clock.at = NEXT_DAY if state != "unready" else stage.clock.at
        stage.mouth.says(json.dumps({"code": 1, "data": LISTED if state == "ready" else []}).encode())
        return PAYMENTS


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
