"""GMPay, the epusdt of 2026: merchants by number, many coins and networks (usdt.md §2)."""

import re
from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_usdt import options as account
from kashop.bundled.pay_usdt.dialect import Dialect, Refused
from kashop.plugins.api import Context, Finding, GatewayFailed, GatewayType, Intent, Number, Option, Rejected, _

_SYMBOL = re.compile(r"[0-9A-Za-z]{1,16}", re.ASCII)


class GmpayGateway(Dialect):
    """The secret belongs to the pid, which every callback names. The default install calls back twice at most."""

    known = (
        account.URL,
        Option(name="pid", label=_("Merchant number (pid)")),
        account.KEY,
        account.asset("usdt.tron", _("coin.network, such as usdt.tron; choose: the buyer chooses on the gateway's page.")),
        account.FIAT,
        account.SHOWN_AS,
        account.ALLOW_HTTP,
    )
    asset_form = re.compile(r"choose|[0-9a-z]{1,16}\.[0-9a-z-]{1,24}", re.ASCII)
    create = "payments/gmpay/v1/order/create-transaction"

    def __init__(self, options: Mapping[str, str], ctx: Context):
        super().__init__(options, ctx)
        self._pid = options["pid"]

    def request(self, intent: Intent, amount: Number) -> dict[str, Any]:
        """A new order."""
        fields = {
            "pid": self._pid,
            "order_id": intent.attempt_no,
            "currency": self._fiat.lower(),
            "amount": amount,
            "notify_url": intent.callback_url,
            "redirect_url": intent.return_url,
        }
        if self._asset == account.CHOOSE:
            return fields
        token, network = self._asset.split(".")
        return {**fields, "token": token, "network": network}

    def coin(self, data: Mapping[str, Any]) -> str:
        """As it says."""
        token = data.get("token")
        if not isinstance(token, str) or not _SYMBOL.fullmatch(token):
            raise ValueError("coin")
        return token.upper()

    def refuse_foreign(self, fields: Mapping[str, Any]) -> None:
        """Only our pid is ours."""
        if str(fields.get("pid")) != self._pid:
            raise Rejected("merchant")

    async def test(self) -> list[Finding]:
        """And whether the gateway takes the coin on that network."""
        found = await super().test()
        if not all(f.is_ok for f in found[1:]) or self._asset == account.CHOOSE:
            return found
        token, network = self._asset.split(".")
        try:
            told = (await self._get("payments/gmpay/v1/config")).get("supported_assets")
        except (GatewayFailed, Refused) as failed:
            return [*found, Finding(subject=_("Coin and network"), is_ok=False, advice=failed.problem)]
        is_taken = token in _tokens(told, network)
        advice = "" if is_taken else _("The gateway has no wallet for this coin on this network: add one there.")
        return [*found, Finding(subject=_("Coin and network"), is_ok=is_taken, advice=advice)]


def _tokens(assets: Any, network: str) -> set[str]:
    """The coins of a network, in lower case; the assets come as a list of networks or as a table."""
    if isinstance(assets, dict):
        assets = [{"network": name, "tokens": tokens} for name, tokens in assets.items()]
    rows = [row for row in assets or [] if isinstance(row, dict) and str(row.get("network", "")).lower() == network]
    return {
        str(t.get("token", t.get("symbol", "")) if isinstance(t, dict) else t).lower() for r in rows for t in r["tokens"] or []
    }


GMPAY = GatewayType(
    type="gmpay",
    label=_("GMPay (epusdt 2026)"),
    methods=account.METHODS,
    currencies=account.FIATS,
    options=GmpayGateway.known,
    make=GmpayGateway,
)
