"""BTCPay Server as a simulated vendor (protocols/btcpay.md §1): invoices, webhooks without amounts, pull payments."""

import hmac
import json
from decimal import Decimal
from typing import Any, ClassVar

from kashop.plugins.kit.simulator import Simulator
from kashop.plugins.kit.vendorwords import Answered, Asked, How, Payment, Refunded, Told

INVOICES = "/api/v1/stores/{store}/invoices"
DECLARED = (
    "btcpay.store.cancreateinvoice",
    "btcpay.store.canviewinvoices",
    "btcpay.store.canmodifyinvoices",
    "btcpay.store.cancreatepullpayments",
)


class BtcpaySimulator(Simulator):
    """One server with one store."""

    name = "btcpay"
    gateway_type = "btcpay"
    method = "crypto"
    store: ClassVar[str] = "9CiNzKoANXxmk5ayZngSXrHTiVvvgCrwrpFQd4m2K776"
    key: ClassVar[str] = "simulated-greenfield-key"
    signed_with: ClassVar[str] = "simulated-webhook-secret"
    refund_state = "pending"
    """pending: the buyer has not claimed; done: he has, and was paid; failed: the next refund is refused."""
    routes: ClassVar = {
        ("GET", "/api/v1/api-keys/current"): "rights",
        ("POST", INVOICES): "create",
        ("GET", INVOICES): "page",
        ("GET", f"{INVOICES}/{{id}}"): "look",
        ("POST", f"{INVOICES}/{{id}}/status"): "mark",
        ("GET", f"{INVOICES}/{{id}}/payment-methods"): "methods",
        ("POST", f"{INVOICES}/{{id}}/refund"): "refund",
        ("GET", "/api/v1/stores/{store}/pull-payments"): "pulls",
        ("GET", "/api/v1/pull-payments/{id}/payouts"): "payouts",
        ("GET", "/i/{id}"): "checkout",
    }

    def options(self) -> dict[str, str]:
        """An account."""
        return {"url": self.url, "store": self.store, "key": self.key, "webhook_secret": self.signed_with}

    def answer(self, asked: Asked) -> Answered | None:
        """Only with the key, and only for its store."""
        is_open = not asked.path.startswith("/api/") or asked.headers.get("authorization") == f"token {self.key}"
        parts = asked.path.split("/")
        if not is_open:
            return Answered.json({"code": "unauthenticated", "message": "Authentication is required"}, 401)
        if parts[3:4] == ["stores"] and parts[4:5] != [self.store]:
            return Answered.json({"code": "missing-permission", "message": "You do not have the right for this store"}, 403)
        return super().answer(asked)

    def rights(self, asked: Asked) -> Answered:
        """What the key may do."""
        return Answered.json({"apiKey": self.key, "label": "kashop", "permissions": [f"{p}:{self.store}" for p in DECLARED]})

    def create(self, asked: Asked) -> Answered:
        """A new invoice: no number is refused twice, as with the real one."""
        said = asked.json()
        amount, checkout = said.get("amount"), said.get("checkout", {})
        if not isinstance(amount, str) or Decimal(amount) <= 0 or not said.get("currency"):
            return Answered.json([{"path": "amount", "message": "The amount should be positive"}], 422)
        metadata = said.get("metadata", {})
        now = int(self.clock())
        kept = {"metadata": metadata, "made": now, "until": now + 60 * int(checkout.get("expirationMinutes", 15)), "more": "None"}
        notify = checkout["redirectURL"].removesuffix("/return") + "/callback"
        with self.lock:
            number = self.number("I")
            payment = Payment(
                number, metadata.get("orderId", ""), amount, said["currency"], notify, checkout["redirectURL"], kept
            )
            self.payments[number] = payment
        return Answered.json(self.invoice(payment))

    def invoice(self, payment: Payment) -> dict[str, Any]:
        """An invoice as it is told."""
        status, more = self.status(payment)
        return {
            "id": payment.ref,
            "storeId": self.store,
            "amount": payment.amount,
            "paidAmount": payment.paid_amount or "0",
            "currency": payment.currency,
            "type": "Standard",
            "checkoutLink": f"{self.url}i/{payment.ref}",
            "createdTime": payment.request["made"],
            "expirationTime": payment.request["until"],
            "monitoringExpiration": payment.request["until"] + 86_400,
            "status": status,
            "additionalStatus": more,
            "availableStatusesForManualMarking": ["Settled", "Invalid"],
            "archived": False,
            "metadata": payment.request["metadata"],
        }

    def status(self, payment: Payment) -> tuple[str, str]:
        """status and additionalStatus."""
        if payment.state == "paid":
            sent, asked = Decimal(payment.paid_amount), Decimal(payment.amount)
            if sent < asked:
                return "Expired", "PaidPartial"
            if payment.request["more"] == "Marked":
                return "Invalid", "PaidLate"
            return "Settled", "PaidOver" if sent > asked else "None"
        if payment.state == "closed":
            return ("Invalid", "Marked") if payment.request["more"] == "Marked" else ("Expired", "None")
        return payment.request.get("status", "New"), "None"

    def page(self, asked: Asked) -> Answered:
        """The list, newest first."""
        query = asked.query
        start, end = int(query.get("startDate", 0)), int(query.get("endDate", 2**40))
        with self.lock:
            found = [
                p
                for p in reversed(self.payments.values())
                if start <= p.request["made"] <= end and query.get("orderId", p.attempt_no) == p.attempt_no
            ]
        first, most = int(query.get("skip", 0)), int(query.get("take", 50))
        return Answered.json([self.invoice(p) for p in found[first : first + most]])

    def look(self, asked: Asked) -> Answered:
        """One invoice."""
        known = self.payments.get(asked.params["id"])
        return Answered.json(self.invoice(known)) if known else self.unknown()

    def unknown(self) -> Answered:
        """No such invoice."""
        return Answered.json({"code": "invoice-not-found", "message": "The invoice was not found"}, 404)

    def mark(self, asked: Asked) -> Answered:
        """Mark as Invalid, or Settled."""
        known = self.payments.get(asked.params["id"])
        if known is None:
            return self.unknown()
        with self.lock:
            if asked.json().get("status") == "Invalid" and known.state == "open":
                known.state, known.request["more"] = "closed", "Marked"
        return Answered.json(self.invoice(known))

    def methods(self, asked: Asked) -> Answered:
        """How it was paid."""
        known = self.payments.get(asked.params["id"])
        if known is None:
            return self.unknown()
        state = known.request.get("confirmed", "Settled")
        came = [{"id": f"{known.txn}-0", "value": "0.00002", "fee": "0", "status": state, "destination": "bc1q"}]
        payments = came if known.state == "paid" else []
        return Answered.json([{"paymentMethodId": "BTC-CHAIN", "currency": "BTC", "rate": "700000", "payments": payments}])

    def refund(self, asked: Asked) -> Answered:
        """A pull payment; nothing keeps the server from making two, so that we must."""
        known, said = self.payments.get(asked.params["id"]), asked.json()
        if known is None:
            return self.unknown()
        gone = sum(Decimal(r.amount) for r in known.refunds if r.state != "failed")
        amount = said.get("customAmount", "")
        if said.get("refundVariant") != "Custom" or said.get("customCurrency") != known.currency or self.refund_state == "failed":
            return Answered.json([{"path": "refundVariant", "message": "The refund is not possible"}], 422)
        if said.get("payoutMethodId") != "BTC-CHAIN" or Decimal(amount) + gone > Decimal(known.paid_amount or "0"):
            return Answered.json([{"path": "customAmount", "message": "Invalid payout method or amount"}], 422)
        with self.lock:
            made = Refunded(said["name"], self.number("P"), amount, self.refund_state)
            known.refunds.append(made)
        return Answered.json(self.pull(known, made))

    def pull(self, payment: Payment, made: Refunded) -> dict[str, Any]:
        """A pull payment as it is told."""
        link = f"{self.url}pull-payments/{made.ref}"
        told = {"id": made.ref, "name": made.refund_no, "amount": made.amount, "currency": payment.currency, "viewLink": link}
        return {**told, "archived": made.state == "failed", "autoApproveClaims": False}

    def pulls(self, asked: Asked) -> Answered:
        """All of the store's."""
        with self.lock:
            return Answered.json([self.pull(p, r) for p in self.payments.values() for r in p.refunds])

    def payouts(self, asked: Asked) -> Answered:
        """What was claimed of one."""
        found = [r for p in self.payments.values() for r in p.refunds if r.ref == asked.params["id"] and r.state == "done"]
        return Answered.json([{"id": "o1", "originalAmount": r.amount, "state": "Completed"} for r in found])

    def checkout(self, asked: Asked) -> Answered:
        """The buyer's page."""
        known = self.payments.get(asked.params["id"])
        return Answered.redirect(self.cashier(known)) if known else Answered.html("404", 404)

    def notification(self, payment: Payment, how: How) -> Told:
        """An event names no amount; forging one adds it, unsigned."""
        kind = {"paid": "InvoiceSettled", "closed": "InvoiceExpired"}.get(how.state, "InvoiceCreated")
        event = {
            "deliveryId": self.number("D"),
            "webhookId": "W1",
            "originalDeliveryId": "D1",
            "isRedelivery": False,
            "type": kind,
            "timestamp": int(self.clock()),
            "storeId": "another-store" if how.forge == "merchant" else self.store,
            "invoiceId": payment.ref,
            "metadata": payment.request["metadata"],
        }
        body = json.dumps(event, separators=(",", ":")).encode()
        signed = hmac.digest(b"another" if how.forge == "key" else self.signed_with.encode(), body, "sha256").hex()
        if how.forge == "signature":
            signed = signed[::-1] if signed != signed[::-1] else "0" * 64
        if how.forge == "amount":
            body = json.dumps({**event, "amount": "99999.99"}, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", "BTCPay-Sig": f"sha256={signed}"}
        return Told("POST", payment.notify_url, headers, body)


SIMULATORS = (BtcpaySimulator,)
