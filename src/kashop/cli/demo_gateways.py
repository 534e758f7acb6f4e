"""Simulated vendors beside a practice shop: every gateway of the box, to be tried by hand."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from kashop.flows import gateways
from kashop.lib.actor import CLI
from kashop.payments.rules import AccountRules
from kashop.plugins.kit.simulator import Simulator
from kashop.plugins.kit.simulators import simulators
from kashop.shop import Shop

RATES = {"CNY": "1", "USD": "0.14", "EUR": "0.13"}
"""What a practice shop in CNY asks by a vendor of another currency."""


@contextmanager
def vendors(*, are_wanted: bool) -> Iterator[list[Simulator]]:
    """All of them at work, each on a free port of loopback; none unless they are wanted."""
    with ExitStack() as open_ones:
        yield [open_ones.enter_context(kind()) for kind in simulators().values()] if are_wanted else []


async def configure(shop: Shop, at_work: list[Simulator]) -> None:
    """An account for each vendor, as `sim-…`; one that an earlier demo left is told the new address."""
    for vendor in at_work:
        asked_in = "" if vendor.currency == shop.settings.text("shop.currency") else vendor.currency
        await gateways.configure(
            shop,
            f"sim-{vendor.name}",
            type=vendor.gateway_type,
            options=vendor.options(),
            actor=CLI,
            label=vendor.name,
            rules=AccountRules(currency=asked_in, rate=RATES[vendor.currency]),
        )
