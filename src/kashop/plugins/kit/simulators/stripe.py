"""A simulated Stripe, from the sheet: Checkout Sessions with idempotency keys, webhooks, refunds, balance transactions.

It judges requests as Stripe does: the Bearer key, one result for each idempotency key, known fields only, amounts in minor units,
sessions of half an hour to a day. A refund is called back about too.
"""

import hashlib
import hmac
import json
import re
import threading
from typing import Any, ClassVar

from kashop.plugins.kit.simulator import Simulator, tell
from kashop.plugins.kit.vendorwords import Answered, Asked, How, Payment, Refunded, Told

API_VERSION = "2026-10-28.endive"
ZERO = {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"}
EVENTS = ("completed", "async_payment_succeeded", "async_payment_failed", "expired")
SUBSCRIBED = [
    *(f"checkout.session.{name}" for name in EVENTS),
    *("refund.created", "refund.updated", "refund.failed", "charge.refunded", "charge.dispute.created"),
]
FIELDS = {
    *("mode", "client_reference_id", "line_items", "success_url", "cancel_url", "expires_at", "locale", "metadata"),
    *("payment_intent_data", "customer_email", "allowed_payment_method_types", "payment_method_options", "ui_mode"),
}
REFUND_STATES = {"done": "succeeded", "pending": "pending", "failed": "failed"}
LOCALES = {"auto", "zh", "zh-HK", "zh-TW", "en"}


class StripeSimulator(Simulator):
    """Stripe in test mode."""

    name = "stripe"
    gateway_type = "stripe"
    method = "card"
    currency = "USD"
    key = "sk_test_simulated0001"
    webhook_secret = "whsec_simulated0001"  # noqa: S105 - nobody's secret
    webhook_url = ""
    """The endpoint as the merchant set it up; empty: beside the return address of the newest session."""
    routes: ClassVar[dict[tuple[str, str], str]] = {
        ("POST", "/v1/checkout/sessions"): "create",
        ("GET", "/v1/checkout/sessions/{id}"): "retrieve",
        ("POST", "/v1/checkout/sessions/{id}/expire"): "expire",
        ("POST", "/v1/refunds"): "refund",
        ("GET", "/v1/refunds"): "refunds_of",
        ("GET", "/v1/refunds/{id}"): "retrieve_refund",
        ("GET", "/v1/payment_intents/{id}"): "payment_intent",
        ("GET", "/v1/balance_transactions"): "balance",
        ("GET", "/v1/account"): "account",
        ("GET", "/v1/webhook_endpoints"): "endpoints",
    }

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port=port)
        self._kept: dict[str, tuple[bytes, Answered]] = {}
        """Idempotency key → digest of the request, answer."""

    def options(self) -> dict[str, str]:
        """Options of an account that works with this vendor."""
        return {"secret_key": self.key, "webhook_secret": self.webhook_secret, "api_url": self.url.rstrip("/")}

    def decimal(self, amount: str) -> str:
        """Minor units as decimal text."""
        return f"{amount.rjust(3, '0')[:-2]}.{amount.rjust(3, '0')[-2:]}"

    # Events

    def notification(self, payment: Payment, how: How) -> Told:
        """An event about the session (sheet §4)."""
        kind = {"paid": "completed", "closed": "expired", "failed": "async_payment_failed"}.get(how.state, "completed")
        session = self.session(payment)
        if how.forge:
            amount = how.amount or payment.amount
            paid = {
                "status": "complete",
                "payment_status": "paid",
                "payment_intent": how.txn or "pi_forged",
                "amount_total": int(amount),
            }
            session |= paid
        return self.event(payment, f"checkout.session.{kind}", session, how.forge)

    def event(self, payment: Payment, kind: str, thing: dict[str, Any], forge: str = "") -> Told:
        """A signed event."""
        said: dict[str, Any] = {
            "id": self.number("evt_"),
            "object": "event",
            "api_version": API_VERSION,
            "created": int(self.clock()),
            "livemode": False,
            "type": kind,
            "data": {"object": thing},
        }
        if forge == "merchant":
            said["account"] = "acct_9999"
        body = json.dumps(said).encode()
        t = str(int(self.clock()))
        secret = "whsec_another" if forge == "key" else self.webhook_secret
        signature = hmac.new(secret.encode(), f"{t}.".encode() + body, hashlib.sha256).hexdigest()
        if forge == "signature":
            signature = signature[::-1]
        if forge == "amount":
            body = re.sub(rb'"amount_total": \d+', b'"amount_total": 99999999', body)
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": f"t={t},v1={signature},v0={'0' * 64}"}
        return Told("POST", payment.notify_url, headers, body)

    def dispute(self, number: str) -> int:
        """The buyer's bank takes the money back; what the shop answered."""
        payment = self.find(number)
        thing = {
            "id": self.number("du_"),
            "object": "dispute",
            "amount": int(payment.paid_amount),
            "currency": payment.currency.lower(),
            "payment_intent": payment.txn,
            "charge": charge_id(payment),
            "reason": "fraudulent",
            "status": "needs_response",
            "metadata": {},
        }
        return tell(self.event(payment, "charge.dispute.created", thing)).status

    def refund_outside(self, number: str, amount: str) -> Refunded:
        """The merchant refunds in the Dashboard, where nobody writes our marks; the shop is told in the background."""
        payment = self.find(number)
        refunded = Refunded(refund_no="", ref=self.number("re_"), amount=amount)
        with self.lock:
            payment.refunds.append(refunded)
        return refunded

    def tell_refund(self, payment: Payment, refunded: Refunded, kind: str = "refund.created") -> int:
        """Call back about a refund; what the shop answered."""
        return tell(self.event(payment, kind, self.refund_object(payment, refunded))).status

    # Requests

    def create(self, asked: Asked) -> Answered:
        """POST /v1/checkout/sessions."""
        return self._once(asked, self._create)

    def _create(self, asked: Asked) -> Answered:
        fields = nested(asked.form)
        problem = self._wrong(fields)
        if problem:
            return refused(problem)
        price = fields["line_items"]["0"]["price_data"]
        ref = f"cs_test_{self.number()}"
        back = fields["success_url"].partition("?")[0]
        payment = Payment(
            ref=ref,
            attempt_no=fields["client_reference_id"],
            amount=str(int(price["unit_amount"]) * int(fields["line_items"]["0"]["quantity"])),
            currency=price["currency"].upper(),
            notify_url=self.webhook_url or f"{back.rpartition('/')[0]}/callback",
            return_url=fields["success_url"].replace("{CHECKOUT_SESSION_ID}", ref),
            request=fields,
        )
        with self.lock:
            self.payments[ref] = payment
        return Answered.json(self.session(payment))

    def _wrong(self, fields: dict[str, Any]) -> str:
        """What Stripe refuses in a session's fields (sheet §2, §3)."""
        price = fields.get("line_items", {}).get("0", {}).get("price_data", {})
        if unknown := fields.keys() - FIELDS:
            return f"Received unknown parameter: {sorted(unknown)[0]}"
        if fields.get("mode") != "payment" or not fields.get("success_url") or not price.get("product_data", {}).get("name"):
            return "Missing required param."
        if not re.fullmatch(r"[a-z]{3}", price.get("currency", "")) or not re.fullmatch(
            r"[0-9]{1,8}", price.get("unit_amount", "")
        ):
            return "Invalid currency or integer."
        if int(price["unit_amount"]) < (50 if price["currency"] not in ZERO else 1):
            return "The Checkout Session's total amount must convert to at least 50 cents."
        if len(fields.get("client_reference_id", "")) > 200 or fields.get("locale", "auto") not in LOCALES:
            return "Invalid client_reference_id or locale."
        ahead = int(fields.get("expires_at") or self.clock() + 86_400) - self.clock()
        if not 1800 <= ahead <= 86_400:
            return "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."
        return ""

    def retrieve(self, asked: Asked) -> Answered:
        """GET /v1/checkout/sessions/{id}."""
        if no := self._denied(asked):
            return no
        payment = self.payments.get(asked.params["id"])
        return Answered.json(self.session(payment)) if payment else missing("checkout.session")

    def expire(self, asked: Asked) -> Answered:
        """POST /v1/checkout/sessions/{id}/expire: only while it is open."""
        if no := self._denied(asked):
            return no
        payment = self.payments.get(asked.params["id"])
        if payment is None:
            return missing("checkout.session")
        with self.lock:
            if payment.state != "open":
                return refused('Only Checkout Sessions with a status in ["open"] can be expired.')
            payment.state = "closed"
        return Answered.json(self.session(payment))

    def refund(self, asked: Asked) -> Answered:
        """POST /v1/refunds."""
        return self._once(asked, self._refund)

    def _refund(self, asked: Asked) -> Answered:
        fields = nested(asked.form)
        payment = self._by_intent(fields.get("payment_intent", ""))
        if payment is None:
            return missing("payment_intent")
        with self.lock:
            left = int(payment.paid_amount) - sum(int(r.amount) for r in payment.refunds if r.state != "failed")
            amount = int(fields.get("amount") or left)
            if left == 0:
                return refused("Charge has already been refunded.", code="charge_already_refunded")
            if not 0 < amount <= left:
                return refused("Refund amount is greater than unrefunded amount on charge.")
            refunded = Refunded(asked.headers.get("idempotency-key", ""), self.number("re_"), str(amount), self.refund_state)
            payment.refunds.append(refunded)
            payment.request.setdefault("refund_metadata", {})[refunded.ref] = fields.get("metadata", {})
        later = threading.Timer(0.1, self.tell_refund, [payment, refunded])
        later.daemon = True
        later.start()
        return Answered.json(self.refund_object(payment, refunded))

    def refunds_of(self, asked: Asked) -> Answered:
        """GET /v1/refunds?payment_intent=."""
        payment = self._by_intent(asked.query.get("payment_intent", ""))
        with self.lock:
            rows = [self.refund_object(payment, r) for r in payment.refunds][::-1] if payment else []
        return self._denied(asked) or listed(asked, rows)

    def retrieve_refund(self, asked: Asked) -> Answered:
        """GET /v1/refunds/{id}."""
        with self.lock:
            found = [(p, r) for p in self.payments.values() for r in p.refunds if r.ref == asked.params["id"]]
        return self._denied(asked) or (Answered.json(self.refund_object(*found[0])) if found else missing("refund"))

    def payment_intent(self, asked: Asked) -> Answered:
        """GET /v1/payment_intents/{id}."""
        payment = self._by_intent(asked.params["id"])
        if payment is None:
            return self._denied(asked) or missing("payment_intent")
        metadata = payment.request.get("payment_intent_data", {}).get("metadata", {})
        return self._denied(asked) or Answered.json({"id": payment.txn, "object": "payment_intent", "metadata": metadata})

    def balance(self, asked: Asked) -> Answered:
        """GET /v1/balance_transactions, with expand[]=data.source."""
        first, end = int(asked.query.get("created[gte]") or 0), int(asked.query.get("created[lt]") or 2**40)
        with self.lock:
            rows = [row for p in self.payments.values() for row in self._balance_rows(p) if first <= row["created"] < end]
        rows.sort(key=lambda row: (row["created"], row["type"] == "refund"), reverse=True)
        return self._denied(asked) or listed(asked, rows)

    def account(self, asked: Asked) -> Answered:
        """GET /v1/account."""
        said = {"id": "acct_1001", "object": "account", "charges_enabled": True, "default_currency": self.currency.lower()}
        return self._denied(asked) or Answered.json(said)

    def endpoints(self, asked: Asked) -> Answered:
        """GET /v1/webhook_endpoints."""
        with self.lock:
            newest = next(reversed(self.payments.values()), None)
        url = self.webhook_url or (newest.notify_url if newest else f"http://127.0.0.1:8000/pay/sim-{self.name}/callback")
        row = {"id": "we_1", "object": "webhook_endpoint", "url": url, "status": "enabled", "enabled_events": SUBSCRIBED}
        return self._denied(asked) or listed(asked, [row])

    # Objects

    def session(self, payment: Payment) -> dict[str, Any]:
        """A Checkout Session (sheet §2)."""
        if payment.state == "open" and int(payment.request.get("expires_at") or 2**40) <= self.clock():
            payment.state = "closed"
        is_paid = payment.state == "paid"
        amount = payment.paid_amount if is_paid else payment.amount
        return {
            "id": payment.ref,
            "object": "checkout.session",
            "livemode": False,
            "url": None if payment.state != "open" else self.cashier(payment),
            "status": {"paid": "complete", "closed": "expired"}.get(payment.state, "open"),
            "payment_status": "paid" if is_paid else "unpaid",
            "amount_total": int(amount),
            "currency": payment.currency.lower(),
            "payment_intent": payment.txn if is_paid else None,
            "client_reference_id": payment.attempt_no,
            "metadata": payment.request.get("metadata", {}),
            "expires_at": int(payment.request.get("expires_at") or 0),
        }

    def refund_object(self, payment: Payment, refunded: Refunded) -> dict[str, Any]:
        """A Refund (sheet §5)."""
        return {
            "id": refunded.ref,
            "object": "refund",
            "amount": int(refunded.amount),
            "currency": payment.currency.lower(),
            "status": REFUND_STATES[refunded.state],
            "failure_reason": "insufficient_funds" if refunded.state == "failed" else None,
            "payment_intent": payment.txn,
            "charge": charge_id(payment),
            "metadata": payment.request.get("refund_metadata", {}).get(refunded.ref, {}),
        }

    def _balance_rows(self, payment: Payment) -> list[dict[str, Any]]:
        if payment.state != "paid":
            return []
        amount, currency = int(payment.paid_amount), payment.currency.lower()
        metadata = payment.request.get("payment_intent_data", {}).get("metadata", {})
        charge = {
            "id": charge_id(payment),
            "object": "charge",
            "amount": amount,
            "currency": currency,
            "payment_intent": payment.txn,
            "metadata": metadata,
        }
        at = int(payment.paid_at)
        fee = amount * 29 // 1000 + 30
        row = {"object": "balance_transaction", "currency": currency, "created": at}
        rows = [{**row, "id": f"txn_{payment.txn}", "type": "charge", "amount": amount, "fee": fee, "source": charge}]
        for done in payment.refunds:
            told = {"id": f"txn_{done.ref}", "type": "refund", "amount": -int(done.amount), "fee": 0}
            rows.append({**row, **told, "source": self.refund_object(payment, done)})
        return rows

    # Doors

    def _by_intent(self, txn: str) -> Payment | None:
        with self.lock:
            return next((p for p in self.payments.values() if p.txn and p.txn == txn), None)

    def _denied(self, asked: Asked) -> Answered | None:
        if asked.headers.get("authorization") == f"Bearer {self.key}":
            return None
        return refused("Invalid API Key provided: sk_test_****", status=401)

    def _once(self, asked: Asked, verb: Any) -> Answered:
        """One result for each idempotency key; another request with it is an error (sheet §1)."""
        if no := self._denied(asked):
            return no
        if asked.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            return refused("The request must be form-encoded.")
        key = asked.headers.get("idempotency-key", "")
        digest = hashlib.sha256(asked.path.encode() + b"\0" + asked.body).digest()
        with self.lock:
            kept = self._kept.get(key) if key else None
            if kept is None:
                answer: Answered = verb(asked)
                if key:
                    self._kept[key] = (digest, answer)
                return answer
        if kept[0] != digest:
            return refused("Keys for idempotent requests can only be used with the same parameters.", kind="idempotency_error")
        return kept[1]


def charge_id(payment: Payment) -> str:
    """The id of a payment's charge."""
    return f"ch_{payment.txn}"


def nested(form: dict[str, str]) -> dict[str, Any]:
    """Bracket names as nested values: `a[0][b]=c` is {"a": {"0": {"b": "c"}}}."""
    tree: dict[str, Any] = {}
    for name, value in form.items():
        *places, last = re.findall(r"[^\[\]]+", name)
        inner = tree
        for place in places:
            inner = inner.setdefault(place, {})
        inner[last] = value
    return tree


def listed(asked: Asked, rows: list[dict[str, Any]]) -> Answered:
    """A page of a list: limit, starting_after (sheet §6)."""
    most = min(int(asked.query.get("limit") or 10), 100)
    after = asked.query.get("starting_after")
    ids = [row["id"] for row in rows]
    first = ids.index(after) + 1 if after in ids else 0
    return Answered.json(
        {"object": "list", "url": asked.path, "data": rows[first : first + most], "has_more": len(rows) > first + most}
    )


def refused(message: str, *, status: int = 400, kind: str = "invalid_request_error", code: str = "") -> Answered:
    """An error as Stripe writes it."""
    error = {"type": kind, "message": message, **({"code": code} if code else {})}
    return Answered.json({"error": error}, status)


def missing(what: str) -> Answered:
    """404."""
    return refused(f"No such {what}", status=404, code="resource_missing")


SIMULATORS = (StripeSimulator,)
