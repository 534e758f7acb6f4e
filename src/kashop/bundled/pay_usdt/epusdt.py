"""epusdt, as it was from 2022 to 2023: USDT on TRON, orders in CNY (usdt.md §1)."""

from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_usdt import options as account
from kashop.bundled.pay_usdt.dialect import Dialect
from kashop.plugins.api import GatewayType, Intent, Number, _


class EpusdtGateway(Dialect):
    """The original. Its numbers are signed in their shortest decimal form."""

    known = (account.URL, account.KEY, account.ALLOW_HTTP)

    def request(self, intent: Intent, amount: Number) -> dict[str, Any]:
        """A new order."""
        return {
            "order_id": intent.attempt_no,
            "amount": amount,
            "notify_url": intent.callback_url,
            "redirect_url": intent.return_url,
        }

    def coin(self, data: Mapping[str, Any]) -> str:
        """It knows one coin; its `token` is the address."""
        return "USDT"


EPUSDT = GatewayType(
    type="epusdt",
    label=_("epusdt"),
    methods=account.METHODS[:1],
    currencies=("CNY",),
    options=EpusdtGateway.known,
    make=EpusdtGateway,
)
