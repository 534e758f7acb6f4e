"""BTCPay Server by its Greenfield API: your own server, your own wallets. Facts: protocols/btcpay.md §1."""

from kashop.bundled.pay_btcpay.gateway import BTCPAY
from kashop.plugins.api import GatewayType, hookimpl

KASHOP_PLUGIN = {"id": "pay_btcpay", "name": "BTCPay Server", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The type `btcpay`."""
    return [BTCPAY]
