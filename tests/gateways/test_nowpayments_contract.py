"""NOWPayments keeps the contract of all gateways; the vendor's side is written from btcpay.md §2."""

import hmac
import json
import re
from typing import Any

import msgspec

from kashop.bundled.pay_nowpayments.gateway import NOWPAYMENTS
from kashop.payments.types import CallbackRequest, Intent
from kashop.plugins.kit import Claim, GatewayContract, Reply, Stage, Vendor

KEY, SECRET, PAYMENT = "api-key-of-a-test", "ipn-secret-of-a-test", "5077125051"


class NowpaymentsVendor(Vendor):
    """One account, by an address for one coin."""

    type = NOWPAYMENTS
    method = "usdt"
    unpaid = ("waiting", "confirming", "confirmed", "sending", "failed", "expired", "FINISHED", "finished ", "1", "")
    names_merchant = False
    calls_to_begin = True
    calls_to_query = True
    asset = "usdttrc20"

    def options(self, base_url: str) -> dict[str, str]:
        """An account."""
        return {"key": KEY, "ipn_secret": SECRET, "asset": self.asset, "url": base_url}

    def callback(self, claim: Claim) -> CallbackRequest:
        """A notification; the price stands in it as it is claimed."""
        told = {
            "actually_paid": 12.52,
            "fee": {"currency": "btc", "depositFee": 0.1},
            "order_id": claim.attempt_no,
            "pay_amount": 12.52,
            "pay_currency": "usdttrc20",
            "payment_id": claim.txn,
            "payment_status": "finished" if claim.state == "paid" else claim.state,
            "price_amount": "PRICE",
            "price_currency": "cny",
        }
        is_number = re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", claim.amount, re.ASCII)
        price = claim.amount if is_number else json.dumps(claim.amount, ensure_ascii=False)
        body = json.dumps(told, sort_keys=True, separators=(",", ":")).replace('"PRICE"', price).encode()
        key = SECRET if not claim.merchant else f"secret of {claim.merchant}"
        headers = {"x-nowpayments-sig": hmac.digest(key.encode(), body, "sha512").hex()}
        return CallbackRequest(method="POST", query=b"", headers=headers, body=body)

    def intent(self, base_url: str = "https://shop.example") -> Intent:
        """As it was begun."""
        return msgspec.structs.replace(super().intent(base_url), gateway_ref=PAYMENT)

    def payment(self, status: str) -> bytes:
        """A payment."""
        told: dict[str, Any] = {"payment_id": PAYMENT, "payment_status": status, "price_amount": 12.5, "price_currency": "cny"}
        told |= {"pay_address": "TAddr000000001", "pay_amount": 1.780627, "pay_currency": "usdttrc20", "network": "trx"}
        paid = 1.780627 if status == "finished" else 0
        return json.dumps({**told, "order_id": Claim().attempt_no, "actually_paid": paid}).encode()

    def begin_reply(self, intent: Intent) -> bytes | Reply:
        """A new payment is answered with 201."""
        return Reply(self.payment("waiting"), 201)

    def refusal(self, secret: str) -> Reply:
        """A careless service."""
        return Reply(json.dumps({"statusCode": 403, "code": "INVALID_API_KEY", "message": f"{secret} is wrong"}).encode(), 403)

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """The payment."""
        unknown = Reply(b'{"statusCode":404,"code":"NOT_FOUND","message":"Payment not found"}', 404)
        stage.mouth.says(unknown if state == "unknown" else self.payment("finished" if state == "paid" else "confirming"))


class ByPage(NowpaymentsVendor):
    """The buyer chooses on their page."""

    asset = "choose"

    def begin_reply(self, intent: Intent) -> bytes | Reply:
        """A page."""
        return b'{"id":"45","invoice_url":"https://nowpayments.io/payment/?iid=45"}'


class TestByAddress(GatewayContract):
    """POST /payment."""

    vendor = NowpaymentsVendor()


class TestByPage(GatewayContract):
    """POST /invoice."""

    vendor = ByPage()
