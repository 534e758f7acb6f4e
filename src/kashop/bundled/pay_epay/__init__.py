"""Epay 易支付, protocol V1 (MD5): the dialect of most Chinese payment aggregators. Facts: protocols/epay.md."""

from kashop.bundled.pay_epay.gateway import EPAY
from kashop.plugins.api import GatewayType, hookimpl

KASHOP_PLUGIN = {"id": "pay_epay", "name": "Epay 易支付", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The type `epay`."""
    return [EPAY]
