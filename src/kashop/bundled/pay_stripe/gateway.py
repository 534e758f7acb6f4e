"""One Stripe account: sends buyers to Checkout, proves webhooks, asks, closes, refunds and states.

Always true: amount and currency are those of Stripe's own objects; every change is asked for under a number of ours as its
idempotency key; a refund is looked up before it is asked for again by a key that Stripe may have forgotten.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_stripe import events, options, selftest, signing, statement, units, words
from kashop.bundled.pay_stripe.client import StripeApi, StripeRefused
from kashop.plugins.api import (
    DAY,
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
    Notice,
    RefundAsk,
    RefundWord,
    Rejected,
    StatementLine,
    _,
)

SHORTEST, LONGEST = 32 * MINUTE, DAY - MINUTE
"""Stripe's own bounds of a session are 30 minutes and 24 hours; a little stays for the way there."""
KEYS_LAST = 20 * HOUR
"""Stripe forgets idempotency keys after a day."""
_LOCALES = {"zh_Hans": "zh", "zh_Hant": "zh-TW", "zh": "zh", "en": "en"}
_METHODS = {"alipay": "alipay", "wxpay": "wechat_pay"}
_UNDONE = (400, 402, 404)
"""Statuses with which a refund is refused for good; others (key, rate) may pass."""


class StripeGateway:
    """Keeps the Gateway protocol over Stripe Checkout."""

    accepted = Answer(body=b"ok")
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, given: Mapping[str, str], ctx: Context):
        self._account = options.checked(given)
        self._ctx = ctx
        self._api = StripeApi(self._account, ctx)
        self._payments = events.Payments(self._api, ctx)

    async def begin(self, intent: Intent) -> Begun:
        """Make a session, or get the one of this attempt again; the buyer goes to Stripe's page."""
        said = await self._api.post("checkout/sessions", _session(intent), key=intent.attempt_no)
        url, expires = said.get("url"), str(said.get("expires_at"))
        if not isinstance(url, str) or not options.is_address(url.partition("#")[0].partition("?")[0]) or not expires.isdecimal():
            raise GatewayFailed("Stripe took the order but gave no way to pay it", is_unclear=True)
        try:
            ref = words.id_of(said)
        except ValueError:
            raise GatewayFailed("Stripe took the order but did not name it", is_unclear=True) from None
        return Begun(kind="redirect", url=url, gateway_ref=ref, expires_at=int(expires) * 1000)

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a webhook: its signature first, then mode and account, then what it says."""
        if request.method != "POST":
            raise Rejected("malformed")
        now = request.received_at or self._ctx.clock.now()
        signing.prove(request.headers.get("stripe-signature", ""), request.body, self._account.webhook_secret, now=now)
        return events.read(request.body, self._payments, is_live=self._account.is_live)

    async def query(self, intent: Intent) -> Notice | None:
        """Ask for the session; None when Stripe does not know it."""
        if not intent.gateway_ref:
            return None
        try:
            said = await self._api.get(f"checkout/sessions/{intent.gateway_ref}")
        except StripeRefused as no:
            if no.status == 404:
                return None
            raise
        if said.get("client_reference_id") != intent.attempt_no or said.get("livemode") is not self._account.is_live:
            raise GatewayFailed("Stripe answered about another session", is_unclear=True)
        try:
            notice = words.session_notice(said, intent.attempt_no)
        except ValueError as error:
            raise GatewayFailed(f"Stripe answered with a malformed {error}", is_unclear=True) from None
        if notice.state == "paid":
            self._payments.keep(notice.gateway_txn, intent.attempt_no)
        return notice

    async def close(self, intent: Intent) -> None:
        """Expire the session, so that nobody can pay it any more."""
        if not intent.gateway_ref:
            return
        try:
            said = await self._api.post(f"checkout/sessions/{intent.gateway_ref}/expire", {})
        except StripeRefused as no:
            if no.status not in (400, 404):
                raise
            notice = await self.query(intent)
            if notice is None or notice.state == "closed":
                return
            raise GatewayFailed(f"the session is not open any more: {notice.state}") from None
        if said.get("status") != "expired":
            raise GatewayFailed("Stripe did not say that it expired the session", is_unclear=True)

    async def refund(self, ask: RefundAsk) -> RefundWord:
        """Send money back, once for each of our numbers."""
        if self._ctx.clock.now() - ask.asked_at > KEYS_LAST and (known := await self.query_refund(ask)):
            return known
        try:
            said = await self._api.post("refunds", _refund(ask), key=ask.refund_no)
        except StripeRefused as no:
            if no.status not in _UNDONE or no.type == "idempotency_error":
                raise
            if no.code == "charge_already_refunded" and (known := await self.query_refund(ask)):
                return known
            return RefundWord(state="failed", refund_no=ask.refund_no, problem=no.problem)
        return _refund_word(said)

    async def query_refund(self, ask: RefundAsk) -> RefundWord | None:
        """Look among the payment's refunds for the one with our number."""
        async for refund in self._api.each("refunds", {"payment_intent": ask.gateway_txn}):
            word = _refund_word(refund)
            if word.refund_no == ask.refund_no:
                return word
        return None

    async def statement(self, day: dt.date) -> list[StatementLine] | None:
        """A day's balance transactions."""
        return await statement.of_day(day, self._api, self._payments, now=self._ctx.clock.now())

    async def test(self) -> list[Finding]:
        """Key, mode and webhook endpoint."""
        return await selftest.findings(self._api, self._ctx.base_url)


def _session(intent: Intent) -> dict[str, Any]:
    """What is asked for an attempt: the same whenever it is asked, as an idempotency key demands. Raises GatewayFailed."""
    try:
        amount = units.sent(intent.amount_minor, intent.currency)
    except ValueError as error:
        raise GatewayFailed(f"{intent.currency}: {error}") from None
    back = f"{intent.return_url}{'&' if '?' in intent.return_url else '?'}attempt={intent.attempt_no}"
    until = min(max(intent.expires_at, intent.created_at + SHORTEST), intent.created_at + LONGEST)
    name = " ".join("".join(c if c.isprintable() else " " for c in intent.title).split())[:250] or intent.attempt_no
    price = {"currency": intent.currency.lower(), "unit_amount": amount, "product_data": {"name": name}}
    marks = {words.ATTEMPT: intent.attempt_no}
    params: dict[str, Any] = {
        "mode": "payment",
        "client_reference_id": intent.attempt_no,
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": back,
        "cancel_url": back,
        "expires_at": until // 1000,
        "locale": _LOCALES.get(intent.locale, "auto"),
        "metadata": marks,
        "payment_intent_data": {"metadata": marks},
    }
    if method := _METHODS.get(intent.method):
        params["allowed_payment_method_types"] = [method]
    if method == "wechat_pay":
        params["payment_method_options"] = {"wechat_pay": {"client": "web"}}
    return params


def _refund(ask: RefundAsk) -> dict[str, Any]:
    """Raises GatewayFailed."""
    try:
        amount = units.sent(ask.amount_minor, ask.currency)
    except ValueError as error:
        raise GatewayFailed(f"{ask.currency}: {error}") from None
    marks = {words.ATTEMPT: ask.payment.attempt_no, words.REFUND: ask.refund_no}
    return {"payment_intent": ask.gateway_txn, "amount": amount, "reason": "requested_by_customer", "metadata": marks}


def _refund_word(said: Mapping[str, Any]) -> RefundWord:
    try:
        return words.refund_word(said)
    except ValueError:
        raise GatewayFailed("Stripe answered with a malformed refund", is_unclear=True) from None


STRIPE = GatewayType(
    type="stripe",
    label=_("Stripe"),
    methods=options.METHODS,
    currencies=(),
    options=options.OPTIONS,
    make=StripeGateway,
    refunds="any",
    closes=True,
    states=True,
    statement_zone="UTC",
)
