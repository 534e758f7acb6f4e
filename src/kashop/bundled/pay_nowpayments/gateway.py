"""One NOWPayments account: an address and an exact amount shown in the shop, or their own page where the buyer chooses.

Always true: they are asked by https, or on this machine, so that what a payment is read to say pays like a signed notification.
By their own page the payment has no number before the buyer chose, and cannot be asked for.
"""

import re
from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_nowpayments import options as account
from kashop.bundled.pay_nowpayments import signing, words
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
    Number,
    Rejected,
    _,
    amount_text,
    is_web_address,
    json_object,
    scrubbed,
)

LIMIT = 256 * 1024
_ADDRESS = re.compile(r"[!-~]{8,256}", re.ASCII)
_NETWORK = re.compile(r"[0-9A-Za-z_.-]{1,32}", re.ASCII)


class Refused(GatewayFailed):
    """They said no, by an HTTP status."""

    def __init__(self, problem: str, status: int):
        super().__init__(problem)
        self.status = status


class NowpaymentsGateway:
    """Keeps the Gateway protocol. They refund by hand only."""

    accepted = Answer(body=b"ok")
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self._base = account.checked(options)
        self._key = options["key"]
        self._secret = options["ipn_secret"]
        self._asset = options["asset"]
        self._http = ctx.http

    async def begin(self, intent: Intent) -> Begun:
        """Ask for an address, or for a page where the buyer chooses."""
        order = {
            "price_amount": Number(amount_text(intent.amount_minor, intent.currency)),
            "price_currency": intent.currency.lower(),
            "order_id": intent.attempt_no,
            "order_description": intent.attempt_no,
            "ipn_callback_url": intent.callback_url,
        }
        if self._asset == account.CHOOSE:
            said = await self._post("invoice", {**order, "success_url": intent.return_url, "cancel_url": intent.return_url})
            if not is_web_address(said.get("invoice_url")):
                raise GatewayFailed("they took the order but gave no page to pay it on", is_unclear=True)
            return Begun(kind="redirect", url=str(said["invoice_url"]))
        said = await self._post("payment", {**order, "pay_currency": self._asset})
        try:
            return self._begun(intent, said)
        except ValueError as error:
            raise GatewayFailed(f"they took the order, but the answer is malformed: {error}", is_unclear=True) from None

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a notification: signature first, then form."""
        if request.method != "POST":
            raise Rejected("malformed")
        fields = json_object(request.body)
        if not signing.is_signed(fields, request.headers.get("x-nowpayments-sig", ""), self._secret):
            raise Rejected("signature")
        try:
            return words.notice(fields)
        except ValueError as error:
            raise Rejected(str(error)) from None

    async def query(self, intent: Intent) -> Notice | None:
        """Read the payment."""
        if not intent.gateway_ref:
            return None
        try:
            said = await self._get(f"payment/{intent.gateway_ref}")
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        try:
            if words.attempt_of(said) != intent.attempt_no or words.payment_of(said) != intent.gateway_ref:
                raise GatewayFailed("they answered about another payment")
            return words.notice(said)
        except ValueError as error:
            raise GatewayFailed(f"they answered with a malformed {error}", is_unclear=True) from None

    async def test(self) -> list[Finding]:
        """Ask for the coins that the key may take. That the IPN secret is right only a notification shows."""
        try:
            said = await self._get("currencies")
        except Refused as refused:
            return [
                Finding(subject=_("Server answers"), is_ok=True),
                Finding(subject=_("API key"), is_ok=False, advice=refused.problem),
            ]
        except GatewayFailed as failed:
            return [Finding(subject=_("Server answers"), is_ok=False, advice=failed.problem)]
        found = [Finding(subject=_("Server answers"), is_ok=True), Finding(subject=_("API key"), is_ok=True)]
        if self._asset == account.CHOOSE:
            return found
        told = said.get("currencies")
        is_taken = isinstance(told, list) and self._asset in [str(coin).lower() for coin in told]
        advice = "" if is_taken else _("They do not know this coin: look it up in their list of coins.")
        return [*found, Finding(subject=_("Coin and network"), is_ok=is_taken, advice=advice)]

    def _begun(self, intent: Intent, said: Mapping[str, Any]) -> Begun:
        address, network, memo = said.get("pay_address"), str(said.get("network") or ""), said.get("payin_extra_id")
        if words.attempt_of(said) != intent.attempt_no:
            raise ValueError("attempt")
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            raise ValueError("address")
        amount = words.coins(said.get("pay_amount"))
        if not amount:
            raise ValueError("coin")
        fields = {_("Send to this address"): address}
        if _NETWORK.fullmatch(network):
            fields[_("Network")] = network.upper()
        if isinstance(memo, str) and _ADDRESS.fullmatch(memo.rjust(8, "0")):
            fields[_("Memo or tag: the transfer is lost without it")] = memo
        return Begun(
            kind="transfer",
            qr=address,
            fields=fields,
            gateway_ref=words.payment_of(said),
            coin=words.coin_of(said),
            coin_amount=format(amount, "f"),
        )

    async def _post(self, path: str, order: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"x-api-key": self._key, "content-type": "application/json"}
        try:
            body = signing.canonical(order).encode()
            return self._said(await self._http.post(self._base + path, body=body, headers=headers, limit=LIMIT))
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            return self._said(await self._http.get(self._base + path, headers={"x-api-key": self._key}, limit=LIMIT))
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    def _said(self, reply: HttpReply) -> dict[str, Any]:
        if reply.status >= 500 or reply.status < 200 or 300 <= reply.status < 400:
            raise GatewayFailed(f"they answered with HTTP {reply.status}", is_unclear=reply.status >= 500)
        try:
            said = reply.json()
        except HttpFailed:
            if reply.status < 300:
                raise
            raise GatewayFailed(f"they answered with HTTP {reply.status}") from None
        if reply.status >= 400:
            told = said.get("message") if isinstance(said, dict) else ""
            raise Refused(f"they refused: {scrubbed(told or reply.status, self._key, self._secret)}", reply.status)
        if not isinstance(said, dict):
            raise GatewayFailed("the answer is not a JSON object", is_unclear=True)
        return said


NOWPAYMENTS = GatewayType(
    type="nowpayments",
    label=_("NOWPayments"),
    methods=account.METHODS,
    currencies=(),
    options=account.OPTIONS,
    make=NowpaymentsGateway,
)
