"""NOWPayments: hundreds of coins by a hosted service. Facts: protocols/btcpay.md §2."""

from kashop.bundled.pay_nowpayments.gateway import NOWPAYMENTS
from kashop.plugins.api import GatewayType, hookimpl

KASHOP_PLUGIN = {"id": "pay_nowpayments", "name": "NOWPayments", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The type `nowpayments`."""
    return [NOWPAYMENTS]
