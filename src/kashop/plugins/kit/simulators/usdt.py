"""The USDT family as simulated vendors: what the four have in common, epusdt and GMPay (protocols/usdt.md §1 and §2).

Every wallet gives an amount of coins to one live order only, by the vendor's smallest steps; an amount is free again when its
order is paid or over.
"""

import hashlib
import json
from decimal import ROUND_CEILING, Decimal
from typing import Any, ClassVar

from kashop.plugins.kit.simulator import Simulator
from kashop.plugins.kit.vendorwords import Answered, Asked, Heard, How, Payment, Told

RATE = Decimal("7.02")
STEP = Decimal("0.0001")
LIFE = 600
MOST_STEPS = 100


class UsdtSimulator(Simulator):
    """What the four have in common."""

    method = "usdt"
    key: ClassVar[str] = "usdt-simulator-token"
    wallet: ClassVar[str] = "TSimulated00000000000000000000001"

    def options(self) -> dict[str, str]:
        """An account."""
        return {"url": self.url, "key": self.key}

    def number(self, prefix: str = "") -> str:
        """Transactions are named by their hash."""
        drawn = super().number(prefix)
        return hashlib.sha256(f"{self.url}{drawn}".encode()).hexdigest() if prefix == "T" else drawn

    def is_acknowledged(self, heard: Heard) -> bool:
        """`ok`, and nothing else."""
        return heard.status == 200 and heard.body == "ok"

    def text_of(self, value: Any) -> str:
        """A JSON value as it is signed: numbers in their shortest decimal form."""
        if isinstance(value, bool):
            return "true" if value else "false"
        return format(Decimal(repr(value)).normalize(), "f") if isinstance(value, (int, float)) else str(value)

    def signature(self, fields: dict[str, Any], key: str = "") -> str:
        """Empty values left out, sorted, the token behind."""
        kept = sorted(n for n, v in fields.items() if n.lower() != "signature" and v is not None and v != "")
        text = "&".join(f"{n}={self.text_of(fields[n])}" for n in kept)
        return hashlib.md5((text + (key or self.key)).encode(), usedforsecurity=False).hexdigest()

    def coins_for(self, fiat: str) -> str:
        """The least amount that no live order of the wallet has; empty when the wallet has none left."""
        now = self.clock()
        live = (p for p in self.payments.values() if p.state == "open" and p.request["until"] > now)
        taken = {p.request["coins"] for p in live}
        wanted = (Decimal(fiat) / RATE).quantize(STEP, ROUND_CEILING)
        return next((str(wanted + STEP * n) for n in range(MOST_STEPS) if str(wanted + STEP * n) not in taken), "")

    def enter(self, attempt_no: str, fiat: str, currency: str, urls: tuple[str, str]) -> Payment | None:
        """Take an order into the book; None when no amount is free."""
        with self.lock:
            coins = self.coins_for(fiat)
            if not coins:
                return None
            kept = {"coins": coins, "until": self.clock() + LIFE}
            payment = Payment(self.number("E"), attempt_no, fiat, currency, *urls, kept)
            self.payments[payment.ref] = payment
            return payment

    def of_order(self, attempt_no: str) -> Payment | None:
        """The newest payment of our number."""
        with self.lock:
            return next((p for p in reversed(self.payments.values()) if p.attempt_no == attempt_no), None)

    def page(self, asked: Asked) -> Answered:
        """The cashier's own page."""
        known = self.payments.get(asked.params["trade_id"])
        return Answered.redirect(self.cashier(known)) if known else Answered.html("订单不存在", 404)

    def sent(self, payment: Payment, how: How) -> tuple[str, str]:
        """Fiat and coins that were sent."""
        fiat = how.amount or payment.paid_amount or payment.amount
        share = Decimal(fiat) / Decimal(payment.amount)
        coins = (Decimal(payment.request["coins"]) * share).quantize(Decimal("0.000001"), ROUND_CEILING).normalize()
        return fiat, format(coins, "f")

    def told(self, payment: Payment, fields: dict[str, Any], how: How, name: str, amount: str) -> Told:
        """A signed callback, unless `how` forges: signature, key, merchant (another one's key) or the amount."""
        key = "another token" if how.forge in ("key", "merchant") else self.key
        signature = self.signature(fields, key)
        if how.forge == "signature":
            signature = signature[::-1] if signature != signature[::-1] else "0" * 32
        if how.forge == "amount":
            fields = {**fields, amount: 99999.5}
        body = json.dumps({**fields, name: signature}).encode()
        return Told("POST", payment.notify_url, {"content-type": "application/json"}, body)


class EpusdtSimulator(UsdtSimulator):
    """The original (§1)."""

    name = "epusdt"
    gateway_type = "epusdt"
    proves_when_asked = False
    refusal_http: ClassVar[dict[int, int]] = {}
    routes: ClassVar = {
        ("POST", "/api/v1/order/create-transaction"): "create",
        ("GET", "/pay/check-status/{trade_id}"): "check",
        ("GET", "/pay/checkout-counter/{trade_id}"): "page",
    }

    def reply(self, data: Any, code: int = 200, message: str = "success") -> Answered:
        """The envelope."""
        body = {"status_code": code, "message": message, "data": data, "request_id": "b1344d70-ff19-4543-b601-37abfb3b3686"}
        return Answered.json(body, self.refusal_http.get(code, 200))

    def create(self, asked: Asked) -> Answered:
        """A new order."""
        said = json.loads(asked.body)
        if said.get("signature") != self.signature(said):
            return self.reply(None, 401, "signature verification failed")
        if refusal := self.judged(said):
            return self.reply(None, *refusal)
        urls = said["notify_url"], said.get("redirect_url", "")
        payment = self.enter(said["order_id"], self.text_of(said["amount"]), said.get("currency", "cny").upper(), urls)
        if payment is None:
            return self.reply(None, 10005, "无可用金额通道")
        return self.reply(self.order(payment, said))

    def judged(self, said: dict[str, Any]) -> tuple[int, str] | None:
        """Why an order is not taken."""
        if not said.get("order_id") or len(said["order_id"]) > 32 or not said.get("notify_url"):
            return 10009, "参数错误"
        if not isinstance(said.get("amount"), (int, float)) or said["amount"] < 0.01:
            return 10004, "支付金额错误, 无法满足最小支付单位"
        return (10002, "支付交易已存在，请勿重复创建") if self.of_order(said["order_id"]) else None

    def order(self, payment: Payment, said: dict[str, Any]) -> dict[str, Any]:
        """An order as it is told."""
        return {
            "trade_id": payment.ref,
            "order_id": payment.attempt_no,
            "amount": float(payment.amount),
            "actual_amount": float(payment.request["coins"]),
            "token": self.wallet,
            "expiration_time": int(payment.request["until"]),
            "payment_url": f"{self.url}pay/checkout-counter/{payment.ref}",
        }

    def check(self, asked: Asked) -> Answered:
        """The state, unsigned and without amounts."""
        known = self.payments.get(asked.params["trade_id"])
        if known is None:
            return self.reply(None, 10008, "订单不存在")
        return self.reply({"trade_id": known.ref, "status": {"open": 1, "paid": 2, "closed": 3}[known.state]})

    def notification(self, payment: Payment, how: How) -> Told:
        """The original tells of payments alone; here of other states too, as a bent one might."""
        fiat, coins = self.sent(payment, how)
        fields = {
            "trade_id": payment.ref,
            "order_id": payment.attempt_no,
            "amount": float(fiat),
            "actual_amount": float(coins),
            "token": self.wallet,
            "block_transaction_id": how.txn or payment.txn or "0" * 64,
            "status": {"paid": 2, "closed": 3}.get(how.state, 1),
        }
        return self.told(payment, {**fields, **self.more(how)}, how, "signature", "amount")

    def more(self, how: How) -> dict[str, Any]:
        """What a dialect says besides."""
        return {}


class GmpaySimulator(EpusdtSimulator):
    """The rewrite of 2026 (§2)."""

    name = "gmpay"
    gateway_type = "gmpay"
    pid: ClassVar[str] = "1000"
    refusal_http: ClassVar = {401: 401, **dict.fromkeys(range(10001, 10047), 400)}
    assets: ClassVar = {"tron": ["USDT", "TRX"], "bsc": ["USDT"]}
    routes: ClassVar = {
        ("POST", "/payments/gmpay/v1/order/create-transaction"): "create",
        ("GET", "/payments/gmpay/v1/config"): "config",
        ("GET", "/pay/check-status/{trade_id}"): "check",
        ("GET", "/pay/checkout-counter/{trade_id}"): "page",
    }

    def options(self) -> dict[str, str]:
        """An account."""
        return {**super().options(), "pid": self.pid, "asset": "usdt.tron"}

    def judged(self, said: dict[str, Any]) -> tuple[int, str] | None:
        """And by merchant, currency, coin and network."""
        if said.get("pid") != self.pid or not said.get("currency", "").islower():
            return 10009, "invalid parameters"
        token, network = said.get("token", ""), said.get("network", "")
        if bool(token) != bool(network) or (token and token.upper() not in self.assets.get(network, [])):
            return 10016, "unsupported asset"
        return super().judged(said)

    def order(self, payment: Payment, said: dict[str, Any]) -> dict[str, Any]:
        """`token` is the coin; an order that waits for the buyer's choice has none."""
        told = super().order(payment, said)
        is_chosen = bool(said.get("token"))
        told |= {"currency": said["currency"], "token": said.get("token", "").upper(), "status": 1 if is_chosen else 4}
        return {
            **told,
            "receive_address": self.wallet if is_chosen else "",
            "actual_amount": told["actual_amount"] if is_chosen else 0,
        }

    def config(self, asked: Asked) -> Answered:
        """What it takes."""
        assets = [{"network": name, "tokens": tokens} for name, tokens in self.assets.items()]
        return self.reply({"supported_assets": assets, "amount_precision": 4})

    def more(self, how: How) -> dict[str, Any]:
        """Whose payment it is, and the coin where the original has the address."""
        pid = "9999" if how.forge == "merchant" else self.pid
        return {"pid": pid, "token": "USDT", "receive_address": self.wallet}


SIMULATORS = (EpusdtSimulator, GmpaySimulator)
