"""TokenPay (usdt.md §4): names in capitals, fiat in the gateway's own base currency, a signed query.

Always true: only status 1 pays. The answer to a query is unsigned like those of its relatives, so that it pays only over a line
on which nobody else can speak.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from kashop.bundled.pay_usdt import options as account
from kashop.bundled.pay_usdt import reading, signing
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
    is_line_trusted,
    is_web_address,
    json_object,
    scrubbed,
)

JSON = {"content-type": "application/json"}
NOTHING = "00000000-0000-0000-0000-000000000000"
_STATES = {"0": "pending", "1": "paid", "2": "closed"}
_WORDS = {"Paid": "paid", "Expired": "closed"}
"""Some builds answer a query in words."""
_ASSET = re.compile(r"[0-9A-Za-z_]{1,48}", re.ASCII)
_FIAT = re.compile(r"[A-Z]{3}", re.ASCII)


class TokenpayGateway:
    """Keeps the Gateway protocol over TokenPay."""

    accepted = Answer(body=b"ok")
    rejected = Answer(status=400, body=b"fail")
    known = (
        account.URL,
        account.KEY,
        account.asset("USDT_TRC20", _("The gateway's name of it, such as USDT_TRC20 or EVM_BSC_USDT_BEP20.")),
        account.SHOWN_AS,
        account.ALLOW_HTTP,
    )

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self._base = account.checked(options, self.known, _ASSET)
        self._key = options["key"]
        self._asset = options["asset"]
        self._http = ctx.http

    async def begin(self, intent: Intent) -> Begun:
        """Ask for an order. A buyer's key of its own each time: where addresses are dynamic, no two orders share one."""
        fields = {
            "OutOrderId": intent.attempt_no,
            "OrderUserKey": intent.attempt_no,
            "ActualAmount": amount_text(intent.amount_minor, intent.currency),
            "Currency": self._asset,
            "NotifyUrl": intent.callback_url,
            "RedirectUrl": intent.return_url,
        }
        body = signing.written({**fields, "Signature": signing.sign(fields, self._key)})
        try:
            said = self._said(await self._http.post(f"{self._base}CreateOrder", body=body, headers=JSON))
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None
        info = said.get("info")
        if isinstance(info, dict) and info.get("BaseCurrency") not in (None, intent.currency):
            raise GatewayFailed(f"the gateway counts in {scrubbed(info['BaseCurrency'])}, not {intent.currency}")
        try:
            return _begun(intent, said.get("data"), info)
        except ValueError as error:
            raise GatewayFailed(f"the gateway took the order, but its answer is malformed: {error}", is_unclear=True) from None

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a notification: signature first, then form."""
        if request.method != "POST":
            raise Rejected("malformed")
        fields = json_object(request.body)
        if any(isinstance(value, (dict, list)) for value in fields.values()):
            raise Rejected("malformed")
        if not signing.is_signed(fields, fields.get("Signature"), self._key, (signing.literal,)):
            raise Rejected("signature")
        try:
            number = reading.attempt_no(fields.get("OutOrderId"))
            state = _STATES.get(str(fields.get("Status")), "pending")
            if state != "paid":
                return Notice(state=state, attempt_no=number)
            return _paid(number, {k.casefold(): v for k, v in fields.items()}, str(fields.get("BaseCurrency")))
        except ValueError as error:
            raise Rejected(str(error)) from None

    async def query(self, intent: Intent) -> Notice | None:
        """Ask for the order with its amounts."""
        if not intent.gateway_ref:
            return None
        order = await self._order(intent.gateway_ref, self._key)
        if order is None:
            return None
        if order.get("outorderid") != intent.attempt_no:
            raise GatewayFailed("the gateway answered about another order")
        state = {**_STATES, **_WORDS}.get(str(order.get("status")), "pending")
        if state != "paid":
            return Notice(state=state, attempt_no=intent.attempt_no)
        if not order.get("blocktransactionid") or not is_line_trusted(self._base):
            return Notice(state="paid", attempt_no=intent.attempt_no, is_hint=True)
        try:
            return _paid(intent.attempt_no, order, str(order.get("basecurrency") or intent.currency))
        except ValueError as error:
            raise GatewayFailed(f"the gateway answered with a malformed {error}") from None

    async def test(self) -> list[Finding]:
        """Ask twice for an order that is none, signed rightly and wrongly."""
        is_secure = is_line_trusted(self._base)
        advice = "" if is_secure else _("Without https a query proves nothing: what it finds waits on the desk for you.")
        found = [Finding(subject=_("Encrypted connection"), is_ok=is_secure, advice=advice)]
        try:
            right, wrong = await self._probe(self._key), await self._probe(f"not {self._key}"[::-1])
        except GatewayFailed as failed:
            return [*found, Finding(subject=_("Gateway answers"), is_ok=False, advice=failed.problem)]
        found.append(Finding(subject=_("Gateway answers"), is_ok=True))
        if right == wrong and "不存在" in right:
            open_door = _("The gateway checks no signatures: run it with ASPNETCORE_ENVIRONMENT=Production.")
            return [*found, Finding(subject=_("API token"), is_ok=False, advice=open_door)]
        advice = "" if right != wrong else _("The gateway does not know this token: copy it again from the gateway's settings.")
        return [*found, Finding(subject=_("API token"), is_ok=right != wrong, advice=advice)]

    async def _probe(self, key: str) -> str:
        said = await self._query(NOTHING, key)
        return scrubbed(said.get("message", ""), self._key)

    async def _order(self, reference: str, key: str) -> dict[str, Any] | None:
        """An order as the gateway keeps it, its names in small letters; None when it knows none."""
        said = await self._query(reference, key)
        if said["success"] is not True:
            words = scrubbed(said.get("message", ""), self._key)
            if "不存在" in words:
                return None
            raise GatewayFailed(f"the gateway refused the query: {words}")
        order = next((said[n] for n in ("data", "info") if isinstance(said.get(n), dict)), None)
        if order is None:
            raise GatewayFailed("the answer holds no order", is_unclear=True)
        return {name.casefold(): value for name, value in order.items()}

    async def _query(self, reference: str, key: str) -> dict[str, Any]:
        fields = {"Id": reference}
        asked = urlencode({**fields, "Signature": signing.sign(fields, key)})
        try:
            return _object(await self._http.get(f"{self._base}Query?{asked}"))
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    def _said(self, reply: HttpReply) -> dict[str, Any]:
        said = _object(reply)
        if said["success"] is not True:
            raise GatewayFailed(f"the gateway refused: {scrubbed(said.get('message', ''), self._key)}")
        return said


def _object(reply: HttpReply) -> dict[str, Any]:
    if reply.status != 200:
        raise GatewayFailed(f"the gateway answered with HTTP {reply.status}", is_unclear=reply.status >= 500)
    said = reply.json()
    if not isinstance(said, dict) or not isinstance(said.get("success"), bool):
        raise GatewayFailed("the answer is not the gateway's", is_unclear=True)
    return said


def _begun(intent: Intent, url: Any, info: Any) -> Begun:
    if not isinstance(info, dict) or info.get("OutOrderId") != intent.attempt_no:
        raise ValueError("attempt")
    if reading.fiat(info.get("ActualAmount"), intent.currency) != intent.amount_minor:
        raise ValueError("amount")
    if not is_web_address(url):
        raise ValueError("data")
    coin = str(info.get("CurrencyName") or "")[:16]
    return Begun(
        kind="redirect",
        url=str(url),
        gateway_ref=reading.reference(info.get("Id")),
        coin=coin,
        coin_amount=reading.coins(info.get("Amount")) if coin else "",
    )


def _paid(number: str, told: Mapping[str, Any], currency: str) -> Notice:
    """A paid notice of fields in small letters. `payamount` has two places and counts only where the amount is the buyer's."""
    if not _FIAT.fullmatch(currency):
        raise ValueError("currency")
    is_dynamic = str(told.get("isdynamicamount")).lower() in ("1", "true")
    return reading.paid(
        number,
        amount=told.get("actualamount"),
        currency=currency,
        txn=told.get("blocktransactionid"),
        coin=str(told.get("currencyname") or "")[:16],
        coin_amount=told.get("payamount") if is_dynamic else told.get("amount"),
    )


TOKENPAY = GatewayType(
    type="tokenpay",
    label=_("TokenPay"),
    methods=account.METHODS,
    currencies=(),
    options=TokenpayGateway.known,
    make=TokenpayGateway,
)
