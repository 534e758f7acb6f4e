"""One Epay account: begins payments by page or API, proves callbacks, asks about orders.

Always true: MD5 with our key is the only proof, whatever `sign_type` a request names; only TRADE_SUCCESS
and status 1 pay; the key stands in no exception and no log.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from kashop.bundled.pay_epay import options as account
from kashop.bundled.pay_epay.signing import sign
from kashop.plugins.api import (
    Answer,
    Begun,
    CallbackRequest,
    Context,
    Finding,
    GatewayFailed,
    GatewayType,
    HttpFailed,
    HttpReply,
    Intent,
    Notice,
    Rejected,
    _,
    amount_text,
    form_fields,
    is_same,
    minor_units,
    scrubbed,
)

CURRENCY = "CNY"
MOST_NAME_BYTES = 127
_ATTEMPT_NO = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_TXN = re.compile(r"[!-~]{1,64}", re.ASCII)
_METHOD = re.compile(r"[a-z0-9_]{0,32}", re.ASCII)
_APP_SCHEMES = ("http", "https", "weixin", "alipays", "alipay", "mqqapi", "mqqwallet")
_QUERY_STATES = {"1": "paid", "2": "closed"}
"""0 unpaid, 3 frozen by the platform and 4 authorised only may still become money; 2 was paid and is
refunded.
"""


class EpayGateway:
    """Keeps the Gateway protocol over Epay V1."""

    accepted = Answer(body=b"success")
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self._base = account.checked(options)
        self._pid = options["pid"]
        self._key = options["key"]
        self._mode = options.get("mode") or "page"
        self._http = ctx.http

    async def begin(self, intent: Intent) -> Begun:
        """Send the buyer to submit.php, or ask mapi.php; without a method the gateway's own cashier must
        ask, so always by page.
        """
        if "?" in intent.callback_url or intent.currency != CURRENCY:
            raise GatewayFailed("Epay takes CNY only, and a callback address without a question mark")
        if self._mode == "page" or not intent.method:
            return Begun(kind="redirect", url=f"{self._base}submit.php?{urlencode(self._signed(intent))}")
        fields = self._signed(intent, clientip=intent.client_ip or "127.0.0.1")
        said = await self._ask("mapi.php", form=fields)
        if said.get("code") != "1":
            raise GatewayFailed(f"the gateway refused: {self._words(said)}")
        return self._begun(said)

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a notify_url call: signature first, then merchant, then form (epay.md §1.3)."""
        if request.method != "GET":
            raise Rejected("malformed")
        fields = form_fields(request.query.removeprefix(b"?").removesuffix(b"?"))  # some builds leave a stray one
        if not is_same(fields.get("sign", ""), sign(fields, self._key)):
            raise Rejected("signature")
        if fields.get("sign_type", "MD5").upper() != "MD5":
            raise Rejected("sign_type")
        if fields.get("pid") != self._pid:
            raise Rejected("merchant")
        attempt_no = fields.get("out_trade_no", "")
        if not _ATTEMPT_NO.fullmatch(attempt_no):
            raise Rejected("malformed")
        if fields.get("trade_status") != "TRADE_SUCCESS":
            closed = fields.get("trade_status") == "TRADE_CLOSED"
            return Notice(state="closed" if closed else "pending", attempt_no=attempt_no)
        try:
            return _paid(attempt_no, fields)
        except ValueError as error:
            raise Rejected(str(error)) from None

    async def query(self, intent: Intent) -> Notice | None:
        """Ask api.php for the order; None when the gateway does not know it."""
        said = await self._ask("api.php", query={"act": "order", "out_trade_no": intent.attempt_no})
        if said.get("code") == "-1":
            return None
        if said.get("code") != "1":
            raise GatewayFailed(f"the gateway refused the query: {self._words(said)}")
        if said.get("out_trade_no") != intent.attempt_no or said.get("pid", self._pid) != self._pid:
            raise GatewayFailed("the gateway answered about another order")
        state = _QUERY_STATES.get(str(said.get("status")), "pending")
        if state != "paid":
            return Notice(state=state, attempt_no=intent.attempt_no)
        try:
            return _paid(intent.attempt_no, {k: v for k, v in said.items() if isinstance(v, str)})
        except ValueError as error:
            raise GatewayFailed(f"the gateway answered with a malformed {error}") from None

    async def test(self) -> list[Finding]:
        """Ask for the merchant's own record: reachable, the key right, the merchant open."""
        is_secure = self._base.startswith("https:") or account.is_loopback(urlsplit(self._base).hostname or "")
        advice = "" if is_secure else _("Use https: the key travels in the address of queries.")
        secure = Finding(subject=_("Encrypted connection"), is_ok=is_secure, advice=advice)
        try:
            said = await self._ask("api.php", query={"act": "query"})
        except GatewayFailed as failed:
            return [secure, Finding(subject=_("Gateway answers"), is_ok=False, advice=failed.problem)]
        is_known = said.get("code") == "1" and said.get("pid", self._pid) == self._pid
        known = Finding(subject=_("Merchant number and key"), is_ok=is_known, advice="" if is_known else self._words(said))
        is_open = said.get("active", "1") == "1"
        opened = Finding(
            subject=_("Merchant is open"), is_ok=is_open, advice="" if is_open else _("The gateway has closed this merchant.")
        )
        return [secure, Finding(subject=_("Gateway answers"), is_ok=True), known, *([opened] if is_known else [])]

    def _signed(self, intent: Intent, **more: str) -> dict[str, str]:
        fields = {
            "pid": self._pid,
            "type": intent.method,
            "out_trade_no": intent.attempt_no,
            "notify_url": intent.callback_url,
            "return_url": intent.return_url,
            "name": _name(intent.title),
            "money": amount_text(intent.amount_minor, CURRENCY),
            **more,
        }
        fields = {k: v for k, v in fields.items() if v}
        return {**fields, "sign": sign(fields, self._key), "sign_type": "MD5"}

    def _begun(self, said: Mapping[str, Any]) -> Begun:
        ref = str(said.get("trade_no") or "")[:64]
        for name in ("payurl", "urlscheme"):
            url = said.get(name)
            if isinstance(url, str) and _scheme(url):
                return Begun(kind="redirect", url=url, gateway_ref=ref)
        qr = said.get("qrcode")
        if isinstance(qr, str) and 0 < len(qr) <= 1024 and qr.isprintable():
            return Begun(kind="qr", qr=qr, url=qr if _scheme(qr) else "", gateway_ref=ref)
        raise GatewayFailed("the gateway took the order but gave no way to pay it", is_unclear=True)

    async def _ask(
        self, script: str, *, query: dict[str, str] | None = None, form: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """One JSON object from the gateway, its numbers as text.

        Queries carry pid and key, forms their signature.
        """
        try:
            if form is not None:
                reply = await self._http.post(self._base + script, form=form)
            else:
                params = {**(query or {}), "pid": self._pid, "key": self._key}
                reply = await self._http.get(self._base + script, params=params)
            return _object(reply)
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    def _words(self, said: Mapping[str, Any]) -> str:
        return scrubbed(f"{said.get('msg', '')} ({said.get('code', '?')})", self._key)


def _object(reply: HttpReply) -> dict[str, Any]:
    if reply.status != 200:
        raise GatewayFailed(f"the gateway answered with HTTP {reply.status}", is_unclear=reply.status >= 500)
    said = reply.json()
    if not isinstance(said, dict):
        raise GatewayFailed("the answer is not a JSON object", is_unclear=True)
    return said


def _paid(attempt_no: str, fields: Mapping[str, str]) -> Notice:
    """A paid notice, or ValueError with the word for what is malformed."""
    try:
        amount = minor_units(fields.get("money", ""), CURRENCY)
    except ValueError:
        raise ValueError("amount") from None
    if amount == 0:
        raise ValueError("amount")
    method, txn = fields.get("type", ""), fields.get("trade_no", "")
    if not _TXN.fullmatch(txn):
        raise ValueError("transaction")
    if not _METHOD.fullmatch(method):
        raise ValueError("method")
    return Notice(state="paid", attempt_no=attempt_no, gateway_txn=txn, amount_minor=amount, currency=CURRENCY, method=method)


def _name(title: str) -> str:
    """The title without control characters, cut where the gateway would cut it."""
    line = " ".join("".join(c if c.isprintable() else " " for c in title).split())
    return line.encode()[:MOST_NAME_BYTES].decode(errors="ignore").strip() or "order"


def _scheme(url: str) -> bool:
    """Whether a buyer may be sent to an address: a web page or a wallet, never a script."""
    return url.isprintable() and " " not in url and url.partition(":")[0].lower() in _APP_SCHEMES and len(url) <= 4096


EPAY = GatewayType(
    type="epay",
    label=_("Epay"),
    methods=account.METHODS,
    currencies=(CURRENCY,),
    options=account.OPTIONS,
    make=EpayGateway,
)
