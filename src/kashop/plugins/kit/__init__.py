"""For authors' tests: the contract that every gateway passes, the stage on which it is tried, and simulated vendors.

    from kashop.plugins.kit import FormVendor, GatewayContract

    class MyVendor(FormVendor): ...          # the vendor's side, written from its documentation and not from your gateway

    class TestMyGateway(GatewayContract):
        vendor = MyVendor()

The contract needs pytest with pytest-asyncio in auto mode. `tests/gateways/` holds those of the box. A simulated vendor is a
subclass of `kashop.plugins.kit.simulator.Simulator`; it needs no pytest, and those of the box serve `kashop demo --gateways` too.
"""

from typing import TYPE_CHECKING, Any

from kashop.plugins.kit.stage import FixedClock, MemoryStore, Mouth, Reply, Stage, open_stage
from kashop.plugins.kit.vendor import Claim, FormVendor, JsonVendor, Vendor

if TYPE_CHECKING:
    from kashop.plugins.kit.contract import GatewayContract

__all__ = [
    "Claim",
    "FixedClock",
    "FormVendor",
    "GatewayContract",
    "JsonVendor",
    "MemoryStore",
    "Mouth",
    "Reply",
    "Stage",
    "Vendor",
    "open_stage",
]


def __getattr__(name: str) -> Any:
    """The contract on first use: a shop that runs simulated vendors has no pytest."""
    if name != "GatewayContract":
        raise AttributeError(name)
    from kashop.plugins.kit.contract import GatewayContract

    return GatewayContract
