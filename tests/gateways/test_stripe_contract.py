"""Stripe keeps the contract of all gateways; the vendor's side is written from the sheet."""

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from kashop.bundled.pay_stripe.gateway import STRIPE
from kashop.payments.types import CallbackRequest, Intent, RefundAsk, StatementLine
from kashop.plugins.kit import Claim, GatewayContract, Reply, Stage, Vendor
from kashop.plugins.kit.stage import NOW

KEY, SECRET = "sk_test_KEYofTheContract0001", "whsec_ofTheContract0001"
SESSION = "cs_test_Q1"
BAD = (
    '"1e1"',
    "1e3",
    "-1",
    "0",
    '""',
    "null",
    "true",
    "1250.5",
    '"12.50"',
    '"NaN"',
    "[1250]",
    "{}",
    '"１２"',
    "9" * 40,
    '"00012"',
    '" 1"',
)


def signed(body: bytes, secret: str = SECRET, *, t: int = NOW // 1000) -> CallbackRequest:
    """Sheet §4."""
    v1 = hmac.new(secret.encode(), f"{t}.".encode() + body, hashlib.sha256).hexdigest()
    return CallbackRequest(method="POST", query=b"", headers={"stripe-signature": f"t={t},v1={v1}"}, body=body)


def refused(message: str, *, status: int = 400, code: str = "parameter_invalid") -> Reply:
    """An error of Stripe's."""
    return Reply(json.dumps({"error": {"type": "invalid_request_error", "code": code, "message": message}}).encode(), status)


class StripeVendor(Vendor):
    """Stripe in test mode, in USD."""

    type = STRIPE
    currency = "USD"
    method = "card"
    unpaid = ("unpaid", "no_payment_required", "PAID", "paid ", "expired", "")
    bad_amounts = BAD
    calls_to_begin = True
    calls_to_query = True

    def options(self, base_url: str) -> dict[str, str]:
        """An account."""
        return {"secret_key": KEY, "webhook_secret": SECRET, "methods": "card", "api_url": base_url}

    def session(self, **over: Any) -> dict[str, Any]:
        """Sheet §2."""
        return {
            "id": SESSION,
            "object": "checkout.session",
            "livemode": False,
            "url": "https://checkout.stripe.com/c/pay/cs_test_Q1#fid%2Fx",
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": 1250,
            "currency": "usd",
            "payment_intent": None,
            "client_reference_id": Claim().attempt_no,
            "metadata": {"kashop_attempt": Claim().attempt_no},
            "expires_at": NOW // 1000 + 1800,
            **over,
        }

    def callback(self, claim: Claim) -> CallbackRequest:
        """checkout.session.completed (sheet §4); a strange amount stands in it as it is."""
        session = self.session(
            status="complete",
            payment_status=claim.state,
            payment_intent=claim.txn,
            client_reference_id=claim.attempt_no,
            metadata={"kashop_attempt": claim.attempt_no},
            amount_total="AMOUNT",
        )
        event = {"id": "evt_1", "object": "event", "type": "checkout.session.completed", "livemode": False}
        more = {"account": claim.merchant} if claim.merchant else {}
        body = json.dumps({**event, **more, "data": {"object": session}})
        amount = claim.amount if claim.amount in BAD else str(int(Decimal(claim.amount) * 100))
        return signed(body.replace('"AMOUNT"', amount).encode())

    def intent(self, base_url: str = "https://shop.example") -> Intent:
        """The suite's, as it was begun."""
        return msgspec.structs.replace(super().intent(base_url), gateway_ref=SESSION)

    def begin_reply(self, intent: Intent) -> bytes:
        """Sheet §2."""
        return json.dumps(self.session()).encode()

    def refusal(self, secret: str) -> Reply:
        """A careless Stripe."""
        return refused(f"the key {secret} does not fit")

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """Sheet §2."""
        paid = self.session(status="complete", payment_status="paid", payment_intent="pi_Q1")
        replies = {"paid": json.dumps(paid).encode(), "unpaid": json.dumps(self.session()).encode()}
        stage.mouth.says(replies.get(state) or refused("No such session", status=404, code="resource_missing"))

    def refund_object(self, ask: RefundAsk, status: str) -> dict[str, Any]:
        """Sheet §5."""
        return {
            "id": "re_1",
            "object": "refund",
            "amount": 500,
            "currency": "usd",
            "status": status,
            "failure_reason": "insufficient_funds" if status == "failed" else None,
            "payment_intent": ask.gateway_txn,
            "metadata": {"kashop_attempt": ask.payment.attempt_no, "kashop_refund": ask.refund_no},
        }

    async def arrange_refund(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Sheet §5."""
        status = {"done": "succeeded", "pending": "pending"}.get(state)
        done = json.dumps(self.refund_object(ask, str(status))).encode()
        stage.mouth.says(done if status else refused("This charge is disputed", code="charge_disputed"))

    async def arrange_refund_query(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Sheet §5; another refund of the same payment stands before ours."""
        other = {**self.refund_object(ask, "succeeded"), "id": "re_0", "metadata": {}}
        status = {"done": "succeeded", "pending": "requires_action", "failed": "failed"}.get(state)
        rows = [other] + ([self.refund_object(ask, status)] if status else [])
        stage.mouth.says(json.dumps({"object": "list", "data": rows, "has_more": False}).encode())

    async def arrange_close(self, stage: Stage, intent: Intent, state: str) -> None:
        """Sheet §2: only an open session can be expired."""
        found = {
            "open": self.session(),
            "closed": self.session(status="expired"),
            "paid": self.session(status="complete", payment_status="paid", payment_intent="pi_Q1"),
        }
        if state == "unknown":
            stage.mouth.says(refused("No such session", status=404, code="resource_missing"))
            return
        expire = f"/v1/checkout/sessions/{SESSION}/expire"
        expired = Reply(json.dumps(self.session(status="expired")).encode())
        stage.mouth.at[expire] = expired if state == "open" else refused("Only open sessions can be expired.")
        stage.mouth.at[f"/v1/checkout/sessions/{SESSION}"] = Reply(json.dumps(found[state]).encode())

    async def arrange_statement(self, stage: Stage, day: dt.date, state: str) -> Sequence[StatementLine]:
        """Sheet §6; another business of the merchant is in the account too."""
        stage.clock.at = NOW + (0 if state == "unready" else 86_400_000)
        at = NOW // 1000 + 3600
        charge = {"object": "charge", "id": "ch_1", "amount": 1250, "currency": "usd", "payment_intent": "pi_Q1"}
        ours = {"kashop_attempt": Claim().attempt_no}
        refund = {**self.refund_object(self.ask(), "succeeded"), "payment_intent": "pi_Q1"}
        row = {"object": "balance_transaction", "currency": "usd", "created": at, "fee": 0}
        rows = [
            {**row, "id": "txn_4", "type": "payout", "amount": -500, "source": {"object": "payout", "id": "po_1"}},
            {**row, "id": "txn_3", "type": "refund", "amount": -500, "created": at + 60, "source": refund},
            {**row, "id": "txn_2", "type": "charge", "amount": 900, "source": {**charge, "id": "ch_2", "metadata": {}}},
            {**row, "id": "txn_1", "type": "charge", "amount": 1250, "fee": 66, "source": {**charge, "metadata": ours}},
        ]
        stage.mouth.says(json.dumps({"object": "list", "data": rows if state == "ready" else [], "has_more": False}).encode())
        about = {"gateway_txn": "pi_Q1", "currency": "USD", "attempt_no": Claim().attempt_no}
        paid = StatementLine(kind="payment", amount_minor=1250, happened_at=at * 1000, fee_minor=66, **about)
        went = {"refund_no": self.ask().refund_no, "gateway_refund": "re_1"}
        return [paid, StatementLine(kind="refund", amount_minor=500, happened_at=(at + 60) * 1000, **about, **went)]


class TestStripe(GatewayContract):
    """Checkout Sessions."""

    vendor = StripeVendor()
