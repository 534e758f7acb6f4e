"""A simulated WeChat Pay (APIv3), written from the protocol sheet: its own signing, sealing and reading.

Both key modes (`mode` is `public_key` or `certificate`), QR code, phone page and JSAPI with the OAuth in front of it, notices
about payments and refunds, query, close, refund, the trade bill.
"""

import datetime as dt
import hashlib
import json
import re
import secrets
import threading
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kashop.plugins.kit.simulator import Simulator, tell
from kashop.plugins.kit.simulators.wechat_words import (
    API_V3_KEY,
    APP_SECRET,
    APPID,
    COLUMNS,
    MCHID,
    PLATFORM_SERIAL,
    PUBLIC_KEY_ID,
    SERIAL,
    STALE_SECONDS,
    TRADE_TYPES,
    Refusal,
    beijing,
    certificate,
    check_order,
    key_of,
    row,
    yuan,
)
from kashop.plugins.kit.vendorwords import Answered, Asked, How, Payment, Refunded, Told


class WechatSimulator(Simulator):
    """The platform. Amounts are fen as text."""

    name = "wechat"
    gateway_type = "wechat"
    method = "wxpay"
    mode = "public_key"
    tells_refunds = True
    routes: ClassVar[dict[tuple[str, str], str]] = {
        ("POST", "/v3/pay/transactions/{product}"): "place",
        ("GET", "/v3/pay/transactions/out-trade-no/{number}"): "look",
        ("POST", "/v3/pay/transactions/out-trade-no/{number}/close"): "close",
        ("POST", "/v3/refund/domestic/refunds"): "refund",
        ("GET", "/v3/refund/domestic/refunds/{number}"): "look_for_refund",
        ("GET", "/v3/certificates"): "certificates",
        ("GET", "/v3/bill/tradebill"): "name_bill",
        ("GET", "/v3/billdownload/file"): "bill",
        ("GET", "/h5pay/{ref}"): "phone_page",
        ("GET", "/connect/oauth2/authorize"): "consent",
        ("GET", "/sns/oauth2/access_token"): "who",
    }

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port=port)
        self.codes: set[str] = set()

    def options(self) -> dict[str, str]:
        """As the merchant platform shows them."""
        private = key_of("merchant").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = key_of("platform").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        ids = {"mchid": MCHID, "appid": APPID, "serial_no": SERIAL, "api_v3_key": API_V3_KEY, "app_secret": APP_SECRET}
        keys = {"public_key_id": PUBLIC_KEY_ID, "public_key": public} if self.mode == "public_key" else {}
        return {**ids, **keys, "private_key": private, "contracts": "native,h5,jsapi", "url": self.url.rstrip("/")}

    def decimal(self, amount: str) -> str:
        """Fen as yuan."""
        return yuan(amount)

    # Notices

    def notification(self, payment: Payment, how: How) -> Told:
        """Sheet §4."""
        state = {"paid": "SUCCESS", "closed": "CLOSED"}.get(how.state, "USERPAYING")
        trade = self._trade(payment, how.amount or payment.paid_amount or payment.amount, state)
        trade["transaction_id"] = how.txn or payment.txn or payment.ref
        if how.forge == "merchant":
            trade["mchid"] = "1900009999"
        return self._notice(payment.notify_url, "TRANSACTION.SUCCESS", "transaction", trade, how.forge)

    def refund_notice(self, payment: Payment, refund: Refunded) -> Told:
        """Sheet §4."""
        state = {"done": "SUCCESS", "failed": "CLOSED"}.get(refund.state, "ABNORMAL")
        about = {
            "mchid": MCHID,
            "out_trade_no": payment.attempt_no,
            "transaction_id": payment.txn,
            "out_refund_no": refund.refund_no,
            "refund_id": refund.ref,
            "refund_status": state,
            "success_time": self.now(),
            "user_received_account": "招商银行信用卡0403",
            "amount": {"total": int(payment.paid_amount), "refund": int(refund.amount), "payer_total": int(payment.paid_amount)},
        }
        return self._notice(payment.notify_url, f"REFUND.{state}", "refund", about, "")

    def probe(self, payment: Payment) -> Told:
        """A signature that must be refused (sheet §3)."""
        told = self.notification(payment, How())
        signature = f"WECHATPAY/SIGNTEST/{told.headers['Wechatpay-Signature'][19:]}"
        return Told(told.method, told.url, {**told.headers, "Wechatpay-Signature": signature}, told.body)

    def _notice(self, url: str, event: str, kind: str, about: Mapping[str, Any], forge: str) -> Told:
        sealed = self.sealed(json.dumps(about, ensure_ascii=False), kind)
        notice = {"id": f"EV-{self.number()}", "create_time": self.now(), "event_type": event, "summary": "通知"}
        resource = {"original_type": kind, **sealed}
        body = json.dumps({**notice, "resource_type": "encrypt-resource", "resource": resource}, ensure_ascii=False)
        headers = self.signed(body, "stranger" if forge == "key" else "platform")
        if forge == "signature":
            headers["Wechatpay-Signature"] = headers["Wechatpay-Signature"][::-1]
        if forge == "amount":
            body = json.dumps({**notice, "resource": self.sealed(json.dumps({**about, "amount": {"total": 1}}), kind)})
        return Told("POST", url, {"Content-Type": "application/json", **headers}, body.encode())

    def sealed(self, text: str, beside: str) -> dict[str, str]:
        """AES-256-GCM by the APIv3 key."""
        nonce = secrets.token_hex(6)
        raw = AESGCM(API_V3_KEY.encode()).encrypt(nonce.encode(), text.encode(), beside.encode())
        return {"algorithm": "AEAD_AES_256_GCM", "ciphertext": b64encode(raw).decode(), "associated_data": beside, "nonce": nonce}

    def signed(self, body: str, who: str = "platform") -> dict[str, str]:
        """Sheet §3."""
        stamp, nonce = str(int(self.clock())), secrets.token_hex(16)
        signature = key_of(who).sign(f"{stamp}\n{nonce}\n{body}\n".encode(), padding.PKCS1v15(), SHA256())
        return {
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": b64encode(signature).decode(),
            "Wechatpay-Serial": PUBLIC_KEY_ID if self.mode == "public_key" else PLATFORM_SERIAL,
        }

    def now(self) -> str:
        """RFC 3339, Beijing."""
        zone = dt.timezone(dt.timedelta(hours=8))
        return dt.datetime.fromtimestamp(int(self.clock()), zone).isoformat()

    # Requests

    def _routed(self, asked: Asked) -> Answered:
        """Sheet §2, §3 and §8: judge the signature of API calls, sign their answers."""
        if not asked.path.startswith("/v3/"):
            return super()._routed(asked)
        try:
            self._check(asked)
            answered = super()._routed(asked)
        except Refusal as refusal:
            answered = Answered.json({"code": refusal.code, "message": refusal.message}, refusal.status)
            if refusal.status == 401:
                return answered
        if asked.path == "/v3/billdownload/file":
            return answered
        return Answered(answered.body, answered.status, {**answered.headers, **self.signed(answered.body.decode())})

    def _check(self, asked: Asked) -> None:
        kind, _, rest = asked.headers.get("authorization", "").partition(" ")
        told = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        wrong = Refusal(401, "SIGN_ERROR", "错误的签名，验签失败")
        if kind != "WECHATPAY2-SHA256-RSA2048" or told.get("mchid") != MCHID or told.get("serial_no") != SERIAL:
            raise wrong
        text = f"{asked.method}\n{asked.target}\n{told.get('timestamp')}\n{told.get('nonce_str')}\n{asked.body.decode()}\n"
        try:
            signature = b64decode(told.get("signature", ""), validate=True)
            key_of("merchant").public_key().verify(signature, text.encode(), padding.PKCS1v15(), SHA256())
            is_timely = abs(int(told.get("timestamp", "0")) - self.clock()) <= STALE_SECONDS
        except (ValueError, InvalidSignature):
            raise wrong from None
        if not is_timely or not asked.headers.get("user-agent") or "application/json" not in asked.headers.get("accept", ""):
            raise wrong
        if self.mode == "public_key" and asked.headers.get("wechatpay-serial") != PUBLIC_KEY_ID:
            raise Refusal(400, "PARAM_ERROR", "Wechatpay-Serial")

    def place(self, asked: Asked) -> Answered:
        """Sheet §1."""
        product, order = asked.params["product"], asked.json()
        check_order(product, order, self.clock())
        amount = str(order["amount"]["total"])
        with self.lock:
            try:
                known = self.find(order["out_trade_no"])
            except KeyError:
                ref = self.number("4200")
                known = Payment(ref, order["out_trade_no"], amount, "CNY", order["notify_url"], "", {**order, "product": product})
                self.payments[ref] = known
            if known.state != "open":
                raise Refusal(400, "ORDERPAID" if known.state == "paid" else "ORDER_CLOSED", "订单状态不正确")
            if any(known.request.get(n) != order.get(n) for n in ("amount", "description", "notify_url", "appid")):
                raise Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复")
        ways = {
            "native": {"code_url": f"weixin://wxpay/bizpayurl?pr={known.ref}"},
            "h5": {"h5_url": f"{self.url}h5pay/{known.ref}?prepay_id=wx{known.ref}&package=1"},
            "jsapi": {"prepay_id": f"wx{known.ref}"},
        }
        return Answered.json(ways[product])

    def _wanted(self, number: str) -> Payment:
        try:
            return self.find(number)
        except KeyError:
            raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在") from None

    def _trade(self, payment: Payment, amount: str, state: str) -> dict[str, Any]:
        said: dict[str, Any] = {
            "appid": APPID,
            "mchid": MCHID,
            "out_trade_no": payment.attempt_no,
            "trade_type": TRADE_TYPES[payment.request["product"]],
            "trade_state": state,
            "trade_state_desc": "支付成功" if state == "SUCCESS" else state,
            "amount": {"total": int(amount), "payer_total": int(amount), "currency": "CNY", "payer_currency": "CNY"},
        }
        if payment.txn:
            said |= {
                "transaction_id": payment.txn,
                "bank_type": "OTHERS",
                "success_time": self.now(),
                "payer": {"openid": "oTest"},
            }
        return said

    def look(self, asked: Asked) -> Answered:
        """Sheet §1."""
        if asked.query.get("mchid") != MCHID:
            raise Refusal(400, "PARAM_ERROR", "mchid")
        payment = self._wanted(asked.params["number"])
        state = {"open": "NOTPAY", "closed": "CLOSED"}.get(payment.state, "REFUND" if payment.refunds else "SUCCESS")
        return Answered.json(self._trade(payment, payment.paid_amount or payment.amount, state))

    def close(self, asked: Asked) -> Answered:
        """Sheet §1."""
        if asked.json() != {"mchid": MCHID}:
            raise Refusal(400, "PARAM_ERROR", "mchid")
        payment = self._wanted(asked.params["number"])
        with self.lock:
            if payment.state == "paid":
                raise Refusal(400, "ORDERPAID", "订单已支付")
            if payment.state == "closed":
                raise Refusal(400, "ORDER_CLOSED", "订单已关闭")
            payment.state = "closed"
        return Answered(status=204)

    # Refunds

    def refund(self, asked: Asked) -> Answered:
        """Sheet §6: the number and the amounts make it once."""
        about = asked.json()
        amount, number = about.get("amount") or {}, str(about.get("out_refund_no", ""))
        payment = self._wanted(str(about.get("out_trade_no")))
        if (
            type(amount.get("refund")) is not int
            or amount["refund"] < 1
            or not 1 <= len(number) <= 64
            or amount.get("currency") != "CNY"
        ):
            raise Refusal(400, "PARAM_ERROR", "参数错误")
        with self.lock:
            known = next((r for r in payment.refunds if r.refund_no == number), None)
            if known is not None and known.amount != str(amount["refund"]):
                raise Refusal(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致")
            if known is None:
                known = self._made(payment, amount, number)
        return Answered.json(self._refund(payment, known))

    def _made(self, payment: Payment, amount: Mapping[str, Any], number: str) -> Refunded:
        if self.refund_state == "failed":
            raise Refusal(403, "NOT_ENOUGH", "基本账户余额不足")
        taken = sum(int(r.amount) for r in payment.refunds if r.state != "failed")
        if payment.state != "paid" or str(amount.get("total")) != payment.paid_amount:
            raise Refusal(400, "INVALID_REQUEST", "订单金额不一致")
        if taken + amount["refund"] > int(payment.paid_amount):
            raise Refusal(400, "INVALID_REQUEST", "退款金额超限")
        made = Refunded(number, self.number("50"), str(amount["refund"]), self.refund_state)
        payment.refunds.append(made)
        if made.state == "done" and self.tells_refunds:
            later = threading.Timer(0.05, tell, [self.refund_notice(payment, made)])
            later.daemon = True
            later.start()
        return made

    def _refund(self, payment: Payment, refund: Refunded) -> dict[str, Any]:
        status = {"done": "SUCCESS", "failed": "CLOSED"}.get(refund.state, "PROCESSING")
        amount = {"total": int(payment.paid_amount), "refund": int(refund.amount), "currency": "CNY"}
        numbers = {"out_refund_no": refund.refund_no, "refund_id": refund.ref, "out_trade_no": payment.attempt_no}
        return {**numbers, "transaction_id": payment.txn, "status": status, "amount": amount, "create_time": self.now()}

    def look_for_refund(self, asked: Asked) -> Answered:
        """Sheet §1."""
        with self.lock:
            made = [(p, r) for p in self.payments.values() for r in p.refunds]
        for payment, refund in made:
            if refund.refund_no == asked.params["number"]:
                return Answered.json(self._refund(payment, refund))
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")

    # Keys, bills, and what browsers do

    def certificates(self, _asked: Asked) -> Answered:
        """Sheet §3."""
        if self.mode == "public_key":
            raise Refusal(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书")
        entry = {"serial_no": PLATFORM_SERIAL, "effective_time": self.now(), "expire_time": "2031-01-01T00:00:00+08:00"}
        return Answered.json({"data": [{**entry, "encrypt_certificate": self.sealed(certificate(), "certificate")}]})

    def name_bill(self, asked: Asked) -> Answered:
        """Sheet §7."""
        day = asked.query.get("bill_date", "")
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", day) or asked.query.get("bill_type") != "ALL":
            raise Refusal(400, "PARAM_ERROR", "参数错误")
        if day >= self.now()[:10]:
            raise Refusal(400, "STATEMENT_CREATING", "账单生成中")
        if not self._rows(day):
            raise Refusal(400, "NO_STATEMENT_EXIST", "账单文件不存在")
        digest = hashlib.sha1(self.stated(day), usedforsecurity=False).hexdigest()
        named = {"hash_type": "SHA1", "hash_value": digest, "download_url": f"{self.url}v3/billdownload/file?token={day}"}
        return Answered.json(named)

    def bill(self, asked: Asked) -> Answered:
        """Unsigned."""
        return Answered(self.stated(asked.query["token"]), 200, {"content-type": "text/plain"})

    def stated(self, day: str) -> bytes:
        """The file of a day."""
        rows = self._rows(day)
        foot = f"总交易单数,应结订单总金额,退款总金额,手续费总金额\r\n`{len(rows)},`12.50,`5.00,`0.07500\r\n"
        return ("\ufeff" + COLUMNS + "\r\n" + "".join(f"{row}\r\n" for row in rows) + foot).encode()

    def _rows(self, day: str) -> list[str]:
        with self.lock:
            paid = [p for p in self.payments.values() if p.paid_at and beijing(p.paid_at).startswith(day)]
        rows = []
        for payment in paid:
            rows.append(row(payment, None))
            rows += [row(payment, refund) for refund in payment.refunds if refund.state != "failed"]
        return rows

    def phone_page(self, asked: Asked) -> Answered:
        """WeChat's page for phones: it wants to know which site its visitor comes from, and goes back there."""
        payment = self.find(asked.params["ref"])
        if not asked.headers.get("referer"):
            return Answered.html("<h1>商家存在未配置的参数，请联系商家解决</h1>", 403)
        payment.return_url = asked.query.get("redirect_url", "")
        return Answered.redirect(self.cashier(payment))

    def consent(self, asked: Asked) -> Answered:
        """The OAuth page of snsapi_base: the buyer sees nothing of it."""
        asks, back = asked.query, asked.query.get("redirect_uri", "")
        is_right = asks.get("appid") == APPID and asks.get("response_type") == "code" and asks.get("scope") == "snsapi_base"
        if not is_right or not back:
            return Answered.html("<h1>redirect_uri 参数错误</h1>", 400)
        code = secrets.token_hex(16)
        self.codes.add(code)
        return Answered.redirect(f"{back}{'&' if urlsplit(back).query else '?'}code={code}&state={asks.get('state', '')}")

    def who(self, asked: Asked) -> Answered:
        """A code is good once."""
        asks = asked.query
        if asks.get("appid") != APPID or asks.get("secret") != APP_SECRET or asks.get("code") not in self.codes:
            return Answered.json({"errcode": 40029, "errmsg": "invalid code"})
        self.codes.discard(asks["code"])
        return Answered.json({"access_token": "x", "expires_in": 7200, "openid": "oSimulated", "scope": "snsapi_base"})


class WechatCertificateSimulator(WechatSimulator):
    """The same for a merchant who still works with platform certificates."""

    name = "wechat-certificate"
    mode = "certificate"


SIMULATORS = (WechatSimulator, WechatCertificateSimulator)
