"""One Epay account of protocol V2: every request is signed with our RSA key, every word of the gateway with its own (epay.md §2).

Always true: only the platform's public key proves anything, and only within five minutes of the time it signed; such an account
believes no MD5. What the gateway refuses it does not sign, and a refusal settles nothing.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from kashop.bundled.pay_epay import options as account
from kashop.bundled.pay_epay import reading, statement
from kashop.bundled.pay_epay.signing import content
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
    StatementLine,
    _,
    amount_text,
    form_fields,
    is_rsa_signed,
    rsa_sign,
    scrubbed,
)

FRESH = 300 * SECOND
REFUND_STATES = {"0": "failed", "1": "done"}


class EpayV2Gateway:
    """Keeps the Gateway protocol over Epay V2."""

    accepted = Answer(body=b"success")
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self._base, self._keys = account.checked_v2(options)
        self._pid = options["pid"]
        self._secrets = (options["private_key"], "".join(options["private_key"].split()))
        self._mode = options.get("mode") or "api"
        self._http = ctx.http
        self._clock = ctx.clock

    async def begin(self, intent: Intent) -> Begun:
        """Ask for the order to be created; send the buyer to the gateway's page where the shop cannot show what it answers."""
        fields = reading.order_fields(intent, self._pid)
        if self._mode == "page" or not intent.method:
            return self._page(fields)
        said = await self._call("api/pay/create", **fields, method="web", **reading.server_side(intent))
        if said["code"] != "0":
            raise GatewayFailed(f"the gateway refused: {self._words(said)}")
        ref, info = reading.number_of(said, "trade_no"), said.get("pay_info")
        ways = {"jump": reading.redirect, "urlscheme": reading.redirect, "qrcode": reading.code_to_scan}
        way = ways.get(str(said.get("pay_type")))
        if way is None:
            return self._page(fields)  # html, jsapi and others belong into the gateway's own page, where the same order goes on
        begun = way(info, ref)
        if begun is None:
            raise GatewayFailed("the gateway took the order but gave no way to pay it", is_unclear=True)
        return begun

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a notify_url call: signature first, then its time, then merchant, then form (epay.md §2.2)."""
        if request.method != "GET":
            raise Rejected("malformed")
        fields = form_fields(request.query.removeprefix(b"?").removesuffix(b"?"))
        if not is_rsa_signed(self._keys.platform, fields.get("sign", ""), content(fields)):
            raise Rejected("signature")
        if fields.get("sign_type", "RSA") != "RSA":
            raise Rejected("sign_type")
        if not self._is_fresh(fields.get("timestamp"), request.received_at or self._clock.now()):
            raise Rejected("stale")
        if fields.get("pid") != self._pid:
            raise Rejected("merchant")
        try:
            return reading.told(fields)
        except ValueError as error:
            raise Rejected(str(error)) from None

    async def query(self, intent: Intent) -> Notice | None:
        """Ask for the order; None when the gateway does not know it."""
        said = await self._call("api/pay/query", out_trade_no=intent.attempt_no)
        if said["code"] == "-1":
            return None
        self._must_be_done(said, "the query")
        return reading.found(intent, said, self._pid)

    async def close(self, intent: Intent) -> None:
        """Close an order. Where the gateway refuses, what became of the order says whether that matters."""
        said = await self._call("api/pay/close", out_trade_no=intent.attempt_no)
        if said["code"] == "0":
            return
        notice = await self.query(intent)
        if notice is not None and notice.state == "paid":
            raise GatewayFailed("it was paid")
        if notice is not None and notice.state == "pending":
            raise GatewayFailed(f"the gateway refused to close it: {self._words(said)}")

    async def refund(self, ask: RefundAsk) -> RefundWord:
        """Send money back, once for each number of ours."""
        money = amount_text(ask.amount_minor, ask.currency)
        said = await self._call("api/pay/refund", trade_no=ask.gateway_txn, money=money, out_refund_no=ask.refund_no)
        if said["code"] != "0":
            return RefundWord(state="failed", refund_no=ask.refund_no, problem=self._words(said))
        return self._refunded(ask, said, "done")

    async def query_refund(self, ask: RefundAsk) -> RefundWord | None:
        """What became of a refund by our number."""
        said = await self._call("api/pay/refundquery", out_refund_no=ask.refund_no)
        if said["code"] == "-1":
            return None
        self._must_be_done(said, "the query")
        return self._refunded(ask, said, REFUND_STATES.get(str(said.get("status")), "pending"))

    async def statement(self, day: dt.date) -> Sequence[StatementLine] | None:
        """The payments of a day out of the merchant's list of orders."""
        return await statement.payments_of(day, self._orders, now=self._clock.now())

    async def test(self) -> list[Finding]:
        """Ask for the merchant's own record: our signature is taken, and the gateway's own is right and of now."""
        answers = _("Gateway answers")
        try:
            said = await self._post("api/merchant/info", {})
        except GatewayFailed as failed:
            return [Finding(subject=answers, is_ok=False, advice=failed.problem)]
        findings = [Finding(subject=answers, is_ok=True)]
        if said["code"] != "0":
            advice = _("Check the merchant number, the private key and the server's clock.")
            refused = Finding(subject=_("Merchant number and key"), is_ok=False, advice=advice)
            return [*findings, refused, Finding(subject=_("The gateway says"), is_ok=False, advice=self._words(said))]
        is_ours = said.get("pid", self._pid) == self._pid
        now = self._clock.now()
        return [
            *findings,
            _finding(_("Merchant number and key"), is_ours, _("Write the merchant number that the gateway gave you.")),
            _finding(
                _("Platform's public key (RSA)"),
                self._is_signed(said),
                _("The answer was not signed with this key: copy the platform's public key (平台公钥) again."),
            ),
            _finding(
                _("Signed time"),
                self._is_fresh(said.get("timestamp"), now),
                _("The gateway's time and the server's are more than five minutes apart: set the server's clock."),
            ),
        ]

    def _page(self, fields: Mapping[str, str]) -> Begun:
        url = f"{self._base}api/pay/submit?{urlencode(self._signed(fields))}"
        return Begun(kind="redirect", url=url, expires_at=self._clock.now() + FRESH)

    def _refunded(self, ask: RefundAsk, said: Mapping[str, Any], state: str) -> RefundWord:
        if said.get("out_refund_no", ask.refund_no) != ask.refund_no:
            raise GatewayFailed("the gateway answered about another refund", is_unclear=True)
        problem = _("The gateway says that this refund failed.") if state == "failed" else ""
        return RefundWord(
            state=state,
            refund_no=ask.refund_no,
            gateway_refund=reading.number_of(said, "refund_no"),
            amount_minor=reading.refunded_amount(said),
            problem=problem,
        )

    async def _orders(self, offset: int, _page: int) -> Sequence[Mapping[str, Any]]:
        said = await self._call("api/merchant/orders", offset=str(offset), limit=str(statement.PAGE))
        self._must_be_done(said, "its list of orders")
        rows = said.get("data")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise GatewayFailed("the gateway's list of orders is none")
        return rows

    async def _call(self, path: str, **fields: str) -> dict[str, Any]:
        """What the gateway answers, proved unless it refuses. Raises GatewayFailed."""
        said = await self._post(path, fields)
        if said["code"] != "0":
            return said
        if not self._is_signed(said):
            raise GatewayFailed("the answer is not signed by the platform's key", is_unclear=True)
        if not self._is_fresh(said.get("timestamp"), self._clock.now()):
            raise GatewayFailed("the answer is of another time: check the server's clock", is_unclear=True)
        return said

    async def _post(self, path: str, fields: Mapping[str, str]) -> dict[str, Any]:
        try:
            form = self._signed({**fields, "pid": self._pid})
            reply = await self._http.post(self._base + path, form=form, limit=statement.REPLY_BYTES)
            said = reading.object_of(reply)
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None
        if not isinstance(said.get("code"), str):
            raise GatewayFailed("the gateway answered without a code", is_unclear=True)
        return said

    def _signed(self, fields: Mapping[str, str]) -> dict[str, str]:
        timed = {**fields, "timestamp": str(self._clock.now() // SECOND)}
        return {**timed, "sign": rsa_sign(self._keys.private, content(timed)), "sign_type": "RSA"}

    def _is_signed(self, said: Mapping[str, Any]) -> bool:
        """Whether a reply carries the platform's signature over all of it but lists and objects."""
        scalars = {k: "1" if v is True else v for k, v in said.items()}  # as PHP writes true; false and null it leaves out
        fields = {k: v for k, v in scalars.items() if isinstance(v, str)}
        return is_rsa_signed(self._keys.platform, fields.get("sign", ""), content(fields))

    @staticmethod
    def _is_fresh(timestamp: object, now: int) -> bool:
        is_time = isinstance(timestamp, str) and timestamp.isascii() and timestamp.isdigit() and len(timestamp) == 10
        return is_time and abs(int(str(timestamp)) * SECOND - now) <= FRESH

    def _must_be_done(self, said: Mapping[str, Any], what: str) -> None:
        if said["code"] != "0":
            raise GatewayFailed(f"the gateway refused {what}: {self._words(said)}")

    def _words(self, said: Mapping[str, Any]) -> str:
        return scrubbed(f"{said.get('msg', '')} ({said.get('code', '?')})", *self._secrets)


def _finding(subject: str, is_ok: bool, advice: str) -> Finding:
    return Finding(subject=subject, is_ok=is_ok, advice="" if is_ok else advice)


EPAY_V2 = GatewayType(
    type="epay_v2",
    label=_("Epay V2"),
    methods=account.METHODS,
    currencies=(reading.CURRENCY,),
    options=account.OPTIONS_V2,
    make=EpayV2Gateway,
    refunds="any",
    closes=True,
    states=True,
    states_refunds=False,
)
