"""Stripe Checkout: the buyer pays on Stripe's own page. Facts: protocols/stripe.md; plain REST: docs/decisions/0023."""

from kashop.bundled.pay_stripe.gateway import STRIPE
from kashop.plugins.api import GatewayType, hookimpl

KASHOP_PLUGIN = {"id": "pay_stripe", "name": "Stripe Checkout", "version": "1.0.0", "plugin_api": 1}


@hookimpl
def register_gateways() -> list[GatewayType]:
    """The type `stripe`."""
    return [STRIPE]
