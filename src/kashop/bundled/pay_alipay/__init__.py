"""Alipay 支付宝, the open platform with RSA2: QR code, computer page and phone page. Facts: protocols/alipay.md."""

from kashop.bundled.pay_alipay.gateway import ALIPAY
from kashop.plugins.api import GatewayType, hookimpl

KASHOP_PLUGIN = {"id": "pay_alipay", "name": "Alipay 支付宝", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The type `alipay`."""
    return [ALIPAY]
