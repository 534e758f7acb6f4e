"""The USDT family of self-hosted gateways: epusdt, GMPay (epusdt of 2026), BEpusdt and TokenPay. Facts: protocols/usdt.md."""

from kashop.bundled.pay_usdt.bepusdt import BEPUSDT
from kashop.bundled.pay_usdt.epusdt import EPUSDT
from kashop.bundled.pay_usdt.gmpay import GMPAY
from kashop.bundled.pay_usdt.tokenpay import TOKENPAY
from kashop.plugins.api import GatewayType, hookimpl

KASHOP_PLUGIN = {"id": "pay_usdt", "name": "USDT", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The types `epusdt`, `gmpay`, `bepusdt` and `tokenpay`."""
    return [EPUSDT, GMPAY, BEPUSDT, TOKENPAY]
