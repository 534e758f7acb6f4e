"""One Epay account of protocol V1: begins payments by page or API, proves callbacks, asks about orders, refunds, lists.

Always true: MD5 with our key is the only proof, whatever `sign_type` a request names; only TRADE_SUCCESS
and status 1 pay; the key stands in no exception and no log.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

from kashop.bundled.pay_epay import options as account
from kashop.bundled.pay_epay import reading, statement
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
    Intent,
    Notice,
    RefundAsk,
    RefundWord,
    Rejected,
    StatementLine,
    _,
    amount_text,
    form_fields,
    is_line_trusted,
    is_same,
    scrubbed,
)

REFUND_DONE = ("0", "1")
"""The documentation says 1, current builds answer 0 (epay.md §1.4)."""


_PLAIN = re.compile(r"[A-Za-z0-9._-]*", re.ASCII)


@lru_cache(maxsize=64)
def _quoted(text: str) -> str:
    """As in a form: once for what stands in every order's address."""
    return quote_plus(text)


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
        self._clock = ctx.clock

    async def begin(self, intent: Intent) -> Begun:
        """Send the buyer to submit.php, or ask mapi.php; without a method the gateway's own cashier must
        ask, so always by page.
        """
        if by_page := self.begin_alone(intent):
            return by_page
        fields = reading.order_fields(intent, self._pid, **reading.server_side(intent))
        said = await self._ask("mapi.php", form=self._signed(fields))
        if said.get("code") != "1":
            raise GatewayFailed(f"the gateway refused: {self._words(said)}")
        ref = str(said.get("trade_no") or "")[:64]
        for name in ("payurl", "urlscheme"):
            if begun := reading.redirect(said.get(name), ref):
                return begun
        if begun := reading.code_to_scan(said.get("qrcode"), ref):
            return begun
        raise GatewayFailed("the gateway took the order but gave no way to pay it", is_unclear=True)

    def begin_alone(self, intent: Intent) -> Begun | None:
        """Where to send the buyer when that is submit.php."""
        if self._mode != "page" and intent.method:
            return None
        fields = self._signed(reading.order_fields(intent, self._pid))
        query = "&".join(f"{name}={text if _PLAIN.fullmatch(text) else _quoted(text)}" for name, text in fields.items())
        return Begun(kind="redirect", url=f"{self._base}submit.php?{query}")

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
        try:
            return reading.told(fields)
        except ValueError as error:
            raise Rejected(str(error)) from None

    async def query(self, intent: Intent) -> Notice | None:
        """Ask api.php for the order; None when the gateway does not know it."""
        said = await self._order(intent)
        return None if said is None else reading.found(intent, said, self._pid)

    async def refund(self, ask: RefundAsk) -> RefundWord:
        """Send money back. Builds that know `refund_no` refund once by it; with all others `query_refund` stands before a second
        try.
        """
        form = {
            "pid": self._pid,
            "key": self._key,
            "trade_no": ask.gateway_txn,
            "money": amount_text(ask.amount_minor, ask.currency),
            "refund_no": ask.refund_no,
        }
        said = await self._ask("api.php?act=refund", form=form)
        if "code" not in said:
            raise GatewayFailed("the gateway answered without a code", is_unclear=True)
        if said["code"] not in REFUND_DONE:
            return RefundWord(state="failed", refund_no=ask.refund_no, problem=self._words(said))
        number = reading.number_of(said, "refund_no")
        amount = reading.refunded_amount(said)
        return RefundWord(state="done", refund_no=ask.refund_no, gateway_refund=number, amount_minor=amount)

    async def query_refund(self, ask: RefundAsk) -> RefundWord | None:
        """All that V1 says is whether anything of a payment was ever refunded (status 2): enough for its first refund.

        Old builds know no status 2. They refuse to refund the whole twice, but a part of it they might: a 1 is believed then only
        from a build that names `api_trade_no`, as those do that know 2.
        """
        said = await self._order(ask.payment) or {}
        status = str(said.get("status"))
        is_whole = ask.amount_minor == ask.captured_minor
        if status == "1" and (is_whole or "api_trade_no" in said):
            return None
        if status == "2" and ask.refunded_minor == 0:
            return RefundWord(state="done", refund_no=ask.refund_no)
        raise GatewayFailed("this gateway does not say which refunds were made: look at its own pages", is_unclear=True)

    async def statement(self, day: dt.date) -> Sequence[StatementLine] | None:
        """The payments of a day out of act=orders."""
        return await statement.payments_of(day, self._orders, now=self._clock.now())

    async def test(self) -> list[Finding]:
        """Ask for the merchant's own record: reachable, the key right, the merchant open."""
        is_secure = is_line_trusted(self._base)
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

    async def _order(self, intent: Intent) -> dict[str, Any] | None:
        """An order as the gateway has it; None when it has none. Raises GatewayFailed."""
        said = await self._ask("api.php", query={"act": "order", "out_trade_no": intent.attempt_no})
        if said.get("code") == "-1":
            return None
        if said.get("code") != "1":
            raise GatewayFailed(f"the gateway refused the query: {self._words(said)}")
        reading.found(intent, said, self._pid)  # of the order that was asked for, and well-formed
        return said

    async def _orders(self, offset: int, page: int) -> Sequence[Mapping[str, Any]]:
        where = {"offset": str(offset), "page": str(page)}  # current builds read the first, old ones the second
        said = await self._ask("api.php", query={"act": "orders", "limit": str(statement.PAGE), **where})
        if said.get("code") == "-1" and offset:
            return []  # how some builds say that there are no more
        rows = said.get("data")
        if said.get("code") != "1" or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise GatewayFailed(f"the gateway refused its list of orders: {self._words(said)}")
        return rows

    def _signed(self, fields: Mapping[str, str]) -> dict[str, str]:
        return {**fields, "sign": sign(fields, self._key), "sign_type": "MD5"}

    async def _ask(
        self, script: str, *, query: dict[str, str] | None = None, form: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """One JSON object from the gateway, its numbers as text.

        Queries carry pid and key, forms their signature or the key.
        """
        try:
            if form is not None:
                reply = await self._http.post(self._base + script, form=form)
            else:
                params = {**(query or {}), "pid": self._pid, "key": self._key}
                reply = await self._http.get(self._base + script, params=params, limit=statement.REPLY_BYTES)
            return reading.object_of(reply)
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    def _words(self, said: Mapping[str, Any]) -> str:
        return scrubbed(f"{said.get('msg', '')} ({said.get('code', '?')})", self._key)


EPAY = GatewayType(
    type="epay",
    label=_("Epay"),
    methods=account.METHODS,
    currencies=(reading.CURRENCY,),
    options=account.OPTIONS,
    make=EpayGateway,
    begins_alone=True,
    refunds="any",
    states=True,
    states_refunds=False,
)
