"""One WeChat Pay account: begins payments by code, phone page or inside WeChat, proves notices, asks, closes, refunds, states.

Always true: only what WeChat Pay signed and sealed is believed; trade_state SUCCESS pays and nothing else.
"""

import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from kashop.bundled.pay_wechat import bills, doors, signing, trial
from kashop.bundled.pay_wechat import options as account
from kashop.bundled.pay_wechat.client import Client, Said, path
from kashop.bundled.pay_wechat.doors import Wish
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
    HttpFailed,
    Intent,
    Invalid,
    Method,
    Notice,
    RefundAsk,
    RefundWord,
    Rejected,
    StatementLine,
    _,
    is_same,
)

CURRENCY = "CNY"
MOST_BILL = 16 * 1024 * 1024
H5_LIFE = 5 * MINUTE
BILL_HOURS = 14
"""After the day: WeChat Pay names ten in the morning."""

_BEIJING = dt.timezone(dt.timedelta(hours=8))
_ATTEMPT_NO = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_REFUND_NO = re.compile(r"[A-Z][A-Z0-9]{5,31}", re.ASCII)
_NUMBER = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_FEN = re.compile(r"[1-9][0-9]{0,13}", re.ASCII)
_UNKNOWN = ("ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS")
_STATES = {"CLOSED": "closed", "REVOKED": "closed", "PAYERROR": "failed"}
_REFUND_STATES = {"SUCCESS": "done", "PROCESSING": "pending", "ABNORMAL": "pending", "CLOSED": "failed"}
_ORDER = {"desktop": ("native", "jsapi", "h5"), "wechat": ("jsapi", "native", "h5")}
"""Which product serves a device best; every other device is a phone."""
_PHONE = ("h5", "native", "jsapi")
_ABNORMAL = "the buyer's bank refused the refund: finish it in the merchant platform of WeChat Pay"


class WechatGateway:
    """Keeps the Gateway protocol and its abilities over WeChat Pay APIv3."""

    accepted = Answer(body=b"")
    rejected = Answer(status=400, body=b'{"code":"FAIL","message":"refused"}', content_type="application/json")

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self._account = account.checked(options)
        self._client = Client(self._account, ctx)
        self._ctx = ctx
        doors.register(ctx, self)

    async def begin(self, intent: Intent) -> Begun:
        """By the product that serves the device best (wechatpay.md §1)."""
        if intent.currency != CURRENCY or "?" in intent.callback_url:
            raise GatewayFailed("WeChat Pay takes CNY only, and a callback address without a question mark")
        wanted = _ORDER.get(intent.device, _PHONE)
        product = next(name for name in wanted if name in self._account.contracts)
        if product == "jsapi":
            url = doors.to_pay(self._ctx, self, self._wish(intent))
            return Begun(kind="redirect", url=url) if intent.device == "wechat" else Begun(kind="qr", qr=url)
        order = self._order(self._wish(intent))
        if product == "native":
            said = await self._placed("native", order)
            return Begun(kind="qr", qr=_link(said.text("code_url"), ("weixin://", "https://", "http://")))
        order["scene_info"] = {"payer_client_ip": intent.client_ip or "127.0.0.1", "h5_info": {"type": "Wap"}}
        said = await self._placed("h5", order)
        url = f"{_link(said.text('h5_url'), ('https://', 'http://'))}&redirect_url={quote(intent.return_url, safe='')}"
        leave = doors.to_leave(self._ctx, self, url)
        return Begun(kind="redirect", url=leave.url, expires_at=self._ctx.clock.now() + H5_LIFE)

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a notification: time and signature first, then the seal, then merchant, then form (wechatpay.md §3, §4)."""
        if request.method != "POST" or request.query:
            raise Rejected("malformed")
        try:
            text = request.body.decode()
        except UnicodeDecodeError:
            raise Rejected("malformed") from None
        flaw = self._client.flaw(request.headers, text, request.received_at or self._ctx.clock.now())
        if flaw == "serial":
            self._client.refresh_later()
        if flaw:
            raise Rejected(flaw)
        try:
            notice = signing.parsed(text)
            about = signing.parsed(signing.opened(notice.get("resource"), self._account.api_v3_key))
        except ValueError:
            raise Rejected("malformed") from None
        if about.get("mchid") != self._account.mchid or about.get("appid", self._account.appid) != self._account.appid:
            raise Rejected("merchant")
        return self._noticed(notice, about)

    async def query(self, intent: Intent) -> Notice | None:
        """Ask for the order (wechatpay.md §1)."""
        said = await self._client.get(self._of(intent), mchid=self._account.mchid)
        if said.code in _UNKNOWN:
            return None
        if not said.is_ok:
            raise self._client.failed(said)
        is_ours = said.text("mchid") == self._account.mchid and said.text("appid") in ("", self._account.appid)
        if not is_ours or said.text("out_trade_no") != intent.attempt_no:
            raise GatewayFailed("WeChat Pay answered about another order", is_unclear=True)
        try:
            return _of_trade(said.fields)
        except ValueError as error:
            raise GatewayFailed(f"WeChat Pay answered with a malformed {error}", is_unclear=True) from None

    async def close(self, intent: Intent) -> None:
        """Close an order that nobody paid; one that is unknown or closed is fine."""
        said = await self._client.post(f"{self._of(intent)}/close", {"mchid": self._account.mchid})
        if not said.is_ok and said.code not in (*_UNKNOWN, "ORDER_CLOSED", "ORDERCLOSED"):
            raise self._client.failed(said)

    async def refund(self, ask: RefundAsk) -> RefundWord:
        """Send money back; the same number and amounts make it once (wechatpay.md §6)."""
        about: dict[str, Any] = {
            "out_trade_no": ask.payment.attempt_no,
            "out_refund_no": ask.refund_no,
            "reason": _short(ask.reason, 80) or "refund",
            "amount": {"refund": ask.amount_minor, "total": ask.captured_minor, "currency": CURRENCY},
        }
        if ask.payment.callback_url:
            about["notify_url"] = ask.payment.callback_url
        said = await self._client.post("/v3/refund/domestic/refunds", about)
        if said.is_ok:
            return self._of_refund(said, ask)
        is_for_good = said.is_proved and not said.is_unclear and 400 <= said.status < 500 and said.status not in (401, 429)
        if is_for_good:
            return RefundWord(state="failed", refund_no=ask.refund_no, problem=self._client.words(said))
        raise self._client.failed(said)

    async def query_refund(self, ask: RefundAsk) -> RefundWord | None:
        """What became of a refund."""
        said = await self._client.get(path("v3", "refund", "domestic", "refunds", ask.refund_no))
        if said.code in _UNKNOWN:
            return None
        if not said.is_ok:
            raise self._client.failed(said)
        return self._of_refund(said, ask)

    async def statement(self, day: dt.date) -> Sequence[StatementLine] | None:
        """The trade bill of a day, from ten o'clock of the next one on (wechatpay.md §7)."""
        end = int(dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), _BEIJING).timestamp() * 1000)
        if self._ctx.clock.now() < end:
            return None
        said = await self._client.get("/v3/bill/tradebill", bill_date=day.isoformat(), bill_type="ALL")
        if said.code in ("NO_STATEMENT_EXIST", "STATEMENT_CREATING"):
            is_late = self._ctx.clock.now() >= end + BILL_HOURS * HOUR
            return [] if is_late and said.code == "NO_STATEMENT_EXIST" else None
        if not said.is_ok:
            raise self._client.failed(said)
        content = await self._client.download(said.text("download_url"), limit=MOST_BILL)
        try:
            plain = bills.unpacked(content)
            digest = hashlib.sha1(plain, usedforsecurity=False).hexdigest()
            if said.text("hash_type") != "SHA1" or not is_same(said.text("hash_value").lower(), digest):
                raise ValueError("another SHA-1")
            return bills.read(plain)
        except ValueError as error:
            raise GatewayFailed(f"WeChat Pay's bill cannot be read: {error}", is_unclear=True) from None

    def read_statement(self, content: bytes) -> Sequence[StatementLine]:
        """The lines of a bill that the merchant downloaded."""
        try:
            return bills.read(content)
        except ValueError:
            raise Invalid.of("file", _("This is no trade bill of WeChat Pay: upload the file as it was downloaded.")) from None

    async def test(self) -> list[Finding]:
        """Ask for an order that never was: what comes back proves keys, merchant and clock (wechatpay.md §8)."""
        return await trial.findings(self._client, self._account, self._ctx.base_url, self._ctx.clock.now())

    # What the pages need

    def mark(self, text: str) -> str:
        """A proof that a text in one of our addresses is ours."""
        return self._client.mark(text)

    def consent(self, page: str) -> str:
        """WeChat's page that says who the buyer is, without asking him."""
        asked = {"appid": self._account.appid, "redirect_uri": page, "response_type": "code", "scope": "snsapi_base"}
        host = self._account.at("https://open.weixin.qq.com")
        return f"{host}/connect/oauth2/authorize?{urlencode(asked)}&state=pay#wechat_redirect"

    async def prepay(self, wish: Wish, code: str) -> dict[str, str]:
        """What WeChat's bridge is told to ask for the money (wechatpay.md §5)."""
        order = {**self._order(wish), "payer": {"openid": await self._openid(code)}}
        said = await self._placed("jsapi", order)
        if not (prepay_id := said.text("prepay_id")):
            raise GatewayFailed("WeChat Pay took the order but gave no way to pay it", is_unclear=True)
        return self.bridged(prepay_id, str(self._ctx.clock.now() // 1000), secrets.token_hex(16).upper())

    def bridged(self, prepay_id: str, timestamp: str, nonce: str) -> dict[str, str]:
        """The signed words for WeChat's bridge."""
        text = signing.in_wechat(self._account.appid, timestamp, nonce, prepay_id)
        asked = {"appId": self._account.appid, "timeStamp": timestamp, "nonceStr": nonce, "package": f"prepay_id={prepay_id}"}
        return {**asked, "signType": "RSA", "paySign": signing.sign(self._account.key, text)}

    async def _openid(self, code: str) -> str:
        params = {"appid": self._account.appid, "secret": self._account.app_secret, "code": code}
        params["grant_type"] = "authorization_code"
        host = self._account.at("https://api.weixin.qq.com")
        try:
            said = (await self._ctx.http.get(f"{host}/sns/oauth2/access_token", params=params)).json()
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem) from None
        openid = said.get("openid") if isinstance(said, dict) else None
        if not isinstance(openid, str) or not re.fullmatch(r"[!-~]{1,128}", openid, re.ASCII):
            problem = said.get("errcode", "?") if isinstance(said, dict) else "?"
            raise GatewayFailed(f"WeChat did not say who the buyer is ({str(problem)[:20]})")
        return openid

    # Parts

    def _wish(self, intent: Intent) -> Wish:
        base = self._ctx.base_url
        callback, back = (url.removeprefix(base) for url in (intent.callback_url, intent.return_url))
        return Wish(intent.attempt_no, intent.amount_minor, _short(intent.title, 127), callback, back, intent.expires_at)

    def _order(self, wish: Wish) -> dict[str, Any]:
        expires_at = max(wish.expires_at, self._ctx.clock.now() + 2 * MINUTE)
        return {
            "appid": self._account.appid,
            "mchid": self._account.mchid,
            "description": wish.title or "order",
            "out_trade_no": wish.attempt_no,
            "time_expire": dt.datetime.fromtimestamp(expires_at // 1000, _BEIJING).isoformat(timespec="seconds"),
            "notify_url": self._ctx.base_url + wish.callback if wish.callback.startswith("/") else wish.callback,
            "amount": {"total": wish.amount_minor, "currency": CURRENCY},
        }

    async def _placed(self, product: str, order: Mapping[str, Any]) -> Said:
        said = await self._client.post(path("v3", "pay", "transactions", product), order)
        if not said.is_ok:
            raise self._client.failed(said)
        return said

    def _of(self, intent: Intent) -> str:
        return path("v3", "pay", "transactions", "out-trade-no", intent.attempt_no)

    def _noticed(self, notice: Mapping[str, Any], about: Mapping[str, Any]) -> Notice:
        kind = str(notice.get("event_type", ""))
        attempt_no = about.get("out_trade_no")
        if not isinstance(attempt_no, str) or not _ATTEMPT_NO.fullmatch(attempt_no):
            raise Rejected("malformed")
        try:
            if kind.startswith("REFUND."):
                return Notice(state="refunded", attempt_no=attempt_no, gateway_txn=_txn(about), refund=_went_back(about))
            if kind == "TRANSACTION.SUCCESS":
                return _of_trade(about)
        except ValueError as error:
            raise Rejected(str(error)) from None
        return Notice(state="pending", attempt_no="")  # genuine, and of a kind that means nothing here

    def _of_refund(self, said: Said, ask: RefundAsk) -> RefundWord:
        if said.text("out_refund_no") != ask.refund_no:
            raise GatewayFailed("WeChat Pay answered about another refund", is_unclear=True)
        status = said.text("status")
        state = _REFUND_STATES.get(status)
        if state is None:
            raise GatewayFailed("WeChat Pay answered with an unknown state of a refund", is_unclear=True)
        problem = {"failed": "WeChat Pay closed the refund"}.get(state, _ABNORMAL if status == "ABNORMAL" else "")
        number = said.text("refund_id")[:64]
        amount = ask.amount_minor if state == "done" else 0
        return RefundWord(state=state, refund_no=ask.refund_no, gateway_refund=number, amount_minor=amount, problem=problem)


def _of_trade(trade: Mapping[str, Any]) -> Notice:
    """What an order says. Raises ValueError with the word for what is malformed."""
    attempt_no, state = str(trade["out_trade_no"]), trade.get("trade_state")
    if state == "REFUND":  # it was paid, and some of it or all went back: how much, only notices and bills say
        return Notice(state="refunded", attempt_no=attempt_no, gateway_txn=_txn(trade), refund=RefundWord(state="done"))
    if state != "SUCCESS":
        return Notice(state=_STATES.get(str(state), "pending"), attempt_no=attempt_no)
    amount = trade.get("amount")
    if not isinstance(amount, dict) or not isinstance(amount.get("currency", CURRENCY), str):
        raise ValueError("amount")
    return Notice(
        state="paid",
        attempt_no=attempt_no,
        gateway_txn=_txn(trade),
        amount_minor=_fen(amount.get("total")),
        currency=amount.get("currency", CURRENCY),
        method="wxpay",
    )


def _went_back(about: Mapping[str, Any]) -> RefundWord:
    """What a notification says of a refund: of one of ours, or one made in the merchant platform."""
    status, number, ref = (about.get(name) for name in ("refund_status", "out_refund_no", "refund_id"))
    state, amount = _REFUND_STATES.get(str(status)), about.get("amount")
    if state is None or not isinstance(amount, dict) or not isinstance(ref, str) or not _NUMBER.fullmatch(ref):
        raise ValueError("refund")
    is_ours = isinstance(number, str) and bool(_REFUND_NO.fullmatch(number))
    return RefundWord(
        state=state,
        refund_no=str(number) if is_ours else "",
        gateway_refund=ref,
        amount_minor=_fen(amount.get("refund")),
        problem=_ABNORMAL if status == "ABNORMAL" else "WeChat Pay closed the refund" if state == "failed" else "",
    )


def _fen(value: Any) -> int:
    """An amount, whole and more than nothing: numbers are read as the text that was sent."""
    if not isinstance(value, str) or not _FEN.fullmatch(value):
        raise ValueError("amount")
    return int(value)


def _txn(trade: Mapping[str, Any]) -> str:
    txn = trade.get("transaction_id")
    if not isinstance(txn, str) or not _NUMBER.fullmatch(txn):
        raise ValueError("transaction")
    return txn


def _link(text: str, schemes: tuple[str, ...]) -> str:
    if not text.startswith(schemes) or not re.fullmatch(r"[!-~]{1,1024}", text, re.ASCII):
        raise GatewayFailed("WeChat Pay took the order but gave no way to pay it", is_unclear=True)
    return text


def _short(text: str, most: int) -> str:
    """One printable line, cut where WeChat Pay would refuse it."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line.encode()[:most].decode(errors="ignore").strip()


WECHAT = GatewayType(
    type="wechat",
    label=_("WeChat Pay"),
    methods=(Method("wxpay", _("WeChat Pay")),),
    currencies=(CURRENCY,),
    options=account.OPTIONS,
    make=WechatGateway,
    refunds="any",
    closes=True,
    states=True,
    reads_statements=True,
)
