"""NOWPayments as a simulated vendor (protocols/btcpay.md §2): addresses and pages, notifications signed over sorted JSON."""

import hashlib
import hmac
import json
from decimal import ROUND_CEILING, Decimal
from typing import Any, ClassVar

from kashop.plugins.kit.simulator import Simulator
from kashop.plugins.kit.vendorwords import Answered, Asked, How, Payment, Told

RATE = Decimal("7.02")
COINS = ("btc", "eth", "trx", "usdttrc20", "usdtbsc")


class NowpaymentsSimulator(Simulator):
    """One account."""

    name = "nowpayments"
    gateway_type = "nowpayments"
    method = "usdt"
    key: ClassVar[str] = "simulated-api-key"
    signed_with: ClassVar[str] = "simulated-ipn-secret"
    routes: ClassVar = {
        ("GET", "/v1/status"): "ready",
        ("GET", "/v1/currencies"): "currencies",
        ("POST", "/v1/payment"): "create",
        ("POST", "/v1/invoice"): "invoice",
        ("GET", "/v1/payment/{id}"): "look",
        ("GET", "/payment/"): "page",
    }

    def options(self) -> dict[str, str]:
        """An account."""
        return {"key": self.key, "ipn_secret": self.signed_with, "asset": "usdttrc20", "url": f"{self.url}v1"}

    def answer(self, asked: Asked) -> Answered | None:
        """Only with the key, but for the status."""
        needs = asked.path.startswith("/v1/") and asked.path != "/v1/status"
        if needs and asked.headers.get("x-api-key") != self.key:
            return Answered.json({"statusCode": 403, "code": "INVALID_API_KEY", "message": "Invalid api key"}, 403)
        return super().answer(asked)

    def number(self, prefix: str = "") -> str:
        """Payments are numbered."""
        drawn = super().number()
        return drawn[-10:].lstrip("0") if prefix in ("N", "T") else f"{prefix}{drawn}"

    def ready(self, asked: Asked) -> Answered:
        """The service is up."""
        return Answered.json({"message": "OK"})

    def currencies(self, asked: Asked) -> Answered:
        """The coins."""
        return Answered.json({"currencies": COINS})

    def create(self, asked: Asked) -> Answered:
        """An address for one coin."""
        said = json.loads(asked.body, parse_float=Decimal)
        if refusal := self.judged(said):
            return Answered.json({"statusCode": 400, "code": "BAD_REQUEST", "message": refusal}, 400)
        payment = self.enter(said)
        told = {**self.told_of(payment), "pay_address": self.address(payment), "network": "trx", "payin_extra_id": None}
        return Answered.json(told, 201)

    def judged(self, said: dict[str, Any]) -> str:
        """Why an order is not taken."""
        price = said.get("price_amount")
        if isinstance(price, str) or not price or price <= 0:
            return "price_amount must be a positive number"
        if said.get("pay_currency", "usdttrc20") not in COINS:
            return f"Currency {str(said['pay_currency']).upper()} was not found"
        return "" if str(said.get("ipn_callback_url", "")).startswith("http") else "ipn_callback_url must be a valid uri"

    def enter(self, said: dict[str, Any]) -> Payment:
        """Take a payment into the book."""
        price = Decimal(said["price_amount"])
        rate = RATE if said["price_currency"] == "cny" else Decimal(1)
        coins = (price / rate).quantize(Decimal("0.000001"), ROUND_CEILING)
        kept = {"coins": str(coins), "coin": said.get("pay_currency", "usdttrc20"), "parent": None}
        with self.lock:
            number = self.number("N")
            payment = Payment(
                number,
                said["order_id"],
                str(price),
                said["price_currency"].upper(),
                said["ipn_callback_url"],
                said.get("success_url", ""),
                kept,
            )
            self.payments[number] = payment
        return payment

    def address(self, payment: Payment) -> str:
        """Each payment has its own."""
        return f"T{hashlib.sha256(payment.ref.encode()).hexdigest()[:33]}"

    def invoice(self, asked: Asked) -> Answered:
        """A page where the buyer chooses; here he has chosen when he opens it."""
        said = json.loads(asked.body, parse_float=Decimal)
        if refusal := self.judged(said):
            return Answered.json({"statusCode": 400, "code": "BAD_REQUEST", "message": refusal}, 400)
        payment = self.enter(said)
        return Answered.json({"id": "45", "order_id": said["order_id"], "invoice_url": f"{self.url}payment/?iid={payment.ref}"})

    def page(self, asked: Asked) -> Answered:
        """The hosted page."""
        known = self.payments.get(asked.query.get("iid", ""))
        return Answered.redirect(self.cashier(known)) if known else Answered.html("404", 404)

    def look(self, asked: Asked) -> Answered:
        """A payment's state."""
        known = self.payments.get(asked.params["id"])
        if known is None:
            return Answered.json({"statusCode": 404, "code": "NOT_FOUND", "message": "Payment not found"}, 404)
        return Answered.json(self.told_of(known))

    def told_of(self, payment: Payment, how: How | None = None) -> dict[str, Any]:
        """A payment's words."""
        state = payment.state if how is None else {"paid": "paid", "closed": "closed"}.get(how.state, "open")
        sent = Decimal((how.amount if how else "") or payment.paid_amount or payment.amount)
        whole, asked = Decimal(payment.amount), Decimal(payment.request["coins"])
        came = (asked * sent / whole).quantize(Decimal("0.00000001"), ROUND_CEILING) if state == "paid" else Decimal(0)
        status = {"open": "waiting", "closed": "expired", "paid": "partially_paid" if sent < whole else "finished"}[state]
        return {
            "payment_id": int((how.txn if how and how.txn.isdigit() else "") or payment.ref),
            "parent_payment_id": payment.request["parent"],
            "payment_status": payment.request.get("status", status),
            "pay_address": self.address(payment),
            "price_amount": float(whole),
            "price_currency": payment.currency.lower(),
            "pay_amount": float(asked),
            "actually_paid": float(came),
            "pay_currency": payment.request["coin"],
            "order_id": payment.attempt_no,
            "order_description": "中 / order",
            "outcome_amount": 0.00000015,
            "outcome_currency": "btc",
            "fee": {"currency": "btc", "depositFee": 0.1, "withdrawalFee": 0, "serviceFee": 0.0000001},
        }

    def notification(self, payment: Payment, how: How) -> Told:
        """Signed over its sorted JSON."""
        told = self.told_of(payment, how)
        sorted_text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        key = "another secret" if how.forge in ("key", "merchant") else self.signed_with
        signature = hmac.digest(key.encode(), sorted_text.encode(), "sha512").hex()
        if how.forge == "signature":
            signature = signature[::-1] if signature != signature[::-1] else "0" * 128
        if how.forge == "amount":
            told = {**told, "price_amount": 99999.5}
        body = json.dumps(told, ensure_ascii=False).encode()
        return Told("POST", payment.notify_url, {"content-type": "application/json", "x-nowpayments-sig": signature}, body)


SIMULATORS = (NowpaymentsSimulator,)
