"""One Alipay account: begins payments by QR code or page, proves notices, asks, closes, refunds and states its days.

Always true: only what Alipay signed is believed; TRADE_SUCCESS and TRADE_FINISHED pay, but not in a notice about a refund.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from kashop.bundled.pay_alipay import bills, trial
from kashop.bundled.pay_alipay import options as account
from kashop.bundled.pay_alipay.client import BEIJING, Client, Said, beijing
from kashop.plugins.api import (
    HOUR,
    MINUTE,
    Answer,
    Begun,
    CallbackRequest,
    Context,
    Finding,
    GatewayFailed,
    GatewayType,
    Intent,
    Invalid,
    Method,
    Notice,
    RefundAsk,
    RefundWord,
    Rejected,
    StatementLine,
    _,
    amount_text,
    form_fields,
    minor_units,
)

CURRENCY = "CNY"
MOST_BILL = 16 * 1024 * 1024
BILL_HOURS = 12
"""After the day: Alipay names nine in the morning, and is late on busy days."""

_ATTEMPT_NO = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_REFUND_NO = re.compile(r"[A-Z][A-Z0-9]{5,31}", re.ASCII)
"""What numbers of ours look like: those that Alipay draws for refunds made in its own pages are digits."""
_TXN = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_PAID = ("TRADE_SUCCESS", "TRADE_FINISHED")
_NOT_KNOWN = "ACQ.TRADE_NOT_EXIST"
_ORDER = {
    "desktop": ("qr", "page", "wap"),
    "alipay": ("wap", "qr", "page"),
}
"""Which product serves a device best; every other device is a phone."""
_PHONE = ("wap", "qr", "page")


class AlipayGateway:
    """Keeps the Gateway protocol and its abilities over Alipay."""

    accepted = Answer(body=b"success")
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self._account = account.checked(options)
        self._client = Client(self._account, ctx)
        self._ctx = ctx

    async def begin(self, intent: Intent) -> Begun:
        """A QR code that Alipay gives, or the signed address of its page (alipay.md §4)."""
        if intent.currency != CURRENCY:
            raise GatewayFailed("Alipay takes CNY only")
        wanted = _ORDER.get(intent.device, _PHONE)
        product = next(name for name in wanted if name in self._account.contracts)
        if product == "qr":
            return await self._precreate(intent)
        about = {**self._order(intent), "product_code": "FAST_INSTANT_TRADE_PAY" if product == "page" else "QUICK_WAP_WAY"}
        if product == "wap":
            about["quit_url"] = intent.return_url
        urls = {"notify_url": intent.callback_url, "return_url": intent.return_url}
        return Begun(kind="redirect", url=self._client.address(f"alipay.trade.{product}.pay", about, **urls))

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a notice: signature first, then merchant, then form (alipay.md §5)."""
        if request.method != "POST" or request.query:
            raise Rejected("malformed")
        fields = form_fields(request.body)
        if fields.get("sign_type") != "RSA2":
            raise Rejected("sign_type")
        if not self._client.proves(fields):
            raise Rejected("signature")
        seller = fields.get("seller_id", "")
        if fields.get("app_id") != self._account.app_id or (self._account.seller_id and seller != self._account.seller_id):
            raise Rejected("merchant")
        if not _ATTEMPT_NO.fullmatch(fields.get("out_trade_no", "")):
            raise Rejected("malformed")
        try:
            return _noticed(fields)
        except ValueError as error:
            raise Rejected(str(error)) from None

    async def query(self, intent: Intent) -> Notice | None:
        """Ask for the trade; None before a QR code was scanned (alipay.md §6)."""
        said = await self._client.ask("alipay.trade.query", {"out_trade_no": intent.attempt_no})
        if said.is_proved and said.sub_code == _NOT_KNOWN:
            return None
        if not said.is_ok:
            raise self._client.failed(said)
        if said.text("out_trade_no") != intent.attempt_no:
            raise GatewayFailed("Alipay answered about another order", is_unclear=True)
        fields = {k: v for k, v in said.fields.items() if isinstance(v, str)}
        if fields.get("trade_status") == "TRADE_CLOSED" and fields.get("send_pay_date"):
            fields["refund_fee"] = fields.get("total_amount", "")  # it was paid, so what closed it is that all went back
        try:
            return _noticed(fields)
        except ValueError as error:
            raise GatewayFailed(f"Alipay answered with a malformed {error}", is_unclear=True) from None

    async def close(self, intent: Intent) -> None:
        """Close a trade that waits for its buyer; one that is unknown or closed is fine (alipay.md §6)."""
        said = await self._client.ask("alipay.trade.close", {"out_trade_no": intent.attempt_no})
        if said.is_ok or (said.is_proved and said.sub_code == _NOT_KNOWN):
            return
        if said.is_refused and "STATUS" in said.sub_code:
            notice = await self.query(intent)
            if notice is None or notice.state in ("closed", "refunded"):
                return
        raise self._client.failed(said)

    async def refund(self, ask: RefundAsk) -> RefundWord:
        """Send money back; repeated by the same number it moves nothing (alipay.md §7)."""
        about = {
            "out_trade_no": ask.payment.attempt_no,
            "out_request_no": ask.refund_no,
            "refund_amount": amount_text(ask.amount_minor, CURRENCY),
            "refund_reason": _plain(ask.reason)[:128] or "refund",
        }
        said = await self._client.ask("alipay.trade.refund", about)
        if said.is_refused:
            return RefundWord(state="failed", refund_no=ask.refund_no, problem=self._client.words(said))
        if not said.is_ok:
            raise self._client.failed(said)
        state = "done" if said.text("fund_change") == "Y" else "pending"
        return RefundWord(state=state, refund_no=ask.refund_no, amount_minor=ask.amount_minor if state == "done" else 0)

    async def query_refund(self, ask: RefundAsk) -> RefundWord | None:
        """What became of a refund: an empty answer means that there was none (alipay.md §7)."""
        about = {"out_trade_no": ask.payment.attempt_no, "out_request_no": ask.refund_no}
        said = await self._client.ask("alipay.trade.fastpay.refund.query", about)
        if said.is_proved and said.sub_code == _NOT_KNOWN:
            return None
        if not said.is_ok:
            raise self._client.failed(said)
        status = said.text("refund_status")
        if not status and not said.text("refund_amount"):
            return None
        if said.text("out_request_no") not in ("", ask.refund_no):
            raise GatewayFailed("Alipay answered about another refund", is_unclear=True)
        if status == "REFUND_SUCCESS":
            return RefundWord(state="done", refund_no=ask.refund_no, amount_minor=_refunded(said))
        if status == "REFUND_FAIL":
            return RefundWord(state="failed", refund_no=ask.refund_no, problem=self._client.words(said))
        return RefundWord(state="pending", refund_no=ask.refund_no)

    async def statement(self, day: dt.date) -> Sequence[StatementLine] | None:
        """The trade bill of a day, from nine o'clock of the next one on (alipay.md §8)."""
        end = int(dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), BEIJING).timestamp() * 1000)
        if self._ctx.clock.now() < end:
            return None
        about = {"bill_type": "trade", "bill_date": day.isoformat()}
        said = await self._client.ask("alipay.data.dataservice.bill.downloadurl.query", about)
        if said.is_proved and said.sub_code.lower().endswith("bill_not_exist"):
            return None if self._ctx.clock.now() < end + BILL_HOURS * HOUR else []
        if not said.is_ok:
            raise self._client.failed(said)
        content = await self._client.download(said.text("bill_download_url"), limit=MOST_BILL)
        try:
            return bills.read(content)
        except ValueError as error:
            raise GatewayFailed(f"Alipay's bill cannot be read: {error}", is_unclear=True) from None

    def read_statement(self, content: bytes) -> Sequence[StatementLine]:
        """The lines of a bill that the merchant downloaded."""
        try:
            return bills.read(content)
        except ValueError:
            raise Invalid.of("file", _("This is no trade bill of Alipay: upload the zip as it was downloaded.")) from None

    async def test(self) -> list[Finding]:
        """Ask for an order that never was: what comes back proves both keys, the app and the clock (alipay.md §10)."""
        return await trial.findings(self._client, self._ctx.clock.now())

    async def _precreate(self, intent: Intent) -> Begun:
        minutes = -(-max(MINUTE, intent.expires_at - self._ctx.clock.now()) // MINUTE)
        about = {**self._order(intent), "product_code": "FACE_TO_FACE_PAYMENT", "qr_code_timeout_express": f"{minutes}m"}
        said = await self._client.ask("alipay.trade.precreate", about, notify_url=intent.callback_url)
        if not said.is_ok:
            raise self._client.failed(said)
        qr = said.text("qr_code")
        if not re.fullmatch(r"https?://[!-~]{1,500}", qr, re.ASCII) or said.text("out_trade_no") != intent.attempt_no:
            raise GatewayFailed("Alipay took the order but gave no way to pay it", is_unclear=True)
        if intent.device == "alipay":
            return Begun(kind="redirect", url=qr)
        app = f"alipays://platformapi/startapp?saId=10000007&qrcode={quote(qr, safe='')}"
        return Begun(kind="qr", qr=qr, url=app)

    def _order(self, intent: Intent) -> dict[str, Any]:
        expires_at = max(intent.expires_at, self._ctx.clock.now() + MINUTE)
        return {
            "out_trade_no": intent.attempt_no,
            "total_amount": amount_text(intent.amount_minor, CURRENCY),
            "subject": _plain(intent.title)[:128] or "order",
            "time_expire": beijing(expires_at),
        }


def _noticed(fields: Mapping[str, str]) -> Notice:
    """What a notice or a trade says. Raises ValueError with the word for what is malformed."""
    attempt_no, status = fields["out_trade_no"], fields.get("trade_status")
    txn = fields.get("trade_no", "")
    gone = _amount(fields["refund_fee"]) if fields.get("refund_fee") else 0
    if gone and status in (*_PAID, "TRADE_CLOSED"):
        return Notice(state="refunded", attempt_no=attempt_no, gateway_txn=_txn(txn), refund=_went_back(fields, gone))
    if status not in _PAID:
        return Notice(state="closed" if status == "TRADE_CLOSED" else "pending", attempt_no=attempt_no)
    amount = _amount(fields.get("total_amount", ""))
    if not amount:
        raise ValueError("amount")
    return Notice(
        state="paid",
        attempt_no=attempt_no,
        gateway_txn=_txn(txn),
        amount_minor=amount,
        currency=CURRENCY,
        method="alipay",
    )


def _went_back(fields: Mapping[str, str], gone: int) -> RefundWord:
    """What a notice says of a refund.

    Alipay names the sum of all refunds so far. That is the amount of one that we did not ask for, as far as anyone can tell; of
    ours we know it, and when all is gone it is the rest: both are 0 here.
    """
    number = fields.get("out_biz_no", "")
    is_ours = bool(_REFUND_NO.fullmatch(number)) and number != fields["out_trade_no"]
    is_known = is_ours or fields.get("trade_status") == "TRADE_CLOSED"
    elsewhere = number or fields.get("gmt_refund", "")
    return RefundWord(
        state="done",
        refund_no=number if is_ours else "",
        gateway_refund="" if is_ours else elsewhere[:64],
        amount_minor=0 if is_known else gone,
    )


def _refunded(said: Said) -> int:
    try:
        return _amount(said.text("refund_amount"))
    except ValueError:
        raise GatewayFailed("Alipay answered with a malformed amount", is_unclear=True) from None


def _amount(text: str) -> int:
    try:
        return minor_units(text, CURRENCY)
    except ValueError:
        raise ValueError("amount") from None


def _txn(text: str) -> str:
    if not _TXN.fullmatch(text):
        raise ValueError("transaction")
    return text


def _plain(text: str) -> str:
    """One printable line without what Alipay forbids in a subject."""
    return " ".join("".join(c if c.isprintable() and c not in "/=&" else " " for c in text).split())


ALIPAY = GatewayType(
    type="alipay",
    label=_("Alipay"),
    methods=(Method("alipay", _("Alipay")),),
    currencies=(CURRENCY,),
    options=account.OPTIONS,
    make=AlipayGateway,
    refunds="any",
    closes=True,
    states=True,
    reads_statements=True,
)
