"""A transfer that the buyer makes himself, by bank or to a personal QR code, and that staff (or a statement) find again."""

from kashop.bundled.pay_transfer.gateway import TRANSFER
from kashop.plugins.api import GatewayType, hookimpl

KASHOP_PLUGIN = {"id": "pay_transfer", "name": "Transfer", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The type `transfer`."""
    return [TRANSFER]
