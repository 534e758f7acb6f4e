"""BTCPay keeps the contract of all gateways; the vendor's side is written from btcpay.md."""

import datetime as dt
import hmac
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from kashop.bundled.pay_btcpay.gateway import BTCPAY
from kashop.payments.types import CallbackRequest, Intent, RefundAsk, StatementLine
from kashop.plugins.kit import Claim, GatewayContract, Reply, Stage, Vendor
from kashop.plugins.kit.stage import NOW

KEY, SECRET, STORE, INVOICE = "greenfield-key-of-a-test", "webhook-secret-of-a-test", "S1", "I1"
INVOICES = f"/api/v1/stores/{STORE}/invoices"
PULLS = f"/api/v1/stores/{STORE}/pull-payments"


def said(value: Any) -> bytes:
    return json.dumps(value).encode()


class BtcpayVendor(Vendor):
    """One store."""

    type = BTCPAY
    method = "crypto"
    hints = True
    calls_to_begin = True
    calls_to_query = True

    def options(self, base_url: str) -> dict[str, str]:
        """An account."""
        return {"url": base_url, "store": STORE, "key": KEY, "webhook_secret": SECRET}

    def arrange(self, stage: Stage) -> None:
        """Nothing was begun and nothing refunded before; what was paid came by the chain."""
        paid = [{"paymentMethodId": "BTC-CHAIN", "payments": [{"id": "1", "status": "Settled"}]}]
        stage.mouth.at |= {
            f"{INVOICES}?orderId": Reply(b"[]"),
            PULLS: Reply(b"[]"),
            f"{INVOICES}/{Claim().txn}/payment-methods": Reply(said(paid)),
        }

    def callback(self, claim: Claim) -> CallbackRequest:
        """InvoiceSettled."""
        event = {"deliveryId": "d1", "type": "InvoiceSettled", "storeId": claim.merchant or STORE, "invoiceId": claim.txn}
        body = said({**event, "metadata": {"orderId": claim.attempt_no}})
        headers = {"btcpay-sig": f"sha256={hmac.digest(SECRET.encode(), body, 'sha256').hex()}"}
        return CallbackRequest(method="POST", query=b"", headers=headers, body=body)

    def intent(self, base_url: str = "https://shop.example") -> Intent:
        """As it was begun."""
        return msgspec.structs.replace(super().intent(base_url), gateway_ref=INVOICE)

    def invoice(self, **over: Any) -> dict[str, Any]:
        """An invoice."""
        metadata = {"orderId": Claim().attempt_no}
        told = {"id": INVOICE, "storeId": STORE, "amount": "12.50", "paidAmount": "0", "currency": "CNY", "metadata": metadata}
        told |= {"checkoutLink": "https://btcpay.example/i/I1", "createdTime": NOW // 1000, "expirationTime": NOW // 1000 + 900}
        return {**told, "status": "New", "additionalStatus": "None", **over}

    def begin_reply(self, intent: Intent) -> bytes:
        """A new invoice."""
        return said(self.invoice())

    def refusal(self, secret: str) -> Reply:
        """A careless server."""
        return Reply(said([{"path": "amount", "message": f"refused with {secret}"}]), 422)

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """The invoice."""
        unknown = Reply(said({"code": "invoice-not-found", "message": "not found"}), 404)
        found = {"paid": self.invoice(status="Settled", paidAmount="12.50"), "unpaid": self.invoice()}
        stage.mouth.says(said(found[state]) if state in found else unknown)

    def pull(self, ask: RefundAsk, **over: Any) -> dict[str, Any]:
        """A pull payment."""
        link = "https://btcpay.example/pull-payments/P1"
        told = {"id": "P1", "name": ask.refund_no, "amount": "5.00", "currency": "CNY", "viewLink": link, "archived": False}
        return {**told, **over}

    async def arrange_refund(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Done is only what was made before."""
        await self.arrange_refund_query(stage, ask, "done" if state == "done" else "unknown")
        stage.mouth.says(said(self.pull(ask)) if state == "pending" else self.refusal(""))

    async def arrange_refund_query(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """The list of pull payments, and the payouts of one."""
        pulls = [] if state == "unknown" else [self.pull(ask, archived=state == "failed")]
        payouts = [{"originalAmount": "5.00", "state": "Completed" if state == "done" else "AwaitingPayment"}]
        stage.mouth.at |= {PULLS: Reply(said(pulls)), "/api/v1/pull-payments/P1/payouts": Reply(said(payouts))}

    async def arrange_close(self, stage: Stage, intent: Intent, state: str) -> None:
        """What the list holds."""
        states = {"open": "New", "closed": "Expired", "paid": "Settled"}
        rows = [self.invoice(status=states[state])] if state in states else []
        stage.mouth.at[f"{INVOICES}?orderId"] = Reply(said(rows))
        stage.mouth.says(said(self.invoice(status="Invalid", additionalStatus="Marked")))

    async def arrange_statement(self, stage: Stage, day: dt.date, state: str) -> Sequence[StatementLine]:
        """Invoices of the day, once it is over."""
        stage.clock.at = NOW if state == "unready" else NOW + 86_400_000
        rows = [
            self.invoice(status="Settled", paidAmount="12.50"),
            self.invoice(id="I2"),
            self.invoice(id="I3", status="Expired"),
        ]
        stage.mouth.says(said(rows if state == "ready" else []))
        attempt = Claim().attempt_no
        payment = {"kind": "payment", "gateway_txn": INVOICE, "amount_minor": 1250, "currency": "CNY", "happened_at": NOW}
        return [StatementLine(**payment, attempt_no=attempt)]


class TestBtcpay(GatewayContract):
    """One store of one server."""

    vendor = BtcpayVendor()
