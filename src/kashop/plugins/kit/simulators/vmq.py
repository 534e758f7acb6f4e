"""Simulated V免签 servers, with MD5 and with HMAC-SHA256, written from the protocol sheet: their own signing, their own reading.

The buyer's phone always sends what it was told to the cent; a payment of another price is a server that lies.
"""

import hmac
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from hashlib import md5
from typing import Any, ClassVar
from urllib.parse import urlencode

from kashop.plugins.kit.simulator import Simulator
from kashop.plugins.kit.vendorwords import Answered, Asked, Heard, How, Payment, Told

TYPES = {"1": "wxpay", "2": "alipay", "3": "bank", "4": "qqpay"}
CENT = Decimal("0.01")
MOST_CENTS = 99


class VmqSimulator(Simulator):
    """One server. Amounts are yuan as text: `amount` is the price; what has to be sent stands in the request as `really`."""

    name = "vmq"
    gateway_type = "vmq"
    method = "alipay"
    sign_type: ClassVar[str] = "MD5"
    routes: ClassVar[dict[tuple[str, str], str]] = {
        ("GET", "/createOrder"): "create",
        ("POST", "/createOrder"): "create",
        ("GET", "/getOrder"): "order",
        ("POST", "/getOrder"): "order",
        ("GET", "/checkOrder"): "check",
        ("POST", "/checkOrder"): "check",
        ("GET", "/getState"): "state",
        ("POST", "/getState"): "state",
        ("GET", "/payPage/pay.html"): "page",
    }

    def __init__(self, *, key: str = "vmqTestKey01", port: int = 0) -> None:
        super().__init__(port=port)
        self.key = key
        self.minutes = 5
        """How long an order waits."""
        self.is_watching = True
        """Whether the phone is there."""

    def options(self) -> dict[str, str]:
        """An account of all four ways."""
        return {"url": self.url, "key": self.key, "sign_type": self.sign_type, "methods": "wxpay,alipay,bank,qqpay"}

    def is_acknowledged(self, heard: Heard) -> bool:
        """Exactly success."""
        return heard.status == 200 and heard.body == "success"

    def sign(self, *values: str, key: str = "") -> str:
        """The values side by side."""
        if self.sign_type == "MD5":
            return md5(("".join(values) + (key or self.key)).encode()).hexdigest()  # noqa: S324 - the sheet's
        return hmac.new((key or self.key).encode(), "".join(values).encode(), "sha256").hexdigest()

    def create(self, asked: Asked) -> Answered:
        """Take an order, at a price that no other open one of its kind has."""
        form = {**asked.query, **asked.form}
        needed = ("payId", "type", "price", "sign")
        if missing := [name for name in needed if not form.get(name)]:
            return _no(f"请传入{missing[0]}")
        values = [form.get(name, "") for name in ("payId", "param", "type", "price")]
        is_right_type = form.get("signType", "MD5") == self.sign_type
        if not is_right_type or form["type"] not in TYPES or form["sign"] != self.sign(*values):
            return _no("签名错误")
        with self.lock:
            if any(p.attempt_no == form["payId"] for p in self.payments.values()):
                return _no("商户订单号已存在")
            really = self._free(form["type"], Decimal(form["price"]))
            if really is None:
                return _no("订单超出负荷，请稍后重试")
            payment = self._booked(form, really)
        if form.get("isHtml") == "1":
            return Answered.redirect(self.cashier(payment))
        return Answered.json({"code": 1, "msg": "成功", "data": self._data(payment)})

    def _free(self, kind: str, price: Decimal) -> Decimal | None:
        """The first amount from the price on that nobody waits to send."""
        open_ones = [p for p in self.payments.values() if p.state == "open" and p.request["type"] == kind]
        taken = {p.request["really"] for p in open_ones}
        free = (price + CENT * n for n in range(MOST_CENTS + 1) if f"{price + CENT * n:.2f}" not in taken)
        return next(free, None)

    def _booked(self, form: Mapping[str, str], really: Decimal) -> Payment:
        ref = self.number()
        request = {**form, "really": f"{really:.2f}", "date": int(self.clock())}
        self.payments[ref] = Payment(
            ref=ref,
            attempt_no=form["payId"],
            amount=form["price"],
            currency="CNY",
            notify_url=form.get("notifyUrl", ""),
            return_url=form.get("returnUrl", ""),
            request=request,
            txn=form["payId"],
        )
        return self.payments[ref]

    def _data(self, payment: Payment) -> dict[str, Any]:
        return {
            "payId": payment.attempt_no,
            "orderId": payment.ref,
            "payType": int(payment.request["type"]),
            "price": float(payment.amount),
            "reallyPrice": float(payment.request["really"]),
            "payUrl": self.cashier(payment),
            "isAuto": 1,
            "state": {"paid": 1, "closed": -1}.get(payment.state, 0),
            "timeOut": self.minutes,
            "date": payment.request["date"] * 1000,
        }

    def paid_fields(self, payment: Payment, how: How) -> dict[str, str]:
        """What is told of a payment, signed, unless it is to be forged."""
        price = how.amount or payment.paid_amount or payment.amount
        try:
            odd = Decimal(payment.request["really"]) - Decimal(payment.amount)
            really = f"{Decimal(price) + odd:.2f}"
        except InvalidOperation:
            really = price
        param = "stranger" if how.forge == "merchant" else payment.request.get("param", "")
        fields = {
            "payId": payment.attempt_no,
            "param": param,
            "type": payment.request["type"],
            "price": price,
            "reallyPrice": really,
        }
        fields["sign"] = self.sign(*fields.values(), key="another key" if how.forge == "key" else "")
        if how.forge == "signature":
            fields["sign"] = fields["sign"][::-1]
        if how.forge == "amount":
            fields["price"] = "0.01"
        return fields

    def notification(self, payment: Payment, how: How) -> Told:
        """It only tells of payments: what it would say of anything else it does not sign."""
        if how.state != "paid":
            return Told("GET", f"{payment.notify_url}?{urlencode({'payId': payment.attempt_no, 'state': how.state})}")
        return Told("GET", f"{payment.notify_url}?{urlencode(self.paid_fields(payment, how))}")

    def order(self, asked: Asked) -> Answered:
        """Unsigned: what its own page shows."""
        payment = self._wanted(asked)
        return Answered.json({"code": 1, "msg": "成功", "data": self._data(payment)}) if payment else _no("云端订单编号不存在")

    def check(self, asked: Asked) -> Answered:
        """Where the buyer is sent once he has paid, with the same fields and signature as a callback."""
        payment = self._wanted(asked)
        if payment is None:
            return _no("云端订单编号不存在")
        if payment.state != "paid":
            return _no("订单未支付" if payment.state == "open" else "订单已过期")
        back = f"{payment.return_url}?{urlencode(self.paid_fields(payment, How()))}"
        return Answered.json({"code": 1, "msg": "成功", "data": back})

    def state(self, asked: Asked) -> Answered:
        """How the phone is."""
        form = {**asked.query, **asked.form}
        if form.get("sign") != self.sign(form.get("t", "")):
            return _no("签名校验不通过")
        seen = {"lastheart": int(self.clock()), "lastpay": 0, "jkstate": str(int(self.is_watching))}
        return Answered.json({"code": 1, "msg": "成功", "data": seen})

    def page(self, asked: Asked) -> Answered:
        """Its own page to pay on."""
        payment = self._wanted(asked)
        return Answered.redirect(self.cashier(payment)) if payment else Answered.html("<h1>404</h1>", 404)

    def _wanted(self, asked: Asked) -> Payment | None:
        with self.lock:
            return self.payments.get({**asked.query, **asked.form}.get("orderId", ""))


class VmqHmacSimulator(VmqSimulator):
    """A newer build."""

    name = "vmq-hmac"
    sign_type = "HMAC_SHA256"


def _no(message: str) -> Answered:
    return Answered.json({"code": -1, "msg": message, "data": None})


SIMULATORS = (VmqSimulator, VmqHmacSimulator)
