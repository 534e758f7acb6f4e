"""A simulated Epay platform, V1 (MD5), written from the protocol sheet: its own signing, its own reading."""

import time
from collections.abc import Mapping
from decimal import Decimal
from hashlib import md5
from typing import Any, ClassVar
from urllib.parse import urlencode

from kashop.plugins.kit.simulator import Simulator
from kashop.plugins.kit.vendorwords import Answered, Asked, Heard, How, Payment, Refunded, Told

TYPES = ("alipay", "wxpay", "qqpay", "bank", "jdpay")
SAME = ("money", "name", "notify_url", "return_url", "param")
TRADE_STATUS = {"paid": "TRADE_SUCCESS", "closed": "TRADE_CLOSED"}
NOT_FOUND = {"code": -1, "msg": "订单号不存在"}


def content(parameters: Mapping[str, Any]) -> str:
    """Sheet §1.2: without sign, sign_type, arrays and blank values; sorted by name; raw values."""
    kept = []
    for name in sorted(parameters):
        value = parameters[name]
        if name in ("sign", "sign_type") or value is None or isinstance(value, list | dict):
            continue
        if str(value).strip(" \t\n\r\0\x0b") != "":
            kept.append(f"{name}={value}")
    return "&".join(kept)


def php_money(text: str) -> str:
    """Sheet §3: money passes through a float, so 12.50 comes back as 12.5 and 1.00 as 1."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_money(text: str) -> bool:
    """Sheet §1.1: yuan, at most two decimals, more than nothing."""
    whole, _, part = text.partition(".")
    is_text = whole.isascii() and whole.isdigit() and (part == "" or (part.isascii() and part.isdigit() and len(part) <= 2))
    return is_text and Decimal(text) > 0


class EpayPlatform(Simulator):
    """What both versions keep and judge alike. Amounts are yuan as text."""

    method = "alipay"

    def __init__(self, *, pid: str = "1001", port: int = 0) -> None:
        super().__init__(port=port)
        self.pid = pid
        self.added: dict[str, float] = {}

    def is_acknowledged(self, heard: Heard) -> bool:
        """Sheet §1.3."""
        return heard.status == 200 and any(word in heard.body for word in ("success", "SUCCESS", "Success"))

    def is_ours(self, request: dict[str, str]) -> bool:
        """Whether a request is signed as it must be."""
        raise NotImplementedError

    def take(self, request: dict[str, str], *, by_api: bool) -> tuple[int, str, Payment | None]:
        """Judge a create request as the platform does: code (1 is good), message, payment."""
        needed = ["pid", "out_trade_no", "notify_url", "return_url", "name", "money", "sign"]
        if missing := [n for n in needed + (["type", "clientip"] if by_api else []) if not request.get(n)]:
            return -4, f"missing {missing[0]}", None
        if request["pid"] != self.pid or not self.is_ours(request):
            return -3, "签名校验失败", None
        if not is_money(request["money"]) or request.get("type", "alipay") not in TYPES:
            return -1, "金额不合法", None
        with self.lock:
            return self._book(request)

    def _book(self, request: dict[str, str]) -> tuple[int, str, Payment | None]:
        try:
            known = self.find(request["out_trade_no"])
        except KeyError:
            ref = self.number()
            known = Payment(
                ref=ref,
                attempt_no=request["out_trade_no"],
                amount=request["money"],
                currency="CNY",
                notify_url=request["notify_url"],
                return_url=request["return_url"],
                request=dict(request),
                txn=ref,
            )
            self.payments[ref], self.added[ref] = known, self.clock()
            return 1, "ok", known
        if known.state == "paid":
            return -1, "该订单已支付", None
        if any(known.request.get(n) != request.get(n) for n in SAME):
            return -1, "订单信息不一致", None
        return 1, "ok", known

    def wanted(self, asked: Mapping[str, str]) -> Payment | None:
        """The order that a request names: trade_no wins."""
        with self.lock:
            found = list(self.payments.values())
        if asked.get("trade_no"):
            found = [p for p in found if asked["trade_no"] in (p.txn, p.ref)]
        else:
            found = [p for p in found if p.attempt_no == asked.get("out_trade_no")]
        return found[-1] if found else None

    def status(self, payment: Payment) -> int:
        """0 unpaid, 1 paid, 2 refunded, be it in part."""
        return 2 if any(r.state == "done" for r in payment.refunds) else int(payment.state == "paid")

    def told(self, payment: Payment, how: How) -> dict[str, str]:
        """The unsigned fields of a notification (sheet §1.3)."""
        fields = {
            "pid": "9999" if how.forge == "merchant" else self.pid,
            "trade_no": how.txn or payment.txn,
            "out_trade_no": payment.attempt_no,
            "type": payment.request.get("type", "alipay"),
            "name": payment.request["name"],
            "money": php_money(how.amount or payment.paid_amount or payment.amount),
            "trade_status": TRADE_STATUS.get(how.state, how.state),
        }
        if payment.request.get("param"):
            fields["param"] = payment.request["param"]
        return fields

    def row(self, payment: Payment) -> dict[str, Any]:
        """An order as queries and lists show it (sheet §1.4)."""
        return {
            "trade_no": payment.txn,
            "out_trade_no": payment.attempt_no,
            "api_trade_no": f"20{payment.ref}" if payment.state == "paid" else "",
            "type": payment.request.get("type", "alipay"),
            "pid": int(self.pid) if self.pid.isdigit() else self.pid,
            "addtime": beijing(self.added[payment.ref]),
            "endtime": beijing(payment.paid_at) if payment.paid_at else None,
            "name": payment.request["name"],
            "money": payment.paid_amount or payment.amount,
            "param": payment.request.get("param", ""),
            "buyer": "",
            "status": self.status(payment),
        }

    def listed(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        """The newest orders first, 50 at most, behind an offset."""
        limit, offset = min(int(asked.get("limit") or 10), 50), int(asked.get("offset") or 0)
        with self.lock:
            newest = list(self.payments.values())[::-1]
        return [self.row(p) for p in newest[offset : offset + limit]]

    def give_back(self, payment: Payment, money: str, number: str) -> Refunded | str:
        """Refund a payment, once for each number; or why not."""
        with self.lock:
            if known := [r for r in payment.refunds if number and r.refund_no == number]:
                return known[0]
            gone = sum((Decimal(r.amount) for r in payment.refunds if r.state == "done"), Decimal(0))
            if payment.state != "paid" or not is_money(money):
                return "只支持退款已支付状态的订单"
            if gone + Decimal(money) > Decimal(payment.paid_amount):
                return "退款金额不能大于订单金额"
            if self.refund_state == "failed":
                return "商户余额不足"
            refund = Refunded(number, self.number("R"), money)
            payment.refunds.append(refund)
            return refund

    def page(self, asked: Asked) -> Answered:
        """The platform's own cashier."""
        code, message, payment = self.take({**asked.query, **asked.form}, by_api=False)
        if payment is None:
            return Answered.html(f"<h3>{message} ({code})</h3>")
        return Answered.redirect(self.cashier(payment))


class EpaySimulator(EpayPlatform):
    """V1."""

    name = "epay"
    gateway_type = "epay"
    routes: ClassVar[dict[tuple[str, str], str]] = {
        ("GET", "/submit.php"): "page",
        ("POST", "/submit.php"): "page",
        ("POST", "/mapi.php"): "create",
        ("GET", "/api.php"): "look",
        ("POST", "/api.php"): "refund",
    }

    def __init__(self, *, pid: str = "1001", key: str = "KEYepayV1test0001", port: int = 0) -> None:
        super().__init__(pid=pid, port=port)
        self.key = key
        self.refund_code = 0
        """What a good refund is answered with: the documentation says 1, current builds say 0."""

    def options(self) -> dict[str, str]:
        """By API, so that QR codes are shown in the shop."""
        return {"url": self.url, "pid": self.pid, "key": self.key, "mode": "api", "methods": ",".join(TYPES)}

    def sign(self, parameters: Mapping[str, Any], key: str = "") -> str:
        """Sheet §1.2."""
        return md5((content(parameters) + (key or self.key)).encode()).hexdigest()  # noqa: S324 - the sheet's

    def is_ours(self, request: dict[str, str]) -> bool:
        """By MD5."""
        return request["sign"] == self.sign(request)

    def notification(self, payment: Payment, how: How) -> Told:
        """Sheet §1.3."""
        fields = self.told(payment, how)
        fields["sign"] = self.sign(fields, "another key" if how.forge == "key" else "")
        if how.forge == "signature":
            fields["sign"] = fields["sign"][::-1]
        if how.forge == "amount":
            fields["money"] = "0.01"
        return Told("GET", f"{payment.notify_url}?{urlencode({**fields, 'sign_type': 'MD5'})}")

    def create(self, asked: Asked) -> Answered:
        """mapi.php: a QR code for WeChat, an address for all others."""
        code, message, payment = self.take(asked.form, by_api=True)
        if payment is None:
            return Answered.json({"code": code, "msg": message})
        if payment.request["type"] == "wxpay":
            way = {"qrcode": f"weixin://wxpay/bizpayurl?pr={payment.ref}"}
        else:
            way = {"payurl": self.cashier(payment)}
        return Answered.json({"code": 1, "msg": "succ", "trade_no": payment.ref, **way})

    def look(self, asked: Asked) -> Answered:
        """api.php by GET (sheet §1.4)."""
        query = asked.query
        if query.get("pid") != self.pid or query.get("key") != self.key:
            return Answered.json({"code": -3, "msg": "商户ID或密钥错误"})
        if query.get("act") == "order":
            payment = self.wanted(query)
            return Answered.json({"code": 1, "msg": "succ", **self.row(payment)} if payment else NOT_FOUND)
        if query.get("act") == "orders":
            rows = self.listed(query)
            return Answered.json({"code": 1, "msg": "succ", "count": len(rows), "data": rows})
        if query.get("act") == "query":
            pid = int(self.pid) if self.pid.isdigit() else self.pid
            return Answered.json({"code": 1, "pid": pid, "key": self.key, "active": 1, "money": "0.00"})
        return Answered.json({"code": -5, "msg": "No Act!"})

    def refund(self, asked: Asked) -> Answered:
        """api.php?act=refund by POST (sheet §1.4)."""
        form = asked.form
        if form.get("pid") != self.pid or form.get("key") != self.key:
            return Answered.json({"code": -3, "msg": "商户ID或密钥错误"})
        payment = self.wanted(form) if asked.query.get("act") == "refund" else None
        if payment is None:
            return Answered.json(NOT_FOUND)
        given = self.give_back(payment, form.get("money", ""), form.get("refund_no", ""))
        if isinstance(given, str):
            return Answered.json({"code": -1, "msg": given})
        said = {"refund_no": given.ref, "trade_no": payment.txn, "money": given.amount, "reducemoney": given.amount}
        return Answered.json({"code": self.refund_code, "msg": "退款成功", **said})


def beijing(seconds: float) -> str:
    """A time as Epay writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds + 8 * 3600))


SIMULATORS = (EpaySimulator,)
