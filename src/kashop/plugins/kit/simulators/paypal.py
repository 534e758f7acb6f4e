"""A simulated PayPal, from the sheet: orders that the buyer approves and the shop captures, webhooks signed by a certificate of
its own, refunds, the transaction report.

It judges requests as PayPal does: token, request ids, amounts with the currency's decimals, invoice ids paid once. A capture and
a refund are called back about, too.
"""

import json
import threading
import zlib
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from kashop.plugins.kit.simulator import Simulator, tell
from kashop.plugins.kit.simulators.paypal_papers import Authority, authority, signer, stranger
from kashop.plugins.kit.vendorwords import Answered, Asked, How, Payment, Refunded, Told

WHOLE = {"HUF", "JPY", "TWD"}
EVENTS = [
    *("CHECKOUT.ORDER.APPROVED", "PAYMENT.CAPTURE.COMPLETED", "PAYMENT.CAPTURE.PENDING", "PAYMENT.CAPTURE.DENIED"),
    *("PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REVERSED", "CUSTOMER.DISPUTE.CREATED"),
]
REFUND_STATES = {"done": "COMPLETED", "pending": "PENDING", "failed": "FAILED"}


class PayPalSimulator(Simulator):
    """PayPal. A payment that was paid is approved; the money moves with the capture."""

    name = "paypal"
    gateway_type = "paypal"
    method = "paypal"
    currency = "USD"
    client_id = "SIMULATED-CLIENT-0001"
    secret = "SIMULATED-SECRET-0001"  # noqa: S105 - nobody's secret
    webhook_id = "WHSIMULATED0000001"
    webhook_url = ""
    """The webhook as the merchant set it up; empty: beside the return address of the newest order."""
    capture_state = "COMPLETED"
    """What becomes of the next captures: COMPLETED, PENDING, DECLINED or INSTRUMENT_DECLINED."""
    calls_back_about_captures = True
    routes: ClassVar[dict[tuple[str, str], str]] = {
        ("POST", "/v1/oauth2/token"): "token",
        ("POST", "/v2/checkout/orders"): "create",
        ("GET", "/v2/checkout/orders/{id}"): "order",
        ("POST", "/v2/checkout/orders/{id}/capture"): "capture",
        ("GET", "/v2/payments/captures/{id}"): "capture_of",
        ("POST", "/v2/payments/captures/{id}/refund"): "refund",
        ("GET", "/v2/payments/refunds/{id}"): "refund_of",
        ("GET", "/v1/reporting/transactions"): "report",
        ("GET", "/v1/notifications/webhooks/{id}"): "webhook",
        ("GET", "/v1/notifications/certs/{id}"): "certificate",
    }

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port=port)
        self.authority: Authority = authority()
        self._pem = self.authority.issued(signer().public_key())
        self._tokens: set[str] = set()
        self._kept: dict[str, Answered] = {}
        """Path and request id → answer."""

    def options(self) -> dict[str, str]:
        """Options of an account that works with this vendor."""
        return {
            "client_id": self.client_id,
            "client_secret": self.secret,
            "webhook_id": self.webhook_id,
            "environment": "sandbox",
            "api_url": self.url.rstrip("/"),
            "authority": self.authority.pem,
        }

    # Webhooks

    def notification(self, payment: Payment, how: How) -> Told:
        """The buyer approved, or the money was captured (sheet §6)."""
        with self.lock:
            captured = self.captures(payment)
        if captured and not how.forge:
            return self.event(payment, f"PAYMENT.CAPTURE.{captured[0]['status']}", captured[0])
        return self.event(payment, "CHECKOUT.ORDER.APPROVED", self.order_object(payment), how.forge)

    def event(self, payment: Payment, kind: str, thing: dict[str, Any], forge: str = "") -> Told:
        """A signed event."""
        at = datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = {"id": self.number("WH-"), "event_type": kind, "resource": thing, "create_time": at}
        body = json.dumps(said).encode()
        number = self.number("tid-")
        webhook_id = "WHANOTHER000000001" if forge == "merchant" else self.webhook_id
        key = stranger() if forge == "key" else signer()
        text = f"{number}|{at}|{webhook_id}|{zlib.crc32(body)}"
        signature = b64encode(key.sign(text.encode(), padding.PKCS1v15(), SHA256())).decode()
        if forge == "signature":
            signature = signature[::-1]
        if forge == "amount":
            body = body.replace(payment.amount.encode(), b"99999.00")
        headers = {
            "Content-Type": "application/json",
            "PayPal-Transmission-Id": number,
            "PayPal-Transmission-Time": at,
            "PayPal-Transmission-Sig": signature,
            "PayPal-Cert-Url": f"{self.url}v1/notifications/certs/CERT-simulated",
            "PayPal-Auth-Algo": "SHA256withRSA",
        }
        return Told("POST", payment.notify_url, headers, body)

    def announce(self, payment: Payment, kind: str, thing: dict[str, Any]) -> int:
        """Call back now; what the shop answered."""
        return tell(self.event(payment, kind, thing)).status

    def dispute(self, number: str) -> int:
        """The buyer complains; what the shop answered."""
        payment = self.find(number)
        row = {"seller_transaction_id": payment.txn, "invoice_number": payment.attempt_no}
        return self.announce(payment, "CUSTOMER.DISPUTE.CREATED", {"dispute_id": "PP-D-1", "disputed_transactions": [row]})

    def _later(self, payment: Payment, kind: str, thing: dict[str, Any]) -> None:
        later = threading.Timer(0.1, self.announce, [payment, kind, thing])
        later.daemon = True
        later.start()

    # Requests

    def token(self, asked: Asked) -> Answered:
        """POST /v1/oauth2/token (sheet §1)."""
        pair = asked.headers.get("authorization", "").removeprefix("Basic ")
        try:
            is_right = b64decode(pair) == f"{self.client_id}:{self.secret}".encode()
        except ValueError:
            is_right = False
        if not is_right or asked.form != {"grant_type": "client_credentials"}:
            return Answered.json({"error": "invalid_client", "error_description": "Client Authentication failed"}, 401)
        token = self.number("A21AA")
        self._tokens.add(token)
        scope = "https://uri.paypal.com/services/reporting/search/read https://uri.paypal.com/services/payments/realtimepayment"
        return Answered.json({"scope": scope, "access_token": token, "token_type": "Bearer", "expires_in": 32400})

    def forget_tokens(self) -> None:
        """From now on no token that was given is good."""
        self._tokens.clear()

    def create(self, asked: Asked) -> Answered:
        """POST /v2/checkout/orders (sheet §2)."""
        return self._once(asked, self._create)

    def _create(self, asked: Asked) -> Answered:
        wish = asked.json()
        units, source = wish.get("purchase_units") or [{}], wish.get("payment_source", {}).get("paypal", {})
        amount, experience = units[0].get("amount", {}), source.get("experience_context", {})
        if wish.get("intent") != "CAPTURE" or len(units) != 1 or not experience.get("return_url"):
            return refused("INVALID_REQUEST", "MISSING_REQUIRED_PARAMETER", 400)
        if not is_amount(amount.get("value"), amount.get("currency_code")):
            return refused("UNPROCESSABLE_ENTITY", "DECIMAL_PRECISION", 422)
        if any(len(units[0].get(name, "")) > 127 for name in ("custom_id", "invoice_id", "description")):
            return refused("INVALID_REQUEST", "INVALID_STRING_LENGTH", 400)
        back = experience["return_url"].partition("?")[0]
        payment = Payment(
            ref=self.number("5O"),
            attempt_no=units[0].get("custom_id", ""),
            amount=amount["value"],
            currency=amount["currency_code"],
            notify_url=self.webhook_url or f"{back.rpartition('/')[0]}/callback",
            return_url=experience["return_url"],
            request=units[0],
        )
        with self.lock:
            self.payments[payment.ref] = payment
        return Answered.json(self.order_object(payment), 201)

    def order(self, asked: Asked) -> Answered:
        """GET /v2/checkout/orders/{id}."""
        payment = self.payments.get(asked.params["id"])
        return self._denied(asked) or (Answered.json(self.order_object(payment)) if payment else missing())

    def capture(self, asked: Asked) -> Answered:
        """POST /v2/checkout/orders/{id}/capture (sheet §4)."""
        return self._once(asked, self._capture)

    def _capture(self, asked: Asked) -> Answered:
        payment = self.payments.get(asked.params["id"])
        if payment is None:
            return missing()
        with self.lock:
            if self.captures(payment):
                return refused("UNPROCESSABLE_ENTITY", "ORDER_ALREADY_CAPTURED", 422)
            if payment.state != "paid":
                return refused("UNPROCESSABLE_ENTITY", "ORDER_NOT_APPROVED", 422)
            if self.capture_state == "INSTRUMENT_DECLINED":
                return refused("UNPROCESSABLE_ENTITY", "INSTRUMENT_DECLINED", 422)
            invoices = [p for p in self.payments.values() if p.request.get("invoice_id") == payment.request.get("invoice_id")]
            if payment.request.get("invoice_id") and any(self.captures(p) for p in invoices):
                return refused("UNPROCESSABLE_ENTITY", "DUPLICATE_INVOICE_ID", 422)
            payment.request["captured"] = self.capture_state
            answer = Answered.json(self.order_object(payment), 201)
            captured = self.captures(payment)[0]
        if self.calls_back_about_captures:
            self._later(payment, f"PAYMENT.CAPTURE.{captured['status']}", captured)
        return answer

    def capture_of(self, asked: Asked) -> Answered:
        """GET /v2/payments/captures/{id}."""
        payment = self._by_capture(asked.params["id"])
        return self._denied(asked) or (Answered.json(self.captures(payment)[0]) if payment else missing())

    def refund(self, asked: Asked) -> Answered:
        """POST /v2/payments/captures/{id}/refund (sheet §5)."""
        return self._once(asked, self._refund)

    def _refund(self, asked: Asked) -> Answered:
        payment, wish = self._by_capture(asked.params["id"]), asked.json()
        if payment is None:
            return missing()
        with self.lock:
            left = Decimal(payment.paid_amount) - sum(Decimal(r.amount) for r in payment.refunds if r.state != "failed")
            amount = wish.get("amount", {}).get("value") or str(left)
            if left == 0:
                return refused("UNPROCESSABLE_ENTITY", "CAPTURE_FULLY_REFUNDED", 422)
            if (
                not is_amount(amount, payment.currency)
                or wish.get("amount", {}).get("currency_code", payment.currency) != payment.currency
            ):
                return refused("UNPROCESSABLE_ENTITY", "CURRENCY_MISMATCH", 422)
            if Decimal(amount) > left:
                return refused("UNPROCESSABLE_ENTITY", "REFUND_AMOUNT_EXCEEDED", 422)
            refunded = Refunded(wish.get("invoice_id", ""), self.number("1J"), amount, self.refund_state)
            payment.refunds.append(refunded)
            told = self.refund_object(payment, refunded)
        self._later(payment, "PAYMENT.CAPTURE.REFUNDED", told)
        return Answered.json(told, 201)

    def refund_of(self, asked: Asked) -> Answered:
        """GET /v2/payments/refunds/{id}."""
        with self.lock:
            found = [(p, r) for p in self.payments.values() for r in p.refunds if r.ref == asked.params["id"]]
        return self._denied(asked) or (Answered.json(self.refund_object(*found[0])) if found else missing())

    def report(self, asked: Asked) -> Answered:
        """GET /v1/reporting/transactions (sheet §7)."""
        if no := self._denied(asked):
            return no
        query = asked.query
        first, last = (datetime.fromisoformat(query[name]).timestamp() for name in ("start_date", "end_date"))
        size, page = int(query.get("page_size") or 100), int(query.get("page") or 1)
        with self.lock:
            rows = [
                row for p in self.payments.values() if self.captures(p) and first <= p.paid_at <= last for row in self._rows(p)
            ]
        refreshed = datetime.fromtimestamp(self.clock() - 3 * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
        shown = [{"transaction_info": row} for row in rows[(page - 1) * size : page * size]]
        pages = -(-len(rows) // size)
        return Answered.json(
            {"transaction_details": shown, "last_refreshed_datetime": refreshed, "page": page, "total_pages": pages}
        )

    def webhook(self, asked: Asked) -> Answered:
        """GET /v1/notifications/webhooks/{id}."""
        if asked.params["id"] != self.webhook_id:
            return self._denied(asked) or missing()
        with self.lock:
            newest = next(reversed(self.payments.values()), None)
        url = self.webhook_url or (newest.notify_url if newest else f"http://127.0.0.1:8000/pay/sim-{self.name}/callback")
        said = {"id": self.webhook_id, "url": url, "event_types": [{"name": name, "status": "ENABLED"} for name in EVENTS]}
        return self._denied(asked) or Answered.json(said)

    def certificate(self, asked: Asked) -> Answered:
        """GET /v1/notifications/certs/{id}: public."""
        return Answered(self._pem.encode(), 200, {"content-type": "application/octet-stream"})

    # Objects

    def order_object(self, payment: Payment) -> dict[str, Any]:
        """An order (sheet §2, §3)."""
        captured = self.captures(payment)
        state = {"paid": "COMPLETED" if captured else "APPROVED", "closed": "VOIDED"}.get(payment.state, "PAYER_ACTION_REQUIRED")
        refunds = [self.refund_object(payment, refunded) for refunded in payment.refunds]
        unit: dict[str, Any] = {**numbers(payment), "amount": {"currency_code": payment.currency, "value": payment.amount}}
        if captured:
            unit["payments"] = {"captures": captured, **({"refunds": refunds} if refunds else {})}
        links = [{"href": f"{self.url}v2/checkout/orders/{payment.ref}", "rel": "self", "method": "GET"}]
        links.append({"href": self.cashier(payment), "rel": "payer-action", "method": "GET"})
        return {"id": payment.ref, "intent": "CAPTURE", "status": state, "purchase_units": [unit], "links": links}

    def captures(self, payment: Payment) -> list[dict[str, Any]]:
        """The captures of an order: one or none."""
        state = payment.request.get("captured")
        if not state:
            return []
        gone = sum(Decimal(r.amount) for r in payment.refunds if r.state == "done")
        if state == "COMPLETED" and gone:
            state = "REFUNDED" if gone == Decimal(payment.paid_amount) else "PARTIALLY_REFUNDED"
        amount = {"currency_code": payment.currency, "value": payment.paid_amount}
        related = {"related_ids": {"order_id": payment.ref}}
        return [{"id": payment.txn, "status": state, "amount": amount, **numbers(payment), "supplementary_data": related}]

    def refund_object(self, payment: Payment, refunded: Refunded) -> dict[str, Any]:
        """A refund (sheet §5); one that the merchant makes in PayPal's pages repeats the numbers of its payment."""
        link = {"href": f"{self.url}v2/payments/captures/{payment.txn}", "rel": "up", "method": "GET"}
        return {
            "id": refunded.ref,
            "status": REFUND_STATES[refunded.state],
            "amount": {"currency_code": payment.currency, "value": refunded.amount},
            "custom_id": payment.attempt_no,
            "invoice_id": refunded.refund_no or payment.attempt_no,
            "links": [link],
        }

    def _rows(self, payment: Payment) -> list[dict[str, Any]]:
        at = datetime.fromtimestamp(payment.paid_at, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
        row = {"transaction_status": "S", "transaction_initiation_date": at, "custom_field": payment.attempt_no}
        fee = {"currency_code": payment.currency, "value": "-0.35" if payment.currency not in WHOLE else "-10"}

        def amount(value: str) -> dict[str, str]:
            return {"currency_code": payment.currency, "value": value}

        paid = {
            "transaction_id": payment.txn,
            "transaction_event_code": "T0006",
            "transaction_amount": amount(payment.paid_amount),
        }
        rows = [{**row, **paid, "fee_amount": fee, "invoice_id": payment.attempt_no}]
        for done in (r for r in payment.refunds if r.state == "done"):
            told = {
                "transaction_id": done.ref,
                "transaction_event_code": "T1107",
                "transaction_amount": amount(f"-{done.amount}"),
            }
            about = {"paypal_reference_id": payment.txn, "paypal_reference_id_type": "TXN"}
            rows.append({**row, **told, **about, "invoice_id": done.refund_no or payment.attempt_no})
        return rows

    # Doors

    def _by_capture(self, txn: str) -> Payment | None:
        with self.lock:
            return next((p for p in self.payments.values() if p.txn == txn and self.captures(p)), None)

    def _denied(self, asked: Asked) -> Answered | None:
        if asked.headers.get("authorization", "").removeprefix("Bearer ") in self._tokens:
            return None
        return refused("AUTHENTICATION_FAILURE", "", 401)

    def _once(self, asked: Asked, verb: Any) -> Answered:
        """What was done under a request id is answered again, and not done again (sheet §2)."""
        if no := self._denied(asked):
            return no
        if asked.headers.get("content-type") != "application/json":
            return refused("UNSUPPORTED_MEDIA_TYPE", "", 415)
        key = f"{asked.path} {asked.headers.get('paypal-request-id', '')}"
        with self.lock:
            if key in self._kept:
                return Answered(self._kept[key].body, 200, self._kept[key].headers)
            answer: Answered = verb(asked)
            if answer.status < 300 and asked.headers.get("paypal-request-id"):
                self._kept[key] = answer
            return answer


def numbers(payment: Payment) -> dict[str, str]:
    """The numbers that the shop gave with its order."""
    return {name: str(payment.request[name]) for name in ("custom_id", "invoice_id") if name in payment.request}


def is_amount(value: object, currency: object) -> bool:
    """Whether PayPal takes an amount: positive, with the currency's decimals (sheet §2)."""
    if not isinstance(value, str) or not isinstance(currency, str) or currency == "CNY":
        return False
    whole, point, part = value.partition(".")
    is_number = whole.isascii() and whole.isdigit() and len(whole) <= 8 and (not point or (part.isascii() and part.isdigit()))
    return is_number and (not point if currency in WHOLE else len(part) == 2) and Decimal(value) > 0


def refused(name: str, issue: str, status: int) -> Answered:
    """An error as PayPal writes it (sheet §7)."""
    details = [{"issue": issue, "description": f"{issue} as the reference says."}] if issue else []
    return Answered.json({"name": name, "message": "The request was refused.", "debug_id": "d1", "details": details}, status)


def missing() -> Answered:
    """404."""
    return refused("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID", 404)


SIMULATORS = (PayPalSimulator,)
