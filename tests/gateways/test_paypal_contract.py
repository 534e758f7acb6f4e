"""PayPal keeps the contract of all gateways; the vendor's side is written from the sheet, with the derived platform key."""

import asyncio
import datetime as dt
import json
import zlib
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from kashop.bundled.pay_paypal.gateway import PAYPAL
from kashop.payments.types import CallbackRequest, Intent, RefundAsk, Rejected, StatementLine
from kashop.plugins.kit import Claim, GatewayContract, Reply, Stage, Vendor
from kashop.plugins.kit.simulators.paypal_papers import authority
from kashop.plugins.kit.stage import NOW
from tests.gateways.testkeys import private_key

AUTHORITY = authority()
PEM = AUTHORITY.issued(private_key("platform").public_key())
WEBHOOK, ORDER, CAPTURE = "WHID0000000000001", "5O190127TN364715T", "3C679366HH908993F"
SECRET = "SECRET-of-the-contract-0001"
CERTIFICATE = "/v1/notifications/certs/CERT-360caa42"


def signed(
    body: bytes, base: str, *, webhook: str = WEBHOOK, at: str = "2026-11-01T04:00:00Z", key: str = "platform"
) -> CallbackRequest:
    """Sheet §6, way B."""
    text = f"tid-0001|{at}|{webhook}|{zlib.crc32(body)}"
    headers = {
        "paypal-transmission-id": "tid-0001",
        "paypal-transmission-time": at,
        "paypal-transmission-sig": b64encode(private_key(key).sign(text.encode(), padding.PKCS1v15(), SHA256())).decode(),
        "paypal-cert-url": f"{base}{CERTIFICATE}",
        "paypal-auth-algo": "SHA256withRSA",
    }
    return CallbackRequest(method="POST", query=b"", headers=headers, body=body)


def refused(name: str, issue: str, status: int, description: str = "no") -> Reply:
    """Sheet §7."""
    details = [{"issue": issue, "description": description}]
    return Reply(json.dumps({"name": name, "message": "no", "debug_id": "d1", "details": details}).encode(), status)


async def learned(stage: Stage, gateway: Any, request: CallbackRequest) -> None:
    """Show a callback to a gateway that does not know its certificate yet, and wait until it does."""
    with pytest.raises(Rejected, match="certificate_unknown"):
        gateway.read_callback(request)
    while stage.ctx._tasks:  # noqa: ASYNC110 - a set has no event to wait for
        await asyncio.sleep(0.01)


class PayPalVendor(Vendor):
    """PayPal, in USD."""

    type = PAYPAL
    currency = "USD"
    method = "paypal"
    calls_to_begin = True
    calls_to_query = True
    hints = True
    names_merchant = False
    base = ""

    def options(self, base_url: str) -> dict[str, str]:
        """An account."""
        whose = {"client_id": "CLIENT-of-the-contract", "client_secret": SECRET, "webhook_id": WEBHOOK, "environment": "live"}
        return {**whose, "api_url": base_url, "authority": AUTHORITY.pem}

    def arrange(self, stage: Stage) -> None:
        """Tokens and the certificate are handed out whatever else is said."""
        self.base = stage.mouth.url
        token = {"access_token": "A21AA-token", "token_type": "Bearer", "expires_in": 32400, "scope": "x/reporting/search/read"}
        stage.mouth.at["/v1/oauth2/token"] = Reply(json.dumps(token).encode())
        stage.mouth.at[CERTIFICATE] = Reply(PEM.encode())

    async def prepare(self, stage: Stage, gateway: Any) -> None:
        """The first callback teaches the certificate."""
        await learned(stage, gateway, self.callback(Claim()))

    def callback(self, claim: Claim) -> CallbackRequest:
        """PAYMENT.CAPTURE.COMPLETED."""
        amount = {"currency_code": "USD", "value": claim.amount}
        resource = {"id": claim.txn, "status": "COMPLETED", "amount": amount, "custom_id": claim.attempt_no}
        body = json.dumps({"id": "WH-1", "event_type": "PAYMENT.CAPTURE.COMPLETED", "resource": resource}).encode()
        return signed(body, self.base, webhook=claim.merchant or WEBHOOK)

    def order(self, status: str, *captures: str, refunds: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """Sheet §2, §3; captures by their status."""
        number, amount = Claim().attempt_no, {"currency_code": "USD", "value": "12.50"}
        rows = [{"id": CAPTURE, "status": state, "amount": amount, "custom_id": number} for state in captures]
        unit = {"reference_id": number, "custom_id": number, "invoice_id": number, "amount": amount}
        links = [
            {"rel": "self", "href": "https://x"},
            {"rel": "payer-action", "href": f"https://www.paypal.com/checkoutnow?token={ORDER}"},
        ]
        paid = {"payments": {"captures": rows, "refunds": list(refunds)}} if rows else {}
        return {"id": ORDER, "status": status, "purchase_units": [{**unit, **paid}], "links": links}

    def intent(self, base_url: str = "https://shop.example") -> Intent:
        """The suite's, as it was begun."""
        return msgspec.structs.replace(super().intent(base_url), gateway_ref=ORDER)

    def begin_reply(self, intent: Intent) -> Reply:
        """Sheet §2."""
        return Reply(json.dumps(self.order("PAYER_ACTION_REQUIRED")).encode(), 201)

    def refusal(self, secret: str) -> Reply:
        """A careless PayPal."""
        return refused("UNPROCESSABLE_ENTITY", "REFUND_TIME_LIMIT_EXCEEDED", 422, f"the secret {secret} does not fit")

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """Sheet §3."""
        found = {"paid": self.order("COMPLETED", "COMPLETED"), "unpaid": self.order("PAYER_ACTION_REQUIRED")}
        known = state in found
        stage.mouth.says(
            json.dumps(found[state]).encode() if known else refused("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID", 404)
        )

    def refund_object(self, ask: RefundAsk, status: str) -> dict[str, Any]:
        """Sheet §5."""
        amount = {"currency_code": "USD", "value": "5.00"}
        numbers = {"custom_id": ask.payment.attempt_no, "invoice_id": ask.refund_no}
        return {"id": "1JU08902781691411", "status": status, "amount": amount, **numbers}

    async def arrange_refund(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Sheet §5."""
        status = {"done": "COMPLETED", "pending": "PENDING"}.get(state)
        done = Reply(json.dumps(self.refund_object(ask, str(status))).encode(), 201)
        stage.mouth.says(done if status else refused("UNPROCESSABLE_ENTITY", "REFUND_AMOUNT_EXCEEDED", 422))

    async def arrange_refund_query(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Sheet §5; another refund of the same payment stands before ours."""
        other = {**self.refund_object(ask, "COMPLETED"), "id": "2JU", "invoice_id": ask.payment.attempt_no}
        status = {"done": "COMPLETED", "pending": "PENDING", "failed": "FAILED"}.get(state)
        rows = [other] + ([self.refund_object(ask, status)] if status else [])
        stage.mouth.says(json.dumps(self.order("COMPLETED", "PARTIALLY_REFUNDED", refunds=rows)).encode())

    async def arrange_close(self, stage: Stage, intent: Intent, state: str) -> None:
        """There is no way to close: the order is looked at."""
        found = {"open": self.order("APPROVED"), "closed": self.order("VOIDED"), "paid": self.order("COMPLETED", "COMPLETED")}
        known = state in found
        stage.mouth.says(
            json.dumps(found[state]).encode() if known else refused("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID", 404)
        )

    async def arrange_statement(self, stage: Stage, day: dt.date, state: str) -> Sequence[StatementLine]:
        """Sheet §7; other business of the merchant is in the account too."""
        stage.clock.at = NOW + (0 if state == "unready" else 2 * 86_400_000)
        at, number = "2026-11-01T05:00:00+0000", Claim().attempt_no
        row = {"transaction_status": "S", "transaction_initiation_date": at, "custom_field": number}
        usd = {"currency_code": "USD"}
        paid = {
            "transaction_id": CAPTURE,
            "transaction_event_code": "T0006",
            "invoice_id": number,
            "fee_amount": {**usd, "value": "-0.85"},
        }
        went = {"transaction_id": "1JU", "transaction_event_code": "T1107", "paypal_reference_id": CAPTURE, "invoice_id": "R1"}
        rows = [
            {**row, **paid, "transaction_amount": {**usd, "value": "12.50"}},
            {**row, **went, "transaction_amount": {**usd, "value": "-5.00"}},
            {
                **row,
                **paid,
                "transaction_id": "9X",
                "custom_field": "somebody@example.com",
                "transaction_amount": {**usd, "value": "3.00"},
            },
            {**row, **paid, "transaction_id": "9Y", "transaction_status": "D", "transaction_amount": {**usd, "value": "3.00"}},
            {**row, "transaction_id": "9Z", "transaction_event_code": "T0400", "transaction_amount": {**usd, "value": "-9.00"}},
        ]
        shown = [{"transaction_info": info} for info in rows] if state == "ready" else []
        report = {
            "transaction_details": shown,
            "page": 1,
            "total_pages": 1,
            "last_refreshed_datetime": "2026-11-02T03:00:00+0000",
        }
        stage.mouth.says(json.dumps(report).encode())
        about = {"gateway_txn": CAPTURE, "currency": "USD", "attempt_no": number, "happened_at": NOW + 3_600_000}
        payment = StatementLine(kind="payment", amount_minor=1250, fee_minor=85, **about)
        return [payment, StatementLine(kind="refund", amount_minor=500, refund_no="R1", gateway_refund="1JU", **about)]


class TestPayPal(GatewayContract):
    """Orders v2."""

    vendor = PayPalVendor()
