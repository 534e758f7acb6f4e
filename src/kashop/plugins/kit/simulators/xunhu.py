"""A simulated 虎皮椒, written from the protocol sheet: its own signing, its own reading."""

from collections.abc import Mapping
from decimal import Decimal
from hashlib import md5
from typing import Any, ClassVar
from urllib.parse import urlencode

from kashop.plugins.kit.simulator import Simulator
from kashop.plugins.kit.vendorwords import Answered, Asked, Heard, How, Payment, Refunded, Told

NEEDED = ("version", "appid", "trade_order_id", "total_fee", "title", "time", "notify_url", "nonce_str", "hash")
STALE_SECONDS = 300


class XunhuSimulator(Simulator):
    """One merchant's channel. Amounts are yuan as text."""

    name = "xunhu"
    gateway_type = "xunhu"
    method = "wxpay"
    routes: ClassVar[dict[tuple[str, str], str]] = {
        ("POST", "/payment/do.html"): "create",
        ("GET", "/payment/query.html"): "look",
        ("POST", "/payment/query.html"): "look",
        ("POST", "/payment/refund.html"): "refund",
    }

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port=port)
        self.appid, self.secret = "20261100001", "xunhuSecretTest"
        self.names_amounts = True
        """Whether its answers to queries say how much an order is about."""

    def options(self) -> dict[str, str]:
        """Its APPID is one of WeChat's."""
        return {"url": self.url, "appid": self.appid, "secret": self.secret, "methods": "wxpay"}

    def is_acknowledged(self, heard: Heard) -> bool:
        """The body says success."""
        return heard.status == 200 and heard.body.strip() == "success"

    def hash(self, parameters: Mapping[str, Any], secret: str = "") -> str:
        """Sorted, without empty values and the hash itself, the secret at the end."""
        pairs = [f"{k}={v}" for k, v in sorted(parameters.items()) if k != "hash" and v not in ("", None)]
        return md5(("&".join(pairs) + (secret or self.secret)).encode()).hexdigest()  # noqa: S324 - the sheet's

    def answered(self, **said: Any) -> Answered:
        """A good answer with its hash."""
        plain = {"errcode": 0, "errmsg": "success!", **said}
        signed = {k: v for k, v in plain.items() if not isinstance(v, dict)}
        return Answered.json({**plain, "hash": self.hash(signed)})

    def refused(self, asked: Asked) -> Answered | None:
        """What a request without a right hash hears."""
        form = _given(asked)
        if form.get("appid") != self.appid or form.get("hash") != self.hash(form):
            return Answered.json({"errcode": 40029, "errmsg": "签名错误"})
        if abs(float(form.get("time") or 0) - self.clock()) > STALE_SECONDS:
            return Answered.json({"errcode": 40030, "errmsg": "请求已过期"})
        return None

    def create(self, asked: Asked) -> Answered:
        """Take an order; the same one again gets the same answer."""
        form = _given(asked)
        if missing := [name for name in NEEDED if not form.get(name)]:
            return Answered.json({"errcode": 500, "errmsg": f"missing {missing[0]}"})
        if refusal := self.refused(asked):
            return refusal
        is_long = len(form["trade_order_id"]) > 32 or len(form["title"].encode()) > 127 or len(form["notify_url"]) > 128
        if is_long or Decimal(form["total_fee"]) <= 0 or any(ord(c) > 0xFFFF for c in form["title"]):
            return Answered.json({"errcode": 500, "errmsg": "参数错误"})
        with self.lock:
            payment = self._booked(form)
        if payment.state == "paid" or payment.amount != form["total_fee"]:
            return Answered.json({"errcode": 500, "errmsg": "商户订单号重复"})
        address = self.cashier(payment)
        return self.answered(url=address, url_qrcode=f"{address}.png", openid=payment.ref)

    def _booked(self, form: Mapping[str, str]) -> Payment:
        try:
            return self.find(form["trade_order_id"])
        except KeyError:
            ref = self.number("X")
            payment = Payment(
                ref=ref,
                attempt_no=form["trade_order_id"],
                amount=form["total_fee"],
                currency="CNY",
                notify_url=form["notify_url"],
                return_url=form.get("return_url", ""),
                request=dict(form),
            )
            self.payments[ref] = payment
            return payment

    def notification(self, payment: Payment, how: How) -> Told:
        """A posted form."""
        fields = {
            "trade_order_id": payment.attempt_no,
            "total_fee": how.amount or payment.paid_amount or payment.amount,
            "transaction_id": how.txn or payment.txn or "4200001",
            "open_order_id": how.txn or payment.txn or payment.ref,
            "order_title": payment.request["title"],
            "status": {"paid": "OD", "closed": "CD"}.get(how.state, how.state),
            "appid": "9999" if how.forge == "merchant" else self.appid,
            "time": str(int(self.clock())),
            "nonce_str": "77aa",
        }
        fields["hash"] = self.hash(fields, "another secret" if how.forge == "key" else "")
        if how.forge == "signature":
            fields["hash"] = fields["hash"][::-1]
        if how.forge == "amount":
            fields["total_fee"] = "0.01"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return Told("POST", payment.notify_url, headers, urlencode(fields).encode())

    def look(self, asked: Asked) -> Answered:
        """What became of an order."""
        if refusal := self.refused(asked):
            return refusal
        payment = self._wanted(_given(asked), "out_trade_order")
        if payment is None:
            return Answered.json({"errcode": 404, "errmsg": "订单不存在"})
        data = {"status": self._state(payment), "open_order_id": payment.txn or payment.ref}
        if self.names_amounts:
            data |= {"total_fee": payment.paid_amount or payment.amount, "out_trade_order": payment.attempt_no}
        return self.answered(data=data)

    def refund(self, asked: Asked) -> Answered:
        """The whole of a payment, once."""
        if refusal := self.refused(asked):
            return refusal
        payment = self._wanted(_given(asked), "trade_order_id")
        if payment is None or payment.state != "paid" or self.refund_state == "failed":
            return Answered.json({"errcode": 500, "errmsg": "订单不能退款"})
        with self.lock:
            if not payment.refunds:
                payment.refunds.append(Refunded("", payment.ref, payment.paid_amount, self.refund_state))
        state = self._state(payment)
        return self.answered(refund_status=state, refund_fee=payment.paid_amount, transaction_id="4200001")

    def _wanted(self, form: Mapping[str, str], by: str) -> Payment | None:
        with self.lock:
            found = list(self.payments.values())
        if number := form.get("open_order_id"):
            found = [p for p in found if number in (p.txn, p.ref)]
        else:
            found = [p for p in found if p.attempt_no == form.get(by)]
        return found[-1] if found else None

    def _state(self, payment: Payment) -> str:
        if payment.refunds:
            return {"done": "CD", "pending": "RD"}.get(payment.refunds[0].state, "UD")
        return {"paid": "OD", "closed": "CD"}.get(payment.state, "WP")


def _given(asked: Asked) -> dict[str, str]:
    """A form, or the same as JSON."""
    if asked.headers.get("content-type", "").startswith("application/json"):
        return {str(name): str(value) for name, value in asked.json().items()}
    return {**asked.query, **asked.form}


SIMULATORS = (XunhuSimulator,)
