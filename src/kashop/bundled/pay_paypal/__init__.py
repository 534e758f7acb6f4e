"""PayPal Orders v2: the buyer approves on PayPal's page, and the shop captures. Facts: protocols/paypal.md."""

from kashop.bundled.pay_paypal.gateway import PAYPAL
from kashop.plugins.api import GatewayType, hookimpl

KASHOP_PLUGIN = {"id": "pay_paypal", "name": "PayPal", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The type `paypal`."""
    return [PAYPAL]
