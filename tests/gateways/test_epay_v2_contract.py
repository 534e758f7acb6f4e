"""Epay V2 keeps the contract of all gateways; the vendor's side signs by the library alone."""

import datetime as dt
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from kashop.bundled.pay_epay.gateway_v2 import EPAY_V2
from kashop.payments.types import Intent, RefundAsk, StatementLine
from kashop.plugins.kit import Claim, FormVendor, GatewayContract, Reply, Stage
from kashop.plugins.kit.stage import NOW
from kashop.plugins.kit.vendor import Pairs
from tests.gateways import testkeys
from tests.gateways.test_epay_contract import LISTED, NEXT_DAY, PAYMENTS

STRANGER = "stranger"


def signed_by(name: str, text: str) -> str:
    """Sheet §2.1."""
    return b64encode(testkeys.private_key(name).sign(text.encode(), padding.PKCS1v15(), SHA256())).decode()


def joined(pairs: Pairs) -> str:
    """The pairs that are not blank, in the order given."""
    return "&".join(f"{k}={v}" for k, v in pairs if v.strip(" \t\n\r\0\x0b"))


def reply(now: int = NOW, **said: Any) -> bytes:
    """A signed reply: code 0, and every field but lists under the signature."""
    kept: Mapping[str, Any] = {"code": 0, **said, "timestamp": str(now // 1000)}
    pairs = sorted((k, str(v)) for k, v in kept.items() if not isinstance(v, list | dict))
    return json.dumps({**kept, "sign": signed_by("platform", joined(pairs)), "sign_type": "RSA"}).encode()


def refused(code: int, message: str) -> bytes:
    """Refusals are not signed."""
    return json.dumps({"code": code, "msg": message}).encode()


class EpayV2Vendor(FormVendor):
    """An Epay platform, by API."""

    type = EPAY_V2
    method = "wxpay"
    unpaid = ("WAIT_BUYER_PAY", "TRADE_CLOSED", "TRADE_FINISHED", "trade_success", "TRADE_SUCCESS ", "SUCCESS", "1", "")
    calls_to_begin = calls_to_query = True
    refund_ends = ("done", "failed")
    refund_findings = ("done", "failed", "unknown")

    def options(self, base_url: str) -> dict[str, str]:
        """A merchant's account."""
        keys = {"private_key": testkeys.private_line("merchant"), "public_key": testkeys.public_line("platform")}
        return {"url": base_url, "pid": "1001", **keys, "mode": "api", "methods": "alipay,wxpay", "allow_http": "no"}

    def fields(self, claim: Claim) -> dict[str, str]:
        """A notification (sheet §2.2)."""
        return {
            "pid": claim.merchant or "1001",
            "trade_no": claim.txn,
            "out_trade_no": claim.attempt_no,
            "api_trade_no": "2026110122001400001",
            "type": claim.method or self.method,
            "name": "测试商品 VIP",
            "money": claim.amount,
            "trade_status": "TRADE_SUCCESS" if claim.state == "paid" else claim.state,
            "timestamp": str(NOW // 1000 + 60),
            **claim.extra,
        }

    def sign(self, pairs: Pairs, *, key: str = "") -> str:
        """With the platform's key, in the order given."""
        return signed_by(STRANGER if key else "platform", joined(pairs))

    def begin_reply(self, intent: Intent) -> bytes:
        """Sheet §2."""
        return reply(trade_no="Q1", pay_type="qrcode", pay_info="weixin://wxpay/bizpayurl?pr=1")

    def refusal(self, secret: str) -> bytes:
        """A careless vendor."""
        return refused(-3, f"cannot verify with {secret}")

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """Sheet §2.3."""
        stage.mouth.says(_order(intent, {"paid": 1, "unpaid": 0}[state]) if state != "unknown" else refused(-1, "订单号不存在"))

    async def arrange_refund(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Sheet §2.3."""
        done = reply(msg="ok", refund_no="R1", out_refund_no=ask.refund_no, trade_no=ask.gateway_txn, money="5", reducemoney="5")
        stage.mouth.says(done if state == "done" else refused(-1, "商户余额不足"))

    async def arrange_refund_query(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Sheet §2.3."""
        if state == "unknown":
            stage.mouth.says(refused(-1, "退款订单不存在"))
        else:
            status = int(state == "done")
            stage.mouth.says(reply(refund_no="R1", out_refund_no=ask.refund_no, money="5.00", status=status))

    async def arrange_close(self, stage: Stage, intent: Intent, state: str) -> None:
        """What is paid or unknown is refused; then the order says why."""
        closes = reply(msg="succ") if state in ("open", "closed") else refused(-1, "订单状态不支持")
        stage.mouth.at["/api/pay/close"] = Reply(closes)
        await self.arrange_query(stage, intent, state if state in ("paid", "unknown") else "unpaid")

    async def arrange_statement(self, stage: Stage, day: dt.date, state: str) -> Sequence[StatementLine]:
        """The list stands beside the signature."""
        stage.clock.at = NEXT_DAY if state != "unready" else stage.clock.at
        stage.mouth.says(reply(stage.clock.at, data=LISTED if state == "ready" else []))
        return PAYMENTS


def _order(intent: Intent, status: int) -> bytes:
    return reply(trade_no="Q1", out_trade_no=intent.attempt_no, type="wxpay", pid=1001, money="12.50", status=status)


class TestEpayV2(GatewayContract):
    """By RSA."""

    vendor = EpayV2Vendor()
