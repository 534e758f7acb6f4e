"""WeChat Pay 微信支付, APIv3: QR code, phone browsers, and inside WeChat. Facts: protocols/wechatpay.md."""

from kashop.bundled.pay_wechat.gateway import WECHAT
from kashop.bundled.pay_wechat.pages import PAGES
from kashop.plugins.api import GatewayType, Page, hookimpl

KASHOP_PLUGIN = {"id": "pay_wechat", "name": "WeChat Pay 微信支付", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The type `wechat`."""
    return [WECHAT]


@hookimpl
def register_pages() -> list[Page]:
    """On the way to paying inside WeChat, and from the shop to WeChat's page for phones."""
    return PAGES
