"""One PayPal account: sends buyers to approve, captures what they approved, proves webhooks, asks, refunds and states.

Always true: money moves only by our own capture, and none is captured after its order's life or once its attempt was closed; a
callback only hints; amount and currency are those of PayPal's capture.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from kashop.bundled.pay_paypal import certificates, events, options, selftest, signing, statement, words
from kashop.bundled.pay_paypal.client import PayPalApi, PayPalRefused
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
    Intent,
    Notice,
    RefundAsk,
    RefundWord,
    Rejected,
    StatementLine,
    _,
    is_rsa_signed,
)

CAPTURE_GRACE = MINUTE
"""The shop asks once more when an order's time is over, before it ends it."""
KEYS_LAST = HOUR
"""PayPal keeps request ids for hours; beyond that a refund is looked up before it is asked for again."""
_LOCALES = {"zh_Hans": "zh-CN", "zh": "zh-CN", "zh_Hant": "zh-TW", "en": "en-US"}
_UNDONE = (400, 404, 422)
CURRENCIES = (
    *("USD", "EUR", "GBP", "HKD", "TWD", "SGD", "JPY", "AUD", "CAD", "NZD", "CHF", "DKK", "NOK", "SEK", "CZK", "PLN"),
    *("HUF", "ILS", "MXN", "BRL", "MYR", "PHP", "THB"),
)


class PayPalGateway:
    """Keeps the Gateway protocol over Orders v2."""

    accepted = Answer(body=b"ok")
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, given: Mapping[str, str], ctx: Context):
        self._account = options.checked(given)
        self._ctx = ctx
        self._api = PayPalApi(self._account, ctx)
        self._certificates = certificates.Certificates(self._account, ctx)
        self._captures = events.Captures(self._api, ctx)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def begin(self, intent: Intent) -> Begun:
        """Make an order, or get the one of this attempt again; the buyer goes to PayPal's page to approve it."""
        await self._certificates.warm()
        said = await self._api.post("/v2/checkout/orders", _order(intent), request_id=intent.attempt_no)
        links = said.get("links")
        hrefs = (
            {link.get("rel"): link.get("href") for link in links if isinstance(link, Mapping)} if isinstance(links, list) else {}
        )
        url = hrefs.get("payer-action") or hrefs.get("approve")
        try:
            ref = words.id_of(said.get("id"))
        except ValueError:
            ref = ""
        if not ref or not isinstance(url, str) or not options.is_address(url):
            raise GatewayFailed("PayPal took the order but gave no way to pay it", is_unclear=True)
        return Begun(kind="redirect", url=url, gateway_ref=ref)

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a webhook by the certificate that it names; it hints at money, and tells of refunds and disputes."""
        if request.method != "POST":
            raise Rejected("malformed")
        now = request.received_at or self._ctx.clock.now()
        said = signing.sending(request.headers, now=now)
        key = self._certificates.key(said.certificate_url, now=now)
        if not is_rsa_signed(key, said.signature, said.content(self._account.webhook_id, request.body)):
            raise Rejected("signature")
        return events.meaning(*events.event(request.body), self._captures)

    async def query(self, intent: Intent) -> Notice | None:
        """Ask for the order, and capture it when the buyer has approved it; None when PayPal does not know it."""
        if not intent.gateway_ref:
            return None
        await self._certificates.warm()
        async with self._alone(intent):
            order = await self._find(intent)
            if order is None:
                return None
            notice = _read(order, intent)
            if order.get("status") == "APPROVED" and notice.state == "pending":
                notice = await self._capture(intent)
        if notice.state == "paid":
            self._captures.keep(notice.gateway_txn, intent.attempt_no)
        if not self._is_live(intent) and await self._ctx.store.get(_mark(intent)):
            await self._ctx.store.delete(_mark(intent))  # it has done its work
        return notice

    async def close(self, intent: Intent) -> None:
        """Capture it never: PayPal has no way to close an order, and one that is not captured moves no money."""
        if not intent.gateway_ref:
            return
        async with self._alone(intent):
            if self._is_live(intent):
                await self._ctx.store.set(_mark(intent), value=True)
            order = await self._find(intent)
        if order is not None and (_read(order, intent).state == "paid" or words.waits(order)):
            raise GatewayFailed("the order was captured")

    async def refund(self, ask: RefundAsk) -> RefundWord:
        """Send money back, once for each of our numbers."""
        if self._ctx.clock.now() - ask.asked_at > KEYS_LAST and (known := await self.query_refund(ask)):
            return known
        try:
            path = f"/v2/payments/captures/{words.id_of(ask.gateway_txn)}/refund"
            said = await self._api.post(path, _refund(ask), request_id=ask.refund_no)
        except ValueError as error:
            raise GatewayFailed(f"{ask.currency}: {error}") from None
        except PayPalRefused as no:
            if no.status not in _UNDONE:
                raise
            if "CAPTURE_FULLY_REFUNDED" in no.issues and (known := await self.query_refund(ask)):
                return known
            return RefundWord(state="failed", refund_no=ask.refund_no, problem=no.problem)
        return _refund_word(said)

    async def query_refund(self, ask: RefundAsk) -> RefundWord | None:
        """Look among the order's refunds for the one with our number."""
        order = await self._find(ask.payment) if ask.payment.gateway_ref else None
        if order is None:
            raise GatewayFailed("PayPal does not know the order of this payment any more", is_unclear=True)
        try:
            refunds = words.listed(order, "refunds")
        except ValueError:
            raise GatewayFailed("PayPal answered with a malformed order", is_unclear=True) from None
        return next((_refund_word(refund) for refund in refunds if refund.get("invoice_id") == ask.refund_no), None)

    async def statement(self, day: dt.date) -> list[StatementLine] | None:
        """A day of the transaction report."""
        return await statement.of_day(day, self._api, self._captures, now=self._ctx.clock.now())

    async def test(self) -> list[Finding]:
        """Credentials, webhook and reports."""
        return await selftest.findings(self._api, self._account.webhook_id, self._ctx.base_url)

    async def _find(self, intent: Intent) -> dict[str, Any] | None:
        try:
            return await self._api.get(f"/v2/checkout/orders/{intent.gateway_ref}")
        except PayPalRefused as no:
            if no.status == 404:
                return None
            raise

    async def _capture(self, intent: Intent) -> Notice:
        """Take the money of an approved order, while it may still be taken."""
        if not self._is_live(intent) or await self._ctx.store.get(_mark(intent)):
            return Notice(state="closed", attempt_no=intent.attempt_no)
        minute = self._ctx.clock.now() // MINUTE  # a refusal is not kept beyond it: the buyer may have chosen another card
        path, request_id = f"/v2/checkout/orders/{intent.gateway_ref}/capture", f"{intent.attempt_no}-C{minute}"
        try:
            return _read(await self._api.post(path, {}, request_id=request_id), intent)
        except PayPalRefused as no:
            if "ORDER_ALREADY_CAPTURED" in no.issues and (order := await self._find(intent)):
                return _read(order, intent)
            if no.issues & {"ORDER_NOT_APPROVED", "INSTRUMENT_DECLINED"}:
                return Notice(state="pending", attempt_no=intent.attempt_no)
            if "DUPLICATE_INVOICE_ID" in no.issues:  # this attempt was paid by another order of the same number
                return Notice(state="failed", attempt_no=intent.attempt_no)
            raise

    def _alone(self, intent: Intent) -> asyncio.Lock:
        """A lock that no two captures, nor a capture and a closing, of one attempt hold at once in this process."""
        return self._locks.setdefault(intent.attempt_no, asyncio.Lock())

    def _is_live(self, intent: Intent) -> bool:
        return self._ctx.clock.now() <= intent.expires_at + CAPTURE_GRACE


def _mark(intent: Intent) -> str:
    return f"closed/{intent.attempt_no}"


def _read(order: Mapping[str, Any], intent: Intent) -> Notice:
    try:
        return words.order_notice(order, intent.attempt_no)
    except ValueError as error:
        raise GatewayFailed(f"PayPal answered with another or malformed {error}", is_unclear=True) from None


def _refund_word(said: Mapping[str, Any]) -> RefundWord:
    try:
        return words.refund_word(said)
    except ValueError:
        raise GatewayFailed("PayPal answered with a malformed refund", is_unclear=True) from None


def _order(intent: Intent) -> dict[str, Any]:
    """What is asked for an attempt. Raises GatewayFailed."""
    try:
        amount = words.amount_sent(intent.amount_minor, intent.currency)
    except ValueError as error:
        raise GatewayFailed(f"{intent.currency}: {error}") from None
    back = f"{intent.return_url}{'&' if '?' in intent.return_url else '?'}attempt={intent.attempt_no}"
    title = " ".join("".join(c if c.isprintable() else " " for c in intent.title).split())[:127]
    number = intent.attempt_no
    unit = {"reference_id": number, "custom_id": number, "invoice_id": number, "description": title or number, "amount": amount}
    experience = {
        "return_url": back,
        "cancel_url": back,
        "user_action": "PAY_NOW",
        "shipping_preference": "NO_SHIPPING",
        "locale": _LOCALES.get(intent.locale, "en-US"),
    }
    return {
        "intent": "CAPTURE",
        "purchase_units": [unit],
        "payment_source": {"paypal": {"experience_context": experience}},
    }


def _refund(ask: RefundAsk) -> dict[str, Any]:
    amount = words.amount_sent(ask.amount_minor, ask.currency)
    numbers = {"invoice_id": ask.refund_no, "custom_id": ask.payment.attempt_no}
    return {"amount": amount, **numbers, **({"note_to_payer": ask.reason[:255]} if ask.reason else {})}


PAYPAL = GatewayType(
    type="paypal",
    label=_("PayPal"),
    methods=options.METHODS,
    currencies=CURRENCIES,
    options=options.OPTIONS,
    make=PayPalGateway,
    refunds="any",
    closes=True,
    states=True,
    statement_zone="UTC",
)
