"""One account at 虎皮椒: begins payments, proves callbacks, asks about orders, refunds whole payments.

Always true: the hash with our APPSECRET is the only proof, of callbacks and of answers that take an order; `OD` alone pays.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from kashop.bundled.pay_xunhu import options as account
from kashop.bundled.pay_xunhu.signing import sign
from kashop.plugins.api import (
    SECOND,
    Answer,
    Begun,
    CallbackRequest,
    Context,
    Finding,
    GatewayFailed,
    GatewayType,
    HttpFailed,
    Intent,
    Notice,
    RefundAsk,
    RefundWord,
    Rejected,
    _,
    amount_text,
    form_fields,
    is_same,
    is_web_address,
    minor_units,
    scrubbed,
)

CURRENCY = "CNY"
MOST_TITLE_BYTES, MOST_NOTIFY_BYTES = 127, 128
STATES = {"OD": "paid", "CD": "closed"}
"""WP waits, RD is being refunded: neither is money for an order."""
REFUND_STATES = {"CD": "done", "RD": "pending", "UD": "failed"}

_ATTEMPT_NO = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_TXN = re.compile(r"[!-~]{1,64}", re.ASCII)


class XunhuGateway:
    """Keeps the Gateway protocol over 虎皮椒."""

    accepted = Answer(body=b"success")
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self._base = account.checked(options)
        self._appid = options["appid"]
        self._secret = options["secret"]
        self._method = options["methods"]
        self._http = ctx.http
        self._clock = ctx.clock

    async def begin(self, intent: Intent) -> Begun:
        """Ask for the order. Its page is opened on a phone, and scanned from any other screen."""
        if intent.currency != CURRENCY or len(intent.callback_url.encode()) > MOST_NOTIFY_BYTES:
            raise GatewayFailed("this vendor takes CNY only, and a callback address of at most 128 bytes")
        fields = {
            "version": "1.1",
            "trade_order_id": intent.attempt_no,
            "total_fee": amount_text(intent.amount_minor, CURRENCY),
            "title": _title(intent.title),
            "notify_url": intent.callback_url,
            "return_url": intent.return_url,
        }
        if self._method == "wxpay" and intent.device == "phone":
            shop = urlsplit(intent.return_url)
            fields |= {"type": "WAP", "wap_url": f"{shop.scheme}://{shop.netloc}", "wap_name": fields["title"][:32]}
        said = await self._ask("do", fields)
        if said["errcode"] != "0":
            raise GatewayFailed(f"the vendor refused: {self._words(said)}")
        if not is_same(str(said.get("hash", "")), sign(_texts(said), self._secret)):
            raise GatewayFailed("the answer is not signed with this APPSECRET", is_unclear=True)
        url, ref = str(said.get("url", "")), str(said.get("openid", ""))
        if not is_web_address(url):
            raise GatewayFailed("the vendor took the order but gave no way to pay it", is_unclear=True)
        ref = ref if _TXN.fullmatch(ref) else ""
        if intent.device == "desktop":
            return Begun(kind="qr", qr=url, url=url, gateway_ref=ref)
        return Begun(kind="redirect", url=url, gateway_ref=ref)

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a posted form: hash first, then appid, then form."""
        if request.method != "POST":
            raise Rejected("malformed")
        fields = form_fields(request.body)
        if not is_same(fields.get("hash", ""), sign(fields, self._secret)):
            raise Rejected("signature")
        if fields.get("appid") != self._appid:
            raise Rejected("merchant")
        attempt_no = fields.get("trade_order_id", "")
        if not _ATTEMPT_NO.fullmatch(attempt_no):
            raise Rejected("malformed")
        state = STATES.get(fields.get("status", ""), "pending")
        if state != "paid":
            return Notice(state=state, attempt_no=attempt_no)
        return self._paid(attempt_no, fields.get("open_order_id"), fields.get("total_fee"))

    async def query(self, intent: Intent) -> Notice | None:
        """Ask for the order; None when the vendor does not know it.

        Where its answer names no amount the whole order was paid: the vendor takes no parts.
        """
        said = await self._order(intent)
        if said is None:
            return None
        state = STATES.get(str(said.get("status")), "pending")
        if state != "paid":
            return Notice(state=state, attempt_no=intent.attempt_no)
        fee = said.get("total_fee")
        try:
            asked = amount_text(intent.amount_minor, CURRENCY)
            return self._paid(intent.attempt_no, said.get("open_order_id"), asked if fee is None else fee)
        except Rejected as rejected:
            raise GatewayFailed(f"the vendor answered with a malformed {rejected.reason}") from None

    async def refund(self, ask: RefundAsk) -> RefundWord:
        """Send the whole payment back. The vendor refunds a payment once, so that asking again is safe."""
        said = await self._ask("refund", {"open_order_id": ask.gateway_txn, "reason": _title(ask.reason)})
        if said["errcode"] != "0":
            return RefundWord(state="failed", refund_no=ask.refund_no, problem=self._words(said))
        return self._refunded(ask, said.get("refund_status"))

    async def query_refund(self, ask: RefundAsk) -> RefundWord | None:
        """What the order's own state says of its refund; None while it is simply paid."""
        said = await self._order(ask.payment)
        state = str(said.get("status")) if said else ""
        if state == "OD":
            return None
        if state not in REFUND_STATES:
            raise GatewayFailed("the vendor does not say what became of this refund", is_unclear=True)
        return self._refunded(ask, state)

    async def test(self) -> list[Finding]:
        """Ask for an order that there is not, signed rightly and wrongly: where the key is right the answers differ."""
        number = f"TEST{self._clock.now()}"
        try:
            right = await self._ask("query", {"out_trade_order": number})
            wrong = await self._ask("query", {"out_trade_order": number}, secret=secrets.token_hex(16))
        except GatewayFailed as failed:
            return [Finding(subject=_("Gateway answers"), is_ok=False, advice=failed.problem)]
        is_known = right["errcode"] != wrong["errcode"]
        advice = _("Copy the APPID and the APPSECRET of the same channel again, and check the gateway's address.")
        findings = [
            Finding(subject=_("Gateway answers"), is_ok=True),
            Finding(subject=_("APPID and APPSECRET"), is_ok=is_known, advice="" if is_known else advice),
        ]
        said = Finding(subject=_("The gateway says"), is_ok=False, advice=self._words(right))
        return findings if is_known else [*findings, said]

    async def _order(self, intent: Intent) -> dict[str, Any] | None:
        said = await self._ask("query", {"out_trade_order": intent.attempt_no})
        if said["errcode"] != "0":
            if self._is_not_found(said):
                return None
            raise GatewayFailed(f"the vendor refused the query: {self._words(said)}")
        data = said.get("data")
        if not isinstance(data, dict) or not data:
            return None
        for name in ("out_trade_order", "trade_order_id"):
            if data.get(name, intent.attempt_no) != intent.attempt_no:
                raise GatewayFailed("the vendor answered about another order")
        return data

    @staticmethod
    def _is_not_found(said: Mapping[str, Any]) -> bool:
        words = str(said.get("errmsg", "")).lower()
        return said["errcode"] == "404" or "不存在" in words or "not found" in words or "not exist" in words

    def _paid(self, attempt_no: str, txn: object, fee: object) -> Notice:
        if not isinstance(txn, str) or not _TXN.fullmatch(txn):
            raise Rejected("transaction")
        try:
            amount = minor_units(fee, CURRENCY) if isinstance(fee, str) else 0
        except ValueError:
            amount = 0
        if amount == 0:
            raise Rejected("amount")
        return Notice(
            state="paid",
            attempt_no=attempt_no,
            gateway_txn=txn,
            amount_minor=amount,
            currency=CURRENCY,
            method=self._method,
        )

    def _refunded(self, ask: RefundAsk, status: object) -> RefundWord:
        """A refund in the vendor's words: one that it took and is silent about is under way."""
        state = REFUND_STATES.get(str(status), "pending")
        problem = _("The gateway says that this refund failed.") if state == "failed" else ""
        return RefundWord(state=state, refund_no=ask.refund_no, problem=problem)

    async def _ask(self, what: str, fields: Mapping[str, str], *, secret: str = "") -> dict[str, Any]:
        """One JSON object from the vendor, its numbers as text, with an `errcode`. Raises GatewayFailed."""
        form = {**fields, "appid": self._appid, "time": str(self._clock.now() // SECOND), "nonce_str": secrets.token_hex(16)}
        form = {name: value for name, value in form.items() if value}
        try:
            signed = {**form, "hash": sign(form, secret or self._secret)}
            reply = await self._http.post(f"{self._base}payment/{what}.html", form=signed)
            if reply.status != 200:
                raise GatewayFailed(f"the vendor answered with HTTP {reply.status}", is_unclear=reply.status >= 500)
            said = reply.json()
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None
        if not isinstance(said, dict) or not isinstance(said.get("errcode"), str):
            raise GatewayFailed("the answer has no errcode", is_unclear=True)
        return said

    def _words(self, said: Mapping[str, Any]) -> str:
        return scrubbed(f"{said.get('errmsg', '')} ({said['errcode']})", self._secret)


def _texts(said: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in said.items() if isinstance(value, str)}


def _title(text: str) -> str:
    """A text without control characters and emoji, cut where the vendor would cut it."""
    line = " ".join("".join(c if c.isprintable() and ord(c) <= 0xFFFF else " " for c in text).split())
    return line.encode()[:MOST_TITLE_BYTES].decode(errors="ignore").strip() or "order"


XUNHU = GatewayType(
    type="xunhu",
    label=_("Xunhu Pay (虎皮椒)"),
    methods=account.METHODS,
    currencies=(CURRENCY,),
    options=account.OPTIONS,
    make=XunhuGateway,
    refunds="whole",
)
