"""虎皮椒 (xunhupay): WeChat Pay and Alipay for merchants without a company, an appid each. Facts: protocols/aggregators.md §1."""

from kashop.bundled.pay_xunhu.gateway import XUNHU
from kashop.plugins.api import GatewayType, hookimpl

KASHOP_PLUGIN = {"id": "pay_xunhu", "name": "虎皮椒", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The type `xunhu`."""
    return [XUNHU]
