"""One V免签 account: asks for a payment, shows the exact amount to send, proves callbacks, asks what became of an order.

Always true: the account's own kind of signature is the only proof, of callbacks and of what a query says was paid. What pays the
order is the price; what the buyer really sent differs from it by odd cents and is told beside it.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from kashop.bundled.pay_vmq import options as account
from kashop.bundled.pay_vmq.signing import HMAC_SHA256, MOST_OFFSET, PARAM, sign
from kashop.plugins.api import (
    MINUTE,
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
METHODS = {number: method for method, number in account.TYPES.items()}
STATES = {"0": "pending", "-1": "closed"}

_ATTEMPT_NO = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_ORDER_ID = re.compile(r"[!-~]{1,64}", re.ASCII)
_MILLISECONDS_SINCE = 100_000_000_000
"""Times above are milliseconds (Java builds), others seconds (PHP builds)."""


class VmqGateway:
    """Keeps the Gateway protocol over V免签."""

    accepted = Answer(body=b"success")
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self._base = account.checked(options)
        self._key = options["key"]
        self._sign_type = options["sign_type"]
        self._http = ctx.http
        self._clock = ctx.clock

    async def begin(self, intent: Intent) -> Begun:
        """Ask for a payment; the buyer scans the merchant's own code and sends exactly what it says."""
        number = account.TYPES.get(intent.method)
        if intent.currency != CURRENCY or number is None or not _ATTEMPT_NO.fullmatch(intent.attempt_no):
            raise GatewayFailed("V免签 takes CNY only, by a way to pay that is chosen in the shop")
        price = amount_text(intent.amount_minor, CURRENCY)
        form = {
            "payId": intent.attempt_no,
            "type": number,
            "price": price,
            "param": PARAM,
            "notifyUrl": intent.callback_url,
            "returnUrl": intent.return_url,
            "isHtml": "0",
            "sign": self._signed(intent.attempt_no, PARAM, number, price),
        }
        if self._sign_type == HMAC_SHA256:
            form["signType"] = HMAC_SHA256
        said = await self._ask("createOrder", form)
        if said["code"] != "1":
            raise GatewayFailed(f"V免签 refused: {self._words(said)}")
        return self._begun(intent, said.get("data"))

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a notifyUrl call: signature first, then that it is of this shop, then its form."""
        if request.method != "GET":
            raise Rejected("malformed")
        return self._proved(request.query)

    async def query(self, intent: Intent) -> Notice | None:
        """Ask what became of an order, and believe that it was paid only with a signature: that of the address to which the
        server sends a buyer who has paid.
        """
        if not intent.gateway_ref:
            return None
        said = await self._ask("getOrder", {"orderId": intent.gateway_ref})
        data = said.get("data")
        if said["code"] != "1" or not isinstance(data, dict):
            if "不存在" in str(said.get("msg", "")):
                return None
            raise GatewayFailed(f"V免签 refused the query: {self._words(said)}")
        if data.get("payId") != intent.attempt_no:
            raise GatewayFailed("V免签 answered about another order")
        if state := STATES.get(str(data.get("state"))):
            return Notice(state=state, attempt_no=intent.attempt_no)
        said = await self._ask("checkOrder", {"orderId": intent.gateway_ref})
        try:
            notice = self._proved(urlsplit(str(said.get("data", ""))).query.encode())
        except (Rejected, ValueError):
            raise GatewayFailed("V免签 says that it was paid, but does not sign it") from None
        if notice.attempt_no != intent.attempt_no:
            raise GatewayFailed("V免签 answered about another order")
        return notice

    async def test(self) -> list[Finding]:
        """Ask how the watching phone is: that wants the key, and no money comes without the phone."""
        now = str(self._clock.now())
        try:
            said = await self._ask("getState", {"t": now, "sign": self._signed(now)})
        except GatewayFailed as failed:
            return [Finding(subject=_("Gateway answers"), is_ok=False, advice=failed.problem)]
        answers = Finding(subject=_("Gateway answers"), is_ok=True)
        data = said.get("data")
        if said["code"] != "1" or not isinstance(data, dict):
            wrong = Finding(
                subject=_("Communication key (通讯密钥)"), is_ok=False, advice=_("Copy the key and the kind of signature again.")
            )
            return [answers, wrong, Finding(subject=_("The gateway says"), is_ok=False, advice=self._words(said))]
        is_watching = str(data.get("jkstate")) == "1"
        advice = _("The phone that watches for payments is offline: open the V免签 app on it and let it run in the background.")
        return [
            answers,
            Finding(subject=_("Communication key (通讯密钥)"), is_ok=True),
            Finding(subject=_("The watching phone"), is_ok=is_watching, advice="" if is_watching else advice),
        ]

    def _begun(self, intent: Intent, data: Any) -> Begun:
        """How the order is paid. Raises GatewayFailed, unclear: the server has it."""
        try:
            kind = account.TYPES[intent.method]
            if data["payId"] != intent.attempt_no or data.get("payType", kind) != kind:
                raise ValueError("order")
            price, really = minor_units(data["price"], CURRENCY), minor_units(data["reallyPrice"], CURRENCY)
            if price != intent.amount_minor or really <= 0 or abs(price - really) > MOST_OFFSET:
                raise ValueError("amount")
            code, order_id = data["payUrl"], data["orderId"]
            if not (0 < len(code) <= 1024 and code.isprintable() and _ORDER_ID.fullmatch(order_id)):
                raise ValueError("way to pay")
        except (KeyError, TypeError, AttributeError, ValueError):
            raise GatewayFailed("V免签 took the order but answered with something else", is_unclear=True) from None
        page = f"{self._base}payPage/pay.html?{urlencode({'orderId': order_id})}"
        return Begun(
            kind="qr",
            qr=code,
            url=code if is_web_address(code) else page,
            gateway_ref=order_id,
            coin=CURRENCY,
            coin_amount=amount_text(really, CURRENCY),  # also when it is the price: whoever types it must not round it
            expires_at=_deadline(data.get("date"), data.get("timeOut")),
        )

    def _proved(self, query: bytes) -> Notice:
        """What signed fields say. Raises Rejected."""
        fields = form_fields(query)
        told = {name: fields.get(name, "") for name in ("payId", "param", "type", "price", "reallyPrice")}
        if not is_same(fields.get("sign", ""), self._signed(*told.values())):
            raise Rejected("signature")
        if told["param"] != PARAM:
            raise Rejected("merchant")
        if not _ATTEMPT_NO.fullmatch(told["payId"]) or told["type"] not in METHODS:
            raise Rejected("malformed")
        try:
            price, really = minor_units(told["price"], CURRENCY), minor_units(told["reallyPrice"], CURRENCY)
        except ValueError:
            raise Rejected("amount") from None
        if not (price > 0 and really > 0 and abs(price - really) <= MOST_OFFSET):
            raise Rejected("amount")
        return Notice(
            state="paid",
            attempt_no=told["payId"],
            gateway_txn=told["payId"],  # the server names no other number, and takes each of ours once
            amount_minor=price,
            currency=CURRENCY,
            method=METHODS[told["type"]],
            coin=CURRENCY,
            coin_amount=amount_text(really, CURRENCY),
        )

    def _signed(self, *values: str) -> str:
        return sign(self._sign_type, self._key, *values)

    async def _ask(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """One JSON object from the server, its numbers as text, with a `code`. Raises GatewayFailed."""
        try:
            reply = await self._http.post(self._base + path, form=form)
            if reply.status != 200:
                raise GatewayFailed(f"V免签 answered with HTTP {reply.status}", is_unclear=reply.status >= 500)
            said = reply.json()
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None
        if not isinstance(said, dict) or not isinstance(said.get("code"), str):
            raise GatewayFailed("the answer has no code", is_unclear=True)
        return said

    def _words(self, said: Mapping[str, Any]) -> str:
        return scrubbed(f"{said.get('msg', '')} ({said['code']})", self._key)


def _deadline(date: object, minutes: object) -> int:
    """When the server closes an order, in milliseconds; 0 when it does not say."""
    if not (isinstance(date, str) and isinstance(minutes, str) and date.isdigit() and minutes.isdigit()):
        return 0
    if len(date) > 13 or len(minutes) > 5:
        return 0
    began = int(date) if int(date) > _MILLISECONDS_SINCE else int(date) * SECOND
    return began + int(minutes) * MINUTE


VMQ = GatewayType(
    type="vmq",
    label=_("V免签"),
    methods=account.METHODS,
    currencies=(CURRENCY,),
    options=account.OPTIONS,
    make=VmqGateway,
)
