"""One store of a BTCPay Server.

Always true: the server is asked by https, or on this machine. A webhook names no amount, so that it is only a hint; what the
invoice says when it is read pays. A refund is a pull payment by our refund's number, which the buyer claims himself.
"""

import datetime as dt
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from kashop.bundled.pay_btcpay import options as account
from kashop.bundled.pay_btcpay import words
from kashop.bundled.pay_btcpay.client import Client, Refused
from kashop.plugins.api import (
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
    amount_text,
    is_same,
    is_web_address,
    json_object,
)

PAGE, MOST_PAGES = 100, 200
T = TypeVar("T")


class BtcpayGateway:
    """Keeps the Gateway protocol, refunds, closes and states."""

    accepted = Answer(body=b"ok")
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self._base = account.checked(options)
        self._store = options["store"]
        self._secret = options["webhook_secret"]
        self._ask = Client(ctx.http, self._base, self._store, options["key"], self._secret)
        self._clock = ctx.clock

    async def begin(self, intent: Intent) -> Begun:
        """The attempt's invoice: that which is there already, or a new one."""
        known = [i for i in await self._of_attempt(intent.attempt_no) if i.get("status") in ("New", "Processing", "Settled")]
        invoice = known[0] if known else await self._ask.post("invoices", self._order(intent))
        link, until = invoice.get("checkoutLink"), str(invoice.get("expirationTime", ""))
        if words.attempt_of(invoice) != intent.attempt_no or not is_web_address(link):
            raise GatewayFailed("the server took the invoice, but its answer is malformed", is_unclear=True)
        expires_at = int(until) * 1000 if until.isdigit() and len(until) < 12 else 0
        return Begun(kind="redirect", url=str(link), gateway_ref=_read(words.identity, invoice), expires_at=expires_at)

    def read_callback(self, request: CallbackRequest) -> Notice:
        """Prove a webhook: signature first, then store, then form. It only hints (btcpay.md §1.2)."""
        if request.method != "POST":
            raise Rejected("malformed")
        mac = hmac.new(self._secret.encode(), request.body, hashlib.sha256).hexdigest()
        if not is_same(request.headers.get("btcpay-sig", ""), f"sha256={mac}"):
            raise Rejected("signature")
        event = json_object(request.body)
        if event.get("storeId") != self._store:
            raise Rejected("merchant")
        metadata = event.get("metadata")
        if not isinstance(metadata, dict) or "orderId" not in metadata:
            return Notice(state="pending", attempt_no="")  # the test from BTCPay's page, or an invoice made there
        number = words.attempt_of(event)
        if not number:
            raise Rejected("attempt")
        return Notice(state="pending", attempt_no=number, is_hint=event.get("type") != "InvoiceCreated")

    async def query(self, intent: Intent) -> Notice | None:
        """Read the invoice; without its number, all that were made for the attempt, and the one that says most."""
        if intent.gateway_ref:
            try:
                found = [await self._ask.store(f"invoices/{intent.gateway_ref}")]
            except Refused as refused:
                if refused.status == 404:
                    return None
                raise
            if not isinstance(found[0], dict) or words.attempt_of(found[0]) != intent.attempt_no:
                raise GatewayFailed("the server answered about another invoice", is_unclear=True)
        else:
            found = await self._of_attempt(intent.attempt_no)
        ranks = ("failed", "closed", "pending", "late", "paid")
        invoice = max(found, key=lambda i: ranks.index(_read(words.state_of, i)), default=None)
        return await self._notice(invoice, intent.attempt_no) if invoice is not None else None

    async def refund(self, ask: RefundAsk) -> RefundWord:
        """Make the pull payment, unless one by that number is there."""
        word = await self.query_refund(ask)
        if word is not None:
            return word
        path = f"invoices/{ask.gateway_txn}"
        way = _read(words.payout_method, await self._ask.store(f"{path}/payment-methods"))
        body = {
            "name": ask.refund_no,
            "description": ask.reason[:200],
            "payoutMethodId": way,
            "paymentMethod": way,  # servers before 2.0
            "refundVariant": "Custom",
            "customAmount": amount_text(ask.amount_minor, ask.currency),
            "customCurrency": ask.currency,
        }
        try:
            pull = await self._ask.post(f"{path}/refund", body)
        except Refused as refused:
            if refused.status in (401, 403):
                raise
            return RefundWord(state="failed", refund_no=ask.refund_no, problem=refused.problem)
        return _read(lambda p: words.refund_word(p, (), ask.refund_no), pull)

    async def query_refund(self, ask: RefundAsk) -> RefundWord | None:
        """Find the pull payment by its name, and what was claimed of it."""
        pulls = await self._ask.store("pull-payments", {"includeArchived": "true"})
        if not isinstance(pulls, list):
            raise GatewayFailed("the answer is not a list", is_unclear=True)
        pull = next((p for p in pulls if isinstance(p, dict) and p.get("name") == ask.refund_no), None)
        if pull is None:
            return None
        payouts = await self._ask.root(f"pull-payments/{_read(words.identity, pull)}/payouts", {"includeCancelled": "false"})
        return _read(lambda p: words.refund_word(p, payouts if isinstance(payouts, list) else (), ask.refund_no), pull)

    async def close(self, intent: Intent) -> None:
        """Mark what nobody has paid as invalid: the nearest that there is. Money that comes all the same is found by asking."""
        for invoice in await self._of_attempt(intent.attempt_no):
            state = _read(words.state_of, invoice)
            if state in ("paid", "late") or invoice.get("status") == "Processing":
                raise GatewayFailed("this invoice was paid")
            if invoice.get("status") == "New":
                if _read(lambda i: words.floored(i.get("paidAmount"), intent.currency), invoice):
                    raise GatewayFailed("this invoice is being paid")
                await self._ask.post(f"invoices/{_read(words.identity, invoice)}/status", {"status": "Invalid"})

    async def statement(self, day: dt.date) -> Sequence[StatementLine] | None:
        """Every invoice of a day (UTC) that money came for; not ready before the day is over."""
        start = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
        if self._clock.now() < (start + 86_400) * 1000:
            return None
        lines = []
        for page in range(MOST_PAGES):
            params = {"startDate": str(start), "endDate": str(start + 86_399), "skip": str(page * PAGE), "take": str(PAGE)}
            rows = await self._invoices(params)
            lines += [_read(words.line, row) for row in rows if _read(words.state_of, row) in ("paid", "late")]
            if len(rows) < PAGE:
                return lines
        raise GatewayFailed("the list of invoices has no end", is_unclear=True)

    async def test(self) -> list[Finding]:
        """Read the key's rights and the store's newest invoice."""
        try:
            await self._invoices({"take": "1"})
        except Refused as refused:
            answers = Finding(subject=_("Server answers"), is_ok=True)
            return [answers, Finding(subject=_("API key and store"), is_ok=False, advice=refused.problem)]
        except GatewayFailed as failed:
            return [Finding(subject=_("Server answers"), is_ok=False, advice=failed.problem)]
        found = [Finding(subject=_("Server answers"), is_ok=True), Finding(subject=_("API key and store"), is_ok=True)]
        return [*found, await self._rights()]

    async def _rights(self) -> Finding:
        try:
            said = await self._ask.root("api-keys/current")
        except GatewayFailed as failed:
            return Finding(subject=_("Rights of the key"), is_ok=False, advice=failed.problem)
        told = said.get("permissions") if isinstance(said, dict) else None
        held = {str(right).partition(":")[0] for right in told or []}
        missing = [] if held & set(account.BROADER) else [right for right in account.PERMISSIONS if right not in held]
        return Finding(subject=_("Rights of the key"), is_ok=not missing, advice=", ".join(missing))

    def _order(self, intent: Intent) -> dict[str, Any]:
        left = max((intent.expires_at - self._clock.now()) // MINUTE, 1)
        return {
            "amount": amount_text(intent.amount_minor, intent.currency),
            "currency": intent.currency,
            "metadata": {"orderId": intent.attempt_no, "itemDesc": intent.title, "orderUrl": intent.return_url},
            "checkout": {
                "expirationMinutes": left,
                "redirectURL": intent.return_url,
                "redirectAutomatically": True,
                "defaultLanguage": "zh-CN" if intent.locale.startswith("zh") else "en",
            },
        }

    async def _of_attempt(self, attempt_no: str) -> list[dict[str, Any]]:
        rows = await self._invoices({"orderId": attempt_no, "take": "20"})
        return [row for row in rows if words.attempt_of(row) == attempt_no]

    async def _invoices(self, params: Mapping[str, str]) -> list[dict[str, Any]]:
        rows = await self._ask.store("invoices", params)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise GatewayFailed("the answer is not a list", is_unclear=True)
        return rows

    async def _notice(self, invoice: Mapping[str, Any], attempt_no: str) -> Notice:
        state = _read(words.state_of, invoice)
        if state == "late":
            number = _read(words.identity, invoice)
            payments = _read(words.payments_of, await self._ask.store(f"invoices/{number}/payment-methods"))
            is_final = bool(payments) and all(payment.get("status") == "Settled" for _way, payment in payments)
            state = "paid" if is_final else "pending"
        if state != "paid":
            return Notice(state=state, attempt_no=attempt_no)
        return _read(lambda i: words.paid(i, attempt_no), invoice)


def _read(reading: Callable[[Any], T], thing: Any) -> T:
    """A reading of the server's words. Raises GatewayFailed for those that cannot be read."""
    try:
        return reading(thing)
    except ValueError as error:
        raise GatewayFailed(f"the server answered with a malformed {error}", is_unclear=True) from None


BTCPAY = GatewayType(
    type="btcpay",
    label=_("BTCPay Server"),
    methods=account.METHODS,
    currencies=(),
    options=account.OPTIONS,
    make=BtcpayGateway,
    refunds="any",
    closes=True,
    states=True,
    states_refunds=False,
    statement_zone="UTC",
)
