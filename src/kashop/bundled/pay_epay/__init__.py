"""Epay 易支付, the dialect of most Chinese payment aggregators: V1 (signed by MD5) and V2 (by RSA). Facts: protocols/epay.md.

Always true: which of the two an account speaks is the merchant's choice, never that of a request.
"""

from kashop.bundled.pay_epay.gateway import EPAY
from kashop.bundled.pay_epay.gateway_v2 import EPAY_V2
from kashop.plugins.api import GatewayType, hookimpl

KASHOP_PLUGIN = {"id": "pay_epay", "name": "Epay 易支付", "version": "2.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The types `epay` and `epay_v2`."""
    return [EPAY, EPAY_V2]
