"""V免签 (vmq): a merchant's own server and phone that watch his personal accounts. Facts: protocols/aggregators.md §4."""

from kashop.bundled.pay_vmq.gateway import VMQ
from kashop.plugins.api import GatewayType, hookimpl

KASHOP_PLUGIN = {"id": "pay_vmq", "name": "V免签", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The type `vmq`."""
    return [VMQ]
