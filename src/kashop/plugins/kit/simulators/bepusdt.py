"""BEpusdt as a simulated vendor (protocols/usdt.md §3)."""

import json
from decimal import Decimal
from typing import Any, ClassVar

from kashop.plugins.kit.simulators.usdt import LIFE, UsdtSimulator
from kashop.plugins.kit.vendorwords import Answered, Asked, How, Payment, Told


class BepusdtSimulator(UsdtSimulator):
    """§3: HTTP 200 to everything, numbers as Go's %v writes them, cancelling, callbacks about waiting orders."""

    name = "bepusdt"
    gateway_type = "bepusdt"
    routes: ClassVar = {
        ("POST", "/api/v1/order/create-transaction"): "create",
        ("POST", "/api/v1/order/create-order"): "create",
        ("POST", "/api/v1/order/cancel-transaction"): "cancel",
        ("POST", "/api/v1/pay/info"): "info",
        ("GET", "/pay/checkout-counter/{trade_id}"): "page",
    }

    def options(self) -> dict[str, str]:
        """An account."""
        return {**super().options(), "asset": "usdt.trc20"}

    def text_of(self, value: Any) -> str:
        """%v of a float64: its shortest digits, with an exponent from 1e6 upward and below 1e-4."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return super().text_of(value)
        digits = len(Decimal(repr(float(value))).normalize().as_tuple().digits)
        scientific = f"{float(value):.{digits - 1}e}"
        return scientific if value and not -4 <= int(scientific.partition("e")[2]) < 6 else super().text_of(value)

    def reply(self, data: Any, message: str = "success") -> Answered:
        """The envelope."""
        return Answered.json({"status_code": 200 if data else 400, "message": message, "data": data or None, "request_id": ""})

    def create(self, asked: Asked) -> Answered:
        """A new order; one that still waits is built anew."""
        said = json.loads(asked.body)
        if said.get("signature") != self.signature(said):
            return self.reply({}, "签名错误")
        if not all(said.get(name) for name in ("order_id", "amount", "notify_url", "redirect_url")):
            return self.reply({}, "请求参数错误")
        if said.get("timeout", 600) < (180 if asked.path.endswith("create-order") else 120):
            return self.reply({}, "timeout too short")
        known = self.of_order(said["order_id"])
        if known is not None and known.state == "paid":
            return self.reply({}, "订单已支付")
        with self.lock:
            if known is not None:
                del self.payments[known.ref]
        urls = said["notify_url"], said["redirect_url"]
        payment = self.enter(said["order_id"], format(Decimal(repr(said["amount"])), "f"), said.get("fiat", "CNY"), urls)
        if payment is None:
            return self.reply({}, "无可用金额")
        payment.request["until"] = self.clock() + said.get("timeout", LIFE)
        return self.reply({**self.order(payment), "payment_url": f"{self.url}pay/checkout-counter/{payment.ref}"})

    def order(self, payment: Payment) -> dict[str, Any]:
        """An order as it is told: amounts as text, the seconds that are left."""
        return {
            "fiat": payment.currency,
            "trade_id": payment.ref,
            "order_id": payment.attempt_no,
            "amount": payment.amount,
            "actual_amount": payment.request["coins"],
            "status": {"open": 1, "paid": 2, "closed": payment.request.get("status", 3)}[payment.state],
            "token": self.wallet,
            "expiration_time": max(0, int(payment.request["until"] - self.clock())),
        }

    def info(self, asked: Asked) -> Answered:
        """The state, unsigned, with what was sent and where the explorer shows it."""
        known = self.payments.get(json.loads(asked.body).get("trade_id", ""))
        if known is None:
            return self.reply({}, "订单不存在")
        told = self.order(known)
        told["money"] = told.pop("amount")
        if known.state == "paid":
            told["money"], told["actual_amount"] = self.sent(known, How())
            told["trade_url"] = f"https://explorer.example/#/transaction/{known.txn}"
        return self.reply(told)

    def cancel(self, asked: Asked) -> Answered:
        """Close an order that waits."""
        said = json.loads(asked.body)
        if said.get("signature") != self.signature(said):
            return self.reply({}, "签名错误")
        known = self.payments.get(said.get("trade_id", ""))
        if known is None:
            return self.reply({}, "订单不存在")
        with self.lock:
            if known.state != "open":
                return self.reply({}, f"当前订单({known.ref})状态不允许取消")
            known.state, known.request["status"] = "closed", 4
        return self.reply({"trade_id": known.ref})

    def notification(self, payment: Payment, how: How) -> Told:
        """About payments, and about orders that wait or have expired."""
        fiat, coins = self.sent(payment, how)
        fields = {
            "trade_id": payment.ref,
            "order_id": payment.attempt_no,
            "amount": float(fiat),
            "actual_amount": coins,
            "token": self.wallet,
            "block_transaction_id": how.txn or payment.txn,
            "status": {"paid": 2, "closed": 3}.get(how.state, 1),
        }
        return self.told(payment, fields, how, "signature", "amount")


SIMULATORS = (BepusdtSimulator,)
