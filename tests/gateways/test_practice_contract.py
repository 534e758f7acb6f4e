"""The practice gateway keeps the contract of all gateways; the vendor's side here signs on its own."""

import hashlib
import hmac
from urllib.parse import urlencode

from kashop.bundled.practice import book
from kashop.bundled.practice.gateway import PRACTICE
from kashop.payments.types import Intent
from kashop.plugins.kit import Claim, FormVendor, GatewayContract, Stage
from kashop.plugins.kit.vendor import Pairs

KEY = "practice-key-of-a-test"


def mac(key: str, text: str) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


class PracticeVendor(FormVendor):
    """The cashier."""

    type = PRACTICE
    method = "practice"
    carrier = "body"
    unpaid = ("pending", "failed", "PAID", "paid ", "refunded", "")

    def options(self, base_url: str) -> dict[str, str]:
        """An account."""
        return {"key": KEY}

    def fields(self, claim: Claim) -> dict[str, str]:
        """A callback."""
        return {
            "merchant": claim.merchant or mac(KEY, "merchant")[:16],
            "attempt": claim.attempt_no,
            "txn": claim.txn,
            "state": claim.state,
            "amount": claim.amount,
            "currency": self.currency,
            "method": claim.method or self.method,
            **claim.extra,
        }

    def sign(self, pairs: Pairs, *, key: str = "") -> str:
        """With the attempt's key, in the order given."""
        attempt_key = mac(key or KEY, f"attempt:{dict(pairs)['attempt']}")
        return mac(attempt_key, urlencode(list(pairs)))

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """By the cashier's own book."""
        if state == "unknown":
            return
        await book.enter(stage.ctx, intent, KEY)
        if state == "paid":
            await book.pay(stage.ctx, intent.attempt_no, 1250, seen=0)


class TestPractice(GatewayContract):
    """The practice cashier."""

    vendor = PracticeVendor()
