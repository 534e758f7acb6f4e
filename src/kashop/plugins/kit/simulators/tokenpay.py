"""TokenPay as a simulated vendor (protocols/usdt.md §4)."""

import hashlib
import json
from decimal import Decimal
from typing import Any, ClassVar

from kashop.plugins.kit.simulators.usdt import UsdtSimulator
from kashop.plugins.kit.vendorwords import Answered, Asked, How, Payment, Told


class TokenpaySimulator(UsdtSimulator):
    """§4: names in capitals, text amounts, a signed query."""

    name = "tokenpay"
    gateway_type = "tokenpay"
    base_currency: ClassVar[str] = "CNY"
    routes: ClassVar = {
        ("POST", "/CreateOrder"): "create",
        ("GET", "/Query"): "look",
        ("GET", "/Check/{trade_id}"): "check",
        ("GET", "/Pay/{trade_id}"): "page",
    }

    def options(self) -> dict[str, str]:
        """An account."""
        return {**super().options(), "asset": "USDT_TRC20"}

    def number(self, prefix: str = "") -> str:
        """Orders are named by a UUID."""
        drawn = super().number(prefix)
        if prefix != "E":
            return drawn
        text = hashlib.sha256(f"{self.url}{drawn}".encode()).hexdigest()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"

    def create(self, asked: Asked) -> Answered:
        """A new order, or the old one that is still good."""
        said = json.loads(asked.body)
        if said.get("Signature") != self.signature(said):
            return Answered.json({"success": False, "message": "签名验证失败！"})
        if said.get("Currency") != "USDT_TRC20" or Decimal(said.get("ActualAmount", "0")) <= 0 or not said.get("OrderUserKey"):
            return Answered.json({"success": False, "message": "不支持的币种或金额有误！"})
        payment = self.of_order(said["OutOrderId"])
        if payment is None or payment.state == "closed":
            urls = said["NotifyUrl"], said.get("RedirectUrl", "")
            payment = self.enter(said["OutOrderId"], said["ActualAmount"], self.base_currency, urls)
        if payment is None:
            return Answered.json({"success": False, "message": "无可用金额！"})
        url = f"{self.url}Pay/{payment.ref}"
        return Answered.json({"success": True, "message": "创建订单成功！", "data": url, "info": self.order(payment)})

    def order(self, payment: Payment) -> dict[str, Any]:
        """An order as it is told."""
        fiat, coins = self.sent(payment, How())
        return {
            "Id": payment.ref,
            "OutOrderId": payment.attempt_no,
            "OrderUserKey": payment.attempt_no,
            "Amount": coins,
            "ActualAmount": fiat,
            "ToAddress": self.wallet,
            "ExpireTime": "2026-11-01 12:10:00",
            "BaseCurrency": payment.currency,
            "BlockChainName": "TRON",
            "CurrencyName": "USDT",
            "PassThroughInfo": None,
        }

    def look(self, asked: Asked) -> Answered:
        """Query, signed by whoever asks."""
        query = asked.query
        if query.get("Signature") != self.signature({"Id": query.get("Id", "")}):
            return Answered.json({"success": False, "message": "签名验证失败！"})
        known = self.payments.get(query.get("Id", ""))
        if known is None:
            return Answered.json({"success": False, "message": "订单不存在！"})
        state = {"open": 0, "paid": 1, "closed": 2}[known.state]
        order = {**self.order(known), "Status": state, "BlockTransactionId": known.txn or None}
        return Answered.json({"success": True, "message": "订单信息获取成功！", "data": order})

    def check(self, asked: Asked) -> Answered:
        """The state as a word."""
        known = self.payments.get(asked.params["trade_id"])
        return Answered(({"paid": "Paid", "closed": "Expired"}.get(known.state, "Pending") if known else "Pending").encode())

    def notification(self, payment: Payment, how: How) -> Told:
        """Real ones tell of payments alone; `Status` says so."""
        fiat, coins = self.sent(payment, how)
        fields = {
            **self.order(payment),
            "Amount": coins,
            "ActualAmount": fiat,
            "BlockTransactionId": how.txn or payment.txn,
            "PayTime": "2026-11-01 12:01:00",
            "Currency": "USDT_TRC20",
            "FromAddress": "TFrom1",
            "Status": {"paid": 1, "closed": 2}.get(how.state, 0),
            "PayAmount": coins,
            "IsDynamicAmount": 0,
        }
        return self.told(payment, fields, how, "Signature", "ActualAmount")


SIMULATORS = (TokenpaySimulator,)
