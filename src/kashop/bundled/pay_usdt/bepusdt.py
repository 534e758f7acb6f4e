"""BEpusdt (usdt.md §3): it answers 200 to everything, signs numbers as Go writes them, and can close an order."""

import re
from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_usdt import options as account
from kashop.bundled.pay_usdt import reading, signing
from kashop.bundled.pay_usdt.dialect import STATES, Dialect, Refused
from kashop.plugins.api import GatewayFailed, GatewayType, Intent, Notice, Number, _, is_line_trusted

LEAST_SECONDS, MOST_SECONDS = 180, 86_400
_HASH = re.compile(r"(?:0x)?[0-9A-Za-z_+=-]{32,128}", re.ASCII)
_UNKNOWN = ("不存在", "not found")
"""What it says of an order that it does not know: its code is 400 for every refusal."""


class BepusdtGateway(Dialect):
    """It also calls back about orders that wait or have expired; those are acknowledged and pay nothing."""

    known = (
        account.URL,
        account.KEY,
        account.asset("usdt.trc20", _("Its trade type, such as usdt.trc20; choose: the buyer chooses on the gateway's page.")),
        account.FIAT,
        account.SHOWN_AS,
        account.ALLOW_HTTP,
    )
    asset_form = re.compile(r"choose|[0-9a-z]{1,16}\.[0-9a-z]{1,16}", re.ASCII)
    forms = (signing.literal, signing.go)
    states = {**STATES, "4": "closed"}  # noqa: RUF012 - read only

    @property
    def create(self) -> str:  # type: ignore[override]
        """Another address when the buyer chooses."""
        return f"api/v1/order/create-{'order' if self._asset == account.CHOOSE else 'transaction'}"

    def request(self, intent: Intent, amount: Number) -> dict[str, Any]:
        """A new order that lives as long as ours."""
        left = (intent.expires_at - self._clock.now()) // 1000
        fields = {
            "order_id": intent.attempt_no,
            "amount": amount,
            "fiat": self._fiat,
            "notify_url": intent.callback_url,
            "redirect_url": intent.return_url,
            "timeout": Number(min(max(left, LEAST_SECONDS), MOST_SECONDS)),
        }
        return fields if self._asset == account.CHOOSE else {**fields, "trade_type": self._asset}

    def coin(self, data: Mapping[str, Any]) -> str:
        """That of the trade type; its `token` is the address."""
        return "" if self._asset == account.CHOOSE else self._asset.partition(".")[0].upper()

    def expires_at(self, told: int) -> int:
        """It counts the seconds that are left."""
        return self._clock.now() + told * 1000

    async def query(self, intent: Intent) -> Notice | None:
        """Ask for the order with its amounts."""
        data = await self._info(intent) if intent.gateway_ref else None
        if data is None:
            return None
        state = self.states.get(str(data.get("status")), "pending")
        if state != "paid":
            return Notice(state=state, attempt_no=intent.attempt_no)
        txn = _hash(data)
        if not txn or not is_line_trusted(self._base):
            return Notice(state="paid", attempt_no=intent.attempt_no, is_hint=True)
        try:
            return reading.paid(
                intent.attempt_no,
                amount=data.get("money", data.get("amount")),
                currency=str(data.get("fiat") or self._fiat),
                txn=txn,
                coin=self.coin(data),
                coin_amount=data.get("actual_amount"),
            )
        except ValueError as error:
            raise GatewayFailed(f"the gateway answered with a malformed {error}") from None

    async def close(self, intent: Intent) -> None:
        """Cancel the order. What it refuses to cancel is looked at: only one that may still be paid, or is, is a failure."""
        if not intent.gateway_ref:
            return
        try:
            await self._ask("api/v1/order/cancel-transaction", {"trade_id": intent.gateway_ref})
        except Refused as refused:
            data = await self._info(intent)
            if data is not None and self.states.get(str(data.get("status"))) not in ("closed", "failed"):
                raise refused from None

    async def probe(self, key: str) -> str:
        """What it answers to the cancelling of an order that is none: the words differ, its code never does."""
        try:
            await self._ask("api/v1/order/cancel-transaction", {"trade_id": "self-test"}, key=key)
        except Refused as refused:
            return refused.problem
        return ""

    async def _info(self, intent: Intent) -> dict[str, Any] | None:
        try:
            data = await self._post("api/v1/pay/info", {"trade_id": intent.gateway_ref})
        except Refused as refused:
            if any(word in refused.problem.lower() for word in _UNKNOWN):
                return None
            raise
        if data.get("trade_id") != intent.gateway_ref or data.get("order_id") != intent.attempt_no:
            raise GatewayFailed("the gateway answered about another order")
        return data


def _hash(data: Mapping[str, Any]) -> str:
    """The transaction's hash: told, or at the end of the address of its page at the block explorer."""
    told = data.get("block_transaction_id") or data.get("trade_hash") or str(data.get("trade_url") or "")
    tail = str(told).partition("?")[0].rstrip("/").rpartition("/")[2]
    return tail if _HASH.fullmatch(tail) else ""


BEPUSDT = GatewayType(
    type="bepusdt",
    label=_("BEpusdt"),
    methods=account.METHODS,
    currencies=account.FIATS,
    options=BepusdtGateway.known,
    make=BepusdtGateway,
    closes=True,
)
