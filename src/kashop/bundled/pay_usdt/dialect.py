"""What epusdt and its two descendants have in common: signed JSON, a number of their own for every order, a signed callback.

Always true: only status 2 pays; a callback is proved by our key and nothing else; what a query says is unsigned, so that it
pays only with amounts and a transaction's hash, over a line on which nobody else can speak. Otherwise a query that finds a
payment is a hint: it puts the order on the desk and pays nothing (docs/decisions/0022).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from kashop.bundled.pay_usdt import options as account
from kashop.bundled.pay_usdt import reading, signing
from kashop.plugins.api import (
    Answer,
    Begun,
    CallbackRequest,
    Context,
    Finding,
    GatewayFailed,
    HttpFailed,
    HttpReply,
    Intent,
    Notice,
    Number,
    Option,
    Rejected,
    _,
    amount_text,
    is_line_trusted,
    is_web_address,
    json_object,
    scrubbed,
)

JSON = {"content-type": "application/json"}
STATES = {"1": "pending", "2": "paid", "3": "closed", "4": "pending", "5": "pending", "6": "failed"}


class Refused(GatewayFailed):
    """The gateway said no, with a code of its own."""

    def __init__(self, problem: str, code: str):
        super().__init__(problem)
        self.code = code


class Dialect:
    """Keeps the Gateway protocol; a dialect fills in what is its own."""

    accepted = Answer(body=b"ok")
    rejected = Answer(status=400, body=b"fail")
    known: ClassVar[Sequence[Option]] = ()
    asset_form: ClassVar[re.Pattern[str] | None] = None
    create: ClassVar[str] = "api/v1/order/create-transaction"
    forms: ClassVar[Sequence[signing.Form]] = (signing.literal, signing.plain)
    states: ClassVar[Mapping[str, str]] = STATES

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self._base = account.checked(options, self.known, self.asset_form)
        self._key = options["key"]
        self._fiat = options.get("fiat") or "CNY"
        self._asset = options.get("asset", "")
        self._http = ctx.http
        self._clock = ctx.clock

    # What each dialect says in its own way

    def request(self, intent: Intent, amount: Number) -> dict[str, Any]:
        """The fields of a new order, unsigned."""
        raise NotImplementedError

    def coin(self, data: Mapping[str, Any]) -> str:
        """The coin that is asked for or was paid, when the gateway says or only one can be meant."""
        raise NotImplementedError

    def expires_at(self, told: int) -> int:
        """The gateway's deadline in milliseconds UTC."""
        return told * 1000

    def refuse_foreign(self, fields: Mapping[str, Any]) -> None:
        """Raises Rejected for a callback that names another merchant."""

    # The protocol

    async def begin(self, intent: Intent) -> Begun:
        """Ask for an order and send the buyer to its page."""
        if intent.currency != self._fiat:
            raise GatewayFailed(f"this account takes {self._fiat}, not {intent.currency}")
        amount = Number(signing.plain(amount_text(intent.amount_minor, intent.currency)))
        said = await self._ask(self.create, self.request(intent, amount))
        try:
            return self._begun(intent, said)
        except ValueError as error:
            raise GatewayFailed(f"the gateway took the order, but its answer is malformed: {error}", is_unclear=True) from None

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a notification: signature first, then merchant, then form."""
        if request.method != "POST":
            raise Rejected("malformed")
        fields = json_object(request.body)
        if any(isinstance(value, (dict, list)) for value in fields.values()):
            raise Rejected("malformed")
        if not signing.is_signed(fields, fields.get("signature"), self._key, self.forms):
            raise Rejected("signature")
        self.refuse_foreign(fields)
        try:
            number = reading.attempt_no(fields.get("order_id"))
            state = self.states.get(str(fields.get("status")), "pending")
            return self._paid(number, fields) if state == "paid" else Notice(state=state, attempt_no=number)
        except ValueError as error:
            raise Rejected(str(error)) from None

    async def query(self, intent: Intent) -> Notice | None:
        """Ask for the order's state: it comes without amounts, so that paid is only a hint."""
        if not intent.gateway_ref:
            return None
        try:
            data = await self._get(f"pay/check-status/{intent.gateway_ref}")
        except Refused as refused:
            if refused.code == "10008":
                return None
            raise
        if data.get("trade_id") != intent.gateway_ref:
            raise GatewayFailed("the gateway answered about another order")
        state = self.states.get(str(data.get("status")), "pending")
        return Notice(state=state, attempt_no=intent.attempt_no, is_hint=state == "paid")

    async def test(self) -> list[Finding]:
        """Ask twice for an order that cannot be, signed rightly and wrongly: a gateway that knows our key tells them apart."""
        is_secure = is_line_trusted(self._base)
        advice = "" if is_secure else _("Without https a query proves nothing: what it finds waits on the desk for you.")
        found = [Finding(subject=_("Encrypted connection"), is_ok=is_secure, advice=advice)]
        try:
            right, wrong = await self.probe(self._key), await self.probe(f"not {self._key}"[::-1])
        except GatewayFailed as failed:
            return [*found, Finding(subject=_("Gateway answers"), is_ok=False, advice=failed.problem)]
        found.append(Finding(subject=_("Gateway answers"), is_ok=True))
        is_known = right != wrong
        advice = "" if is_known else _("The gateway does not know this token: copy it again from the gateway's settings.")
        return [*found, Finding(subject=_("API token"), is_ok=is_known, advice=advice)]

    async def probe(self, key: str) -> str:
        """What the gateway answers to an order that is none, signed with a key."""
        fields = self.request(_NOBODY, Number("0"))
        try:
            await self._ask(self.create, fields, key=key)
        except Refused as refused:
            return refused.code
        return ""

    # Parts

    def _begun(self, intent: Intent, data: Mapping[str, Any]) -> Begun:
        if data.get("order_id") != intent.attempt_no:
            raise ValueError("attempt")
        if reading.fiat(data.get("amount"), intent.currency) != intent.amount_minor:
            raise ValueError("amount")
        url = data.get("payment_url")
        if not is_web_address(url):
            raise ValueError("payment_url")
        chosen = self._asset != account.CHOOSE
        told = str(data.get("expiration_time", ""))
        return Begun(
            kind="redirect",
            url=str(url),
            gateway_ref=reading.reference(data.get("trade_id")),
            coin=self.coin(data) if chosen else "",
            coin_amount=reading.coins(data.get("actual_amount")) if chosen else "",
            expires_at=self.expires_at(int(told)) if told.isascii() and told.isdigit() and len(told) < 12 else 0,
        )

    def _paid(self, number: str, fields: Mapping[str, Any]) -> Notice:
        return reading.paid(
            number,
            amount=fields.get("amount"),
            currency=self._fiat,
            txn=fields.get("block_transaction_id"),
            coin=self.coin(fields),
            coin_amount=fields.get("actual_amount"),
        )

    async def _ask(self, path: str, fields: Mapping[str, Any], *, key: str = "") -> dict[str, Any]:
        """The data of an answer to signed fields."""
        signature = signing.sign(fields, key or self._key, self.forms[-1])
        return await self._post(path, {**fields, "signature": signature})

    async def _post(self, path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._data(await self._http.post(self._base + path, body=signing.written(fields), headers=JSON))
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            return self._data(await self._http.get(self._base + path))
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    def _data(self, reply: HttpReply) -> dict[str, Any]:
        if reply.status not in (200, 400, 401):
            raise GatewayFailed(f"the gateway answered with HTTP {reply.status}", is_unclear=reply.status >= 500)
        said = reply.json()
        code = str(said.get("status_code", "")) if isinstance(said, dict) else ""
        if not code.isdigit():
            raise GatewayFailed("the answer is not the gateway's", is_unclear=True)
        if reply.status != 200 or code != "200":
            words = scrubbed(f"{said.get('message', '')} ({code})", self._key)
            raise Refused(f"the gateway refused: {words}", code)
        data = said.get("data")
        if not isinstance(data, dict):
            raise GatewayFailed("the answer holds no order", is_unclear=True)
        return data


_NOBODY = Intent(
    attempt_no="SELFTEST",
    amount_minor=0,
    currency="CNY",
    method="",
    title="",
    callback_url="https://self-test.invalid/",
    return_url="https://self-test.invalid/",
    client_ip="127.0.0.1",
    locale="en",
    created_at=0,
    expires_at=0,
)
