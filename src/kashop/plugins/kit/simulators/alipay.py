"""A simulated Alipay open platform (RSA2), written from the protocol sheet: its own signing, its own reading.

QR, computer and phone pages, notices about payments and refunds, query, close, refund, the trade bill as a zip of GBK tables.
"""

import calendar
import io
import json
import re
import threading
import time
import zipfile
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

from kashop.plugins.kit.simulator import Simulator, tell
from kashop.plugins.kit.vendorwords import Answered, Asked, Heard, How, Payment, Refunded, Told

APP_ID, SELLER = "2021000000000001", "2088000000000001"
COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,"
    "集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
CODES = {
    "isv.invalid-app-id": "40002",
    "isv.invalid-signature": "40002",
    "isv.invalid-timestamp": "40002",
    "isv.missing-method": "40001",
}
MONEY = re.compile(r"(0|[1-9][0-9]{0,8})\.[0-9]{2}", re.ASCII)
NUMBER = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)


def content(fields: Mapping[str, str], without: tuple[str, ...]) -> str:
    """Sheet §2 and §5."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name] != "" and name not in without)


class Refusal(Exception):
    """A sub_code, and what it means."""

    def __init__(self, sub_code: str, message: str):
        super().__init__(sub_code)
        self.sub_code = sub_code
        self.message = message


class AlipaySimulator(Simulator):
    """The platform. Amounts are yuan as text; `tells_refunds` may be put off."""

    name = "alipay"
    gateway_type = "alipay"
    method = "alipay"
    tells_refunds = True
    routes: ClassVar[dict[tuple[str, str], str]] = {
        ("POST", "/gateway.do"): "serve",
        ("GET", "/gateway.do"): "page",
        ("GET", "/bill/{day}"): "bill",
    }
    calls: ClassVar[dict[str, str]] = {
        "alipay.trade.precreate": "precreate",
        "alipay.trade.query": "look",
        "alipay.trade.close": "close",
        "alipay.trade.refund": "refund",
        "alipay.trade.fastpay.refund.query": "look_for_refund",
        "alipay.data.dataservice.bill.downloadurl.query": "name_bill",
    }

    def options(self) -> dict[str, str]:
        """As the key tool and the console show them."""
        private = key_of("merchant").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public = key_of("platform").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        keys = {"private_key": b64encode(private).decode(), "alipay_public_key": b64encode(public).decode()}
        return {"app_id": APP_ID, **keys, "contracts": "qr,page,wap", "seller_id": SELLER, "url": f"{self.url}gateway.do"}

    def sign(self, text: str, who: str = "platform") -> str:
        """RSA2."""
        return b64encode(key_of(who).sign(text.encode(), padding.PKCS1v15(), SHA256())).decode()

    # Notices

    def notification(self, payment: Payment, how: How) -> Told:
        """Sheet §5."""
        amount = how.amount or payment.paid_amount or payment.amount
        status = {"paid": "TRADE_SUCCESS", "closed": "TRADE_CLOSED"}.get(how.state, "WAIT_BUYER_PAY")
        return self._told(payment, how, total_amount=amount, receipt_amount=amount, trade_status=status)

    def refund_notice(self, payment: Payment, refund: Refunded) -> Told:
        """Sheet §5: TRADE_SUCCESS again with what went back so far; TRADE_CLOSED when all did."""
        gone = sum((Decimal(r.amount) for r in payment.refunds if r.state == "done"), Decimal(0))
        status = "TRADE_CLOSED" if gone >= Decimal(payment.paid_amount) else "TRADE_SUCCESS"
        about = {"refund_fee": f"{gone:.2f}", "gmt_refund": f"{self.now()}.123", "out_biz_no": refund.refund_no}
        return self._told(payment, How(), total_amount=payment.paid_amount, trade_status=status, **about)

    def _told(self, payment: Payment, how: How, **about: str) -> Told:
        fields = {
            "app_id": "2021000000009999" if how.forge == "merchant" else APP_ID,
            "auth_app_id": APP_ID,
            "buyer_id": "2088000000000002",
            "charset": "utf-8",
            "gmt_create": beijing(payment.paid_at or self.clock()),
            "gmt_payment": beijing(payment.paid_at or self.clock()),
            "notify_id": self.number(),
            "notify_time": self.now(),
            "notify_type": "trade_status_sync",
            "out_trade_no": payment.attempt_no,
            "seller_id": SELLER,
            "subject": payment.request["subject"],
            "trade_no": how.txn or payment.txn or payment.ref,
            "version": "1.0",
            "fund_bill_list": '[{"amount":"12.50","fundChannel":"ALIPAYACCOUNT"}]',
            "passback_params": "",
            **about,
        }
        fields["sign"] = self.sign(content(fields, ("sign", "sign_type")), "stranger" if how.forge == "key" else "platform")
        if how.forge == "signature":
            fields["sign"] = fields["sign"][::-1]
        if how.forge == "amount":
            fields["total_amount"] = "0.01"
        body = urlencode({**fields, "sign_type": "RSA2"}).encode()
        return Told("POST", payment.notify_url, {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, body)

    def is_acknowledged(self, heard: Heard) -> bool:
        """Exactly the seven characters."""
        return heard.status == 200 and heard.body == "success"

    def now(self) -> str:
        """Beijing time."""
        return beijing(self.clock())

    # Requests

    def serve(self, asked: Asked) -> Answered:
        """Sheet §1 to §3: judge the request, do it, sign the answer."""
        fields = {**asked.query, **asked.form}
        method = fields.get("method", "")
        node = f"{method.replace('.', '_')}_response"
        try:
            self._check(fields)
            if method not in self.calls:
                raise Refusal("isv.missing-method", "方法名不存在")
            said = {"code": "10000", "msg": "Success", **getattr(self, self.calls[method])(fields)}
        except Refusal as refusal:
            code = CODES.get(refusal.sub_code, "40004")
            words = {40002: "Invalid Arguments"}.get(int(code), "Business Failed")
            said = {"code": code, "msg": words, "sub_code": refusal.sub_code, "sub_msg": refusal.message}
            if code == "40002":
                return Answered.json({node: said})
        text = json.dumps(said, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
        body = f'{{"{node}":{text},"sign":"{self.sign(text)}"}}'
        return Answered(body.encode(), 200, {"content-type": "text/html;charset=utf-8"})

    def page(self, asked: Asked) -> Answered:
        """Sheet §4: a browser brings the whole signed order."""
        fields, method = asked.query, asked.query.get("method", "")
        needed = {"alipay.trade.page.pay": "FAST_INSTANT_TRADE_PAY", "alipay.trade.wap.pay": "QUICK_WAP_WAY"}
        try:
            self._check(fields)
            about = json.loads(fields["biz_content"])
            if about.get("product_code") != needed.get(method, "-") or any(c in about["subject"] for c in "/=&"):
                raise Refusal("ACQ.INVALID_PARAMETER", "参数无效")
            payment = self._taken(fields, about)
        except Refusal as refusal:
            return Answered.html(f"<h1>{refusal.sub_code}</h1>", 400)
        return Answered.redirect(self.cashier(payment))

    def _check(self, fields: Mapping[str, str]) -> None:
        if fields.get("app_id") != APP_ID:
            raise Refusal("isv.invalid-app-id", "无效的AppID参数")
        constants = {"format": "JSON", "charset": "utf-8", "sign_type": "RSA2", "version": "1.0"}
        if any(fields.get(name) != value for name, value in constants.items()) or not _is_json(fields.get("biz_content", "")):
            raise Refusal("isv.missing-method", "缺少参数")
        try:
            key = key_of("merchant").public_key()
            signature = b64decode(fields.get("sign", ""), validate=True)
            key.verify(signature, content(fields, ("sign",)).encode(), padding.PKCS1v15(), SHA256())
            then = time.strptime(fields.get("timestamp", ""), "%Y-%m-%d %H:%M:%S")
        except (ValueError, InvalidSignature):
            raise Refusal("isv.invalid-signature", "验签出错") from None
        if abs(_seconds(then) - self.clock()) > 86400:
            raise Refusal("isv.invalid-timestamp", "非法的时间戳参数")

    def _taken(self, fields: Mapping[str, str], about: dict[str, Any]) -> Payment:
        number, amount = str(about.get("out_trade_no", "")), about.get("total_amount", "")
        if not NUMBER.fullmatch(number) or not MONEY.fullmatch(str(amount)) or amount == "0.00" or not about.get("subject"):
            raise Refusal("ACQ.INVALID_PARAMETER", "参数无效")
        with self.lock:
            try:
                known = self.find(number)
            except KeyError:
                known = Payment(
                    ref=self.number("20"),
                    attempt_no=number,
                    amount=amount,
                    currency="CNY",
                    notify_url=fields.get("notify_url", ""),
                    return_url=fields.get("return_url", ""),
                    request=about,
                )
                self.payments[known.ref] = known
            if known.amount != amount:
                raise Refusal("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
            if known.state != "open":
                paid = known.state == "paid"
                raise Refusal("ACQ.TRADE_HAS_SUCCESS" if paid else "ACQ.TRADE_HAS_CLOSE", "交易已支付" if paid else "交易已关闭")
            return known

    def _wanted(self, fields: Mapping[str, str]) -> tuple[dict[str, Any], Payment]:
        """The request's business and its trade: a code that nobody scanned has none."""
        about = json.loads(fields["biz_content"])
        with self.lock:
            for payment in self.payments.values():
                is_it = payment.attempt_no == about.get("out_trade_no") or payment.txn == about.get("trade_no", "-")
                if is_it and (payment.state != "open" or payment.request.get("scanned")):
                    return about, payment
        raise Refusal("ACQ.TRADE_NOT_EXIST", "交易不存在")

    def precreate(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Sheet §4."""
        payment = self._taken(fields, json.loads(fields["biz_content"]))
        return {"out_trade_no": payment.attempt_no, "qr_code": f"https://qr.alipay.com/bax{payment.ref}"}

    def scan(self, number: str) -> None:
        """The buyer scans a code and thinks: from now on there is a trade."""
        self.find(number).request["scanned"] = True

    def look(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Sheet §6."""
        _about, payment = self._wanted(fields)
        gone = sum((Decimal(r.amount) for r in payment.refunds if r.state == "done"), Decimal(0))
        is_closed = payment.state == "closed" or (payment.state == "paid" and gone >= Decimal(payment.paid_amount))
        status = "TRADE_CLOSED" if is_closed else "TRADE_SUCCESS" if payment.state == "paid" else "WAIT_BUYER_PAY"
        amount = payment.paid_amount or payment.amount
        said = {"trade_no": payment.txn or payment.ref, "out_trade_no": payment.attempt_no, "trade_status": status}
        said |= {"total_amount": amount, "receipt_amount": amount, "buyer_user_id": "2088000000000002"}
        return said | ({"send_pay_date": beijing(payment.paid_at)} if payment.paid_at else {})

    def close(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Sheet §6."""
        _about, payment = self._wanted(fields)
        with self.lock:
            if payment.state != "open":
                raise Refusal("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
            payment.state = "closed"
        return {"out_trade_no": payment.attempt_no, "trade_no": payment.ref}

    def refund(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Sheet §7: the number makes it once."""
        about, payment = self._wanted(fields)
        amount, number = str(about.get("refund_amount", "")), str(about.get("out_request_no", ""))
        if not MONEY.fullmatch(amount) or amount == "0.00" or not NUMBER.fullmatch(number):
            raise Refusal("ACQ.INVALID_PARAMETER", "参数无效")
        with self.lock:
            known = next((r for r in payment.refunds if r.refund_no == number), None)
            if known is None:
                if self.refund_state == "failed":
                    raise Refusal("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足")
                taken = sum((Decimal(r.amount) for r in payment.refunds), Decimal(0))
                if payment.state != "paid" or taken + Decimal(amount) > Decimal(payment.paid_amount):
                    raise Refusal("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
                made = Refunded(number, self.number("R"), amount, self.refund_state)
                payment.refunds.append(made)
            elif known.amount != amount:
                raise Refusal("ACQ.DISCORDANT_REPEAT_REQUEST", "请求信息不一致")
        if known is None and made.state == "done" and self.tells_refunds and payment.notify_url:
            later = threading.Timer(0.05, tell, [self.refund_notice(payment, made)])
            later.daemon = True
            later.start()
        gone = sum((Decimal(r.amount) for r in payment.refunds if r.state == "done"), Decimal(0))
        change = "Y" if known is None and made.state == "done" else "N"
        return {"trade_no": payment.txn, "out_trade_no": payment.attempt_no, "fund_change": change, "refund_fee": f"{gone:.2f}"}

    def look_for_refund(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Sheet §7: an empty node when there is none."""
        about, payment = self._wanted(fields)
        found = next((r for r in payment.refunds if r.refund_no == about.get("out_request_no")), None)
        if found is None:
            return {}
        status = "REFUND_SUCCESS" if found.state == "done" else "REFUND_PROCESSING"
        said = {"trade_no": payment.txn, "out_trade_no": payment.attempt_no, "out_request_no": found.refund_no}
        return {**said, "refund_status": status, "refund_amount": found.amount, "total_amount": payment.paid_amount}

    # Bills

    def name_bill(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Sheet §8."""
        about = json.loads(fields["biz_content"])
        if about.get("bill_type") != "trade" or not re.fullmatch(r"\d{4}-\d\d-\d\d", str(about.get("bill_date"))):
            raise Refusal("isv.invalid-arguments", "参数无效")
        if about["bill_date"] >= self.now()[:10] or not self._rows(about["bill_date"]):
            raise Refusal("isp.bill_not_exist", "账单不存在")
        return {"bill_download_url": f"{self.url}bill/{about['bill_date']}"}

    def bill(self, asked: Asked) -> Answered:
        """A zip of a table of details and one of sums."""
        return Answered(self.packed(asked.params["day"]), 200, {"content-type": "application/zip"})

    def packed(self, day: str) -> bytes:
        """The file of a day."""
        head = f"#支付宝业务明细查询\r\n#账号：[{SELLER}0156]\r\n#起始日期：[{day}]\r\n#-----业务明细列表-----\r\n{COLUMNS}\r\n"
        body = "".join(f"{row}\r\n" for row in self._rows(day))
        foot = "#-----业务明细列表结束-----\r\n#交易合计：1笔\r\n#导出时间：[2026年11月02日 09:00:00]\r\n"
        sums = "#支付宝业务汇总查询\r\n门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）\r\n合计,,1,1,12.50\r\n"
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(f"{SELLER}_业务明细.csv", (head + body + foot).encode("gbk"))
            packed.writestr(f"{SELLER}_业务明细(汇总).csv", sums.encode("gbk"))
        return file.getvalue()

    def _rows(self, day: str) -> list[str]:
        with self.lock:
            paid = [p for p in self.payments.values() if p.paid_at and beijing(p.paid_at).startswith(day)]
        rows = []
        for payment in paid:
            rows.append(_row(payment, "交易", payment.paid_amount, "", f"-{Decimal(payment.paid_amount) * 6 / 1000:.2f}"))
            rows += [_row(payment, "退款", f"-{r.amount}", r.refund_no, "0.00") for r in payment.refunds if r.state == "done"]
        return rows


def _row(payment: Payment, kind: str, amount: str, number: str, fee: str) -> str:
    at = beijing(payment.paid_at)
    cells = [f"{payment.txn}\t", f"{payment.attempt_no}\t", f"{kind}   ", payment.request["subject"], at, at]
    cells += ["", "", "", "", "张*(138****0000)"]
    cells += [amount, amount, *["0.00"] * 5, "", "0.00", "0.00", f"{number}\t", fee, "0.00", ""]
    return ",".join(cells)


def beijing(seconds: float) -> str:
    """As Alipay writes a time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds + 8 * 3600))


def _seconds(then: time.struct_time) -> float:
    return calendar.timegm(then) - 8 * 3600


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


@cache
def key_of(_who: str) -> rsa.RSAPrivateKey:
    """The key of the merchant, the platform or a stranger."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


SIMULATORS = (AlipaySimulator,)
