"""A simulated Epay platform, V2 (RSA), written from the protocol sheet: its own signing, its own reading."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar
from urllib.parse import urlencode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kashop.plugins.kit.simulators.epay import NOT_FOUND, TYPES, EpayPlatform, beijing, content
from kashop.plugins.kit.vendorwords import Answered, Asked, How, Payment, Refunded, Told

STALE_SECONDS = 300


class EpayV2Simulator(EpayPlatform):
    """V2. Its keys are drawn once a process."""

    name = "epay-v2"
    gateway_type = "epay_v2"
    routes: ClassVar[dict[tuple[str, str], str]] = {
        ("GET", "/api/pay/submit"): "page",
        ("POST", "/api/pay/submit"): "page",
        ("POST", "/api/pay/create"): "create",
        ("POST", "/api/pay/query"): "look",
        ("POST", "/api/pay/refund"): "refund",
        ("POST", "/api/pay/refundquery"): "look_for_refund",
        ("POST", "/api/pay/close"): "close",
        ("POST", "/api/merchant/info"): "info",
        ("POST", "/api/merchant/orders"): "orders",
    }

    def options(self) -> dict[str, str]:
        """The merchant's private key and the platform's public one, as the console shows them."""
        private = key_of("merchant").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public = key_of("platform").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        keys = {"private_key": b64encode(private).decode(), "public_key": b64encode(public).decode()}
        return {"url": self.url, "pid": self.pid, **keys, "mode": "api", "methods": ",".join(TYPES)}

    def sign(self, parameters: Mapping[str, Any], who: str = "platform") -> str:
        """Sheet §2.1."""
        return b64encode(key_of(who).sign(content(parameters).encode(), padding.PKCS1v15(), SHA256())).decode()

    def is_ours(self, request: dict[str, str]) -> bool:
        """By the merchant's public key, of this hour, and called RSA."""
        try:
            is_timely = abs(int(request.get("timestamp", "0")) - self.clock()) <= STALE_SECONDS
            signature = b64decode(request.get("sign", ""), validate=True)
            key_of("merchant").public_key().verify(signature, content(request).encode(), padding.PKCS1v15(), SHA256())
        except (ValueError, InvalidSignature):
            return False
        return is_timely and request.get("sign_type") == "RSA"

    def notification(self, payment: Payment, how: How) -> Told:
        """Sheet §2.2."""
        fields = {
            **self.told(payment, how),
            "api_trade_no": f"20{payment.ref}",
            "addtime": beijing(self.added[payment.ref]),
            "timestamp": str(int(self.clock())),
        }
        fields["sign"] = self.sign(fields, "stranger" if how.forge == "key" else "platform")
        if how.forge == "signature":
            fields["sign"] = fields["sign"][::-1]
        if how.forge == "amount":
            fields["money"] = "0.01"
        return Told("GET", f"{payment.notify_url}?{urlencode({**fields, 'sign_type': 'RSA'})}")

    def reply(self, **said: Any) -> Answered:
        """A signed reply: every field but lists (sheet §2.1); fields that are empty are left out."""
        kept = {"code": 0, **{k: v for k, v in said.items() if v not in ("", None)}, "timestamp": str(int(self.clock()))}
        return Answered.json({**kept, "sign": self.sign(kept), "sign_type": "RSA"})

    def refused(self, form: dict[str, str]) -> Answered | None:
        """What a request without a right signature hears."""
        if form.get("pid") == self.pid and self.is_ours(form):
            return None
        return Answered.json({"code": -3, "msg": "签名校验失败"})

    def create(self, asked: Asked) -> Answered:
        """A QR code for WeChat, an address for all others."""
        form = asked.form
        code, message, payment = self.take(form, by_api=True)
        if payment is None or not form.get("method"):
            return Answered.json({"code": code if payment is None else -4, "msg": message})
        if payment.request["type"] == "wxpay":
            way = {"pay_type": "qrcode", "pay_info": f"weixin://wxpay/bizpayurl?pr={payment.ref}"}
        else:
            way = {"pay_type": "jump", "pay_info": self.cashier(payment)}
        return self.reply(trade_no=payment.ref, **way)

    def look(self, asked: Asked) -> Answered:
        """Sheet §2.3."""
        if refusal := self.refused(asked.form):
            return refusal
        payment = self.wanted(asked.form)
        if payment is None:
            return Answered.json(NOT_FOUND)
        gone = sum((Decimal(r.amount) for r in payment.refunds if r.state == "done"), Decimal(0))
        return self.reply(**self.row(payment), refundmoney=str(gone) if gone else "", clientip="203.0.113.7")

    def refund(self, asked: Asked) -> Answered:
        """Sheet §2: once for each out_refund_no of more than five characters."""
        form = asked.form
        if refusal := self.refused(form):
            return refusal
        payment = self.wanted(form)
        if payment is None or len(form.get("out_refund_no", "")) <= 5:
            return Answered.json(NOT_FOUND)
        given = self.give_back(payment, form.get("money", ""), form["out_refund_no"])
        if isinstance(given, str):
            return Answered.json({"code": -1, "msg": given})
        return self.reply(msg="退款成功", trade_no=payment.txn, reducemoney=given.amount, **_numbers(given))

    def look_for_refund(self, asked: Asked) -> Answered:
        """Sheet §2.3."""
        form = asked.form
        if refusal := self.refused(form):
            return refusal
        with self.lock:
            made = [(p, r) for p in self.payments.values() for r in p.refunds]
        for payment, made_one in made:
            if form.get("out_refund_no") == made_one.refund_no or form.get("refund_no") == made_one.ref:
                return self.reply(trade_no=payment.txn, status=int(made_one.state == "done"), **_numbers(made_one))
        return Answered.json({"code": -1, "msg": "退款订单不存在"})

    def close(self, asked: Asked) -> Answered:
        """Sheet §2: unpaid orders only."""
        if refusal := self.refused(asked.form):
            return refusal
        payment = self.wanted(asked.form)
        if payment is None:
            return Answered.json(NOT_FOUND)
        with self.lock:
            if payment.state == "paid":
                return Answered.json({"code": -1, "msg": "只能关闭未支付的订单"})
            payment.state = "closed"
        return self.reply(msg="succ")

    def info(self, asked: Asked) -> Answered:
        """The merchant's record."""
        return self.refused(asked.form) or self.reply(pid=int(self.pid), status=1, money="0.00")

    def orders(self, asked: Asked) -> Answered:
        """The list, which the signature does not cover."""
        return self.refused(asked.form) or self.reply(data=self.listed(asked.form))


def _numbers(refund: Refunded) -> dict[str, str]:
    return {"refund_no": refund.ref, "out_refund_no": refund.refund_no, "money": refund.amount}


@cache
def key_of(_who: str) -> rsa.RSAPrivateKey:
    """The key of the merchant, the platform or a stranger."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


SIMULATORS = (EpayV2Simulator,)
