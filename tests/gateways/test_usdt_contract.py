"""The USDT family keeps the contract of all gateways; the vendor's side signs on its own (usdt.md)."""

import hashlib
import json
from typing import Any, ClassVar

import msgspec

from kashop.bundled.pay_usdt import bepusdt, epusdt, gmpay, tokenpay
from kashop.payments.types import Intent
from kashop.plugins.kit import Claim, GatewayContract, JsonVendor, Reply, Stage
from kashop.plugins.kit.vendor import Pairs

KEY = "token-of-a-contract-test"
REF = "20261101170001"
TXN = "a1b2c3d4" * 8


class UsdtVendor(JsonVendor):
    """What the four have in common."""

    method = "usdt"
    numbers = ("amount", "actual_amount", "status", "Status", "ActualAmount", "Amount")
    names_merchant = False
    calls_to_begin = True
    calls_to_query = True
    unpaid = ("1", "3", "4", "0", "22", "2.0", " 2", "PAID", "true", "")
    amounts = ("12.5", "12.50", "12", "0.01", "99999.99", "1234567.89")
    more: ClassVar[dict[str, str]] = {}

    def options(self, base_url: str) -> dict[str, str]:
        """An account."""
        return {"url": base_url, "key": KEY, **self.more}

    def fields(self, claim: Claim) -> dict[str, str]:
        """A notification."""
        return {
            "trade_id": REF,
            "order_id": claim.attempt_no,
            "amount": claim.amount,
            "actual_amount": "1.78",
            "token": "TTestAddr000000000000000000000000001",
            "block_transaction_id": claim.txn,
            "status": "2" if claim.state == "paid" else claim.state,
            **claim.extra,
        }

    def sign(self, pairs: Pairs, *, key: str = "") -> str:
        """In the order given, empty values left out."""
        text = "&".join(f"{name}={value}" for name, value in pairs if value)
        return hashlib.md5((text + (key or KEY)).encode()).hexdigest()

    def intent(self, base_url: str = "https://shop.example") -> Intent:
        """With the gateway's number, which a query needs."""
        return msgspec.structs.replace(super().intent(base_url), gateway_ref=REF)

    def order(self, intent: Intent) -> dict[str, Any]:
        """What is told of a new order."""
        return {
            "trade_id": REF,
            "order_id": intent.attempt_no,
            "amount": 12.5,
            "actual_amount": 1.78,
            "token": "TTestAddr000000000000000000000000001",
            "expiration_time": 1793506200,
            "payment_url": f"https://usdt.example/pay/checkout-counter/{REF}",
        }

    def begin_reply(self, intent: Intent) -> bytes | Reply:
        """An order."""
        return json.dumps({"status_code": 200, "message": "success", "data": self.order(intent)}).encode()

    def refusal(self, secret: str) -> bytes | Reply:
        """A careless gateway."""
        return json.dumps({"status_code": 401, "message": f"wrong sign with {secret}"}).encode()

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """check-status."""
        status = {"paid": 2, "unpaid": 1}.get(state)
        said: dict[str, Any] = {"status_code": 200, "message": "", "data": {"trade_id": REF, "status": status}}
        stage.mouth.says(json.dumps(said if status else {"status_code": 10008, "message": "订单不存在"}).encode())


class EpusdtVendor(UsdtVendor):
    """§1."""

    type = epusdt.EPUSDT
    hints_when_asked = True


class GmpayVendor(UsdtVendor):
    """§2."""

    type = gmpay.GMPAY
    hints_when_asked = True
    names_merchant = True
    more: ClassVar = {"pid": "1000", "asset": "usdt.tron"}

    def fields(self, claim: Claim) -> dict[str, str]:
        """With the pid."""
        return {**super().fields(claim), "pid": claim.merchant or "1000", "token": "USDT", **claim.extra}

    def order(self, intent: Intent) -> dict[str, Any]:
        """`token` is the coin."""
        return {**super().order(intent), "token": "USDT"}

    def refusal(self, secret: str) -> bytes | Reply:
        """HTTP 401."""
        return Reply(json.dumps({"status_code": 401, "message": f"bad signature, secret {secret}"}).encode(), 401)


class BepusdtVendor(UsdtVendor):
    """§3."""

    type = bepusdt.BEPUSDT
    more: ClassVar = {"asset": "usdt.trc20"}

    def refusal(self, secret: str) -> bytes | Reply:
        """Always 400, and always by HTTP 200."""
        return json.dumps({"status_code": 400, "message": f"签名错误 {secret}"}).encode()

    def info(self, intent: Intent, status: int) -> bytes:
        """pay/info."""
        told = {"money": "12.50", "fiat": "CNY", "actual_amount": "1.78", "trade_url": f"https://explorer.example/tx/{TXN}"}
        data = {"trade_id": REF, "order_id": intent.attempt_no, "status": status, **told}
        return json.dumps({"status_code": 200, "message": "success", "data": data}).encode()

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """pay/info."""
        unknown = json.dumps({"status_code": 400, "message": "订单不存在"}).encode()
        stage.mouth.says(self.info(intent, {"paid": 2, "unpaid": 1}[state]) if state != "unknown" else unknown)

    async def arrange_close(self, stage: Stage, intent: Intent, state: str) -> None:
        """cancel-transaction, and pay/info when that is refused."""
        unknown = json.dumps({"status_code": 400, "message": "订单不存在"}).encode()
        found = {"closed": self.info(intent, 4), "paid": self.info(intent, 2), "unknown": unknown}
        stage.mouth.at["/api/v1/pay/info"] = Reply(found.get(state, b"{}"))
        done = json.dumps({"status_code": 200, "message": "success", "data": {"trade_id": REF}}).encode()
        refused = json.dumps({"status_code": 400, "message": "当前订单状态不允许取消"}).encode()
        stage.mouth.says(done if state == "open" else refused)


class TokenpayVendor(UsdtVendor):
    """§4."""

    type = tokenpay.TOKENPAY
    sign_field = "Signature"
    more: ClassVar = {"asset": "USDT_TRC20"}
    unpaid = ("0", "2", "11", "1.0", "Paid", "")

    def fields(self, claim: Claim) -> dict[str, str]:
        """A notification."""
        return {
            "Id": "00000000-0000-0000-0000-000000000001",
            "BlockTransactionId": claim.txn,
            "OutOrderId": claim.attempt_no,
            "OrderUserKey": claim.attempt_no or "user-1",
            "PayTime": "2026-11-01 12:01:00",
            "Currency": "USDT_TRC20",
            "CurrencyName": "USDT",
            "BaseCurrency": "CNY",
            "Amount": "1.78",
            "ActualAmount": claim.amount,
            "Status": "1" if claim.state == "paid" else claim.state,
            "PayAmount": "1.78",
            "IsDynamicAmount": "0",
            **claim.extra,
        }

    def begin_reply(self, intent: Intent) -> bytes | Reply:
        """An order."""
        names = {"Id": REF, "OutOrderId": intent.attempt_no, "Amount": "1.78", "ActualAmount": "12.50"}
        info = {**names, "BaseCurrency": "CNY", "CurrencyName": "USDT", "ToAddress": "TTo1"}
        return json.dumps({"success": True, "message": "", "data": "https://usdt.example/Pay/1", "info": info}).encode()

    def refusal(self, secret: str) -> bytes | Reply:
        """A careless gateway."""
        return json.dumps({"success": False, "message": f"签名验证失败！{secret}"}).encode()

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """Query, its names in small letters as ASP.NET writes them."""
        order = {"id": REF, "outOrderId": intent.attempt_no, "amount": 1.78, "actualAmount": 12.5, "currency": "USDT_TRC20"}
        found = {**order, "status": 1 if state == "paid" else 0, "blockTransactionId": TXN if state == "paid" else None}
        said = {"success": True, "data": found} if state != "unknown" else {"success": False, "message": "订单不存在！"}
        stage.mouth.says(json.dumps(said).encode())


class TestEpusdt(GatewayContract):
    """The original."""

    vendor = EpusdtVendor()


class TestGmpay(GatewayContract):
    """The rewrite of 2026."""

    vendor = GmpayVendor()


class TestBepusdt(GatewayContract):
    """With closing."""

    vendor = BepusdtVendor()


class TestTokenpay(GatewayContract):
    """Names in capitals."""

    vendor = TokenpayVendor()
