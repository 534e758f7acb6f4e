"""For authors' tests: the contract that every gateway passes, and the stage on which it is tried.

    from kashop.plugins.kit import FormVendor, GatewayContract

    class MyVendor(FormVendor): ...          # the vendor's side, written from its documentation and not
    from your gateway

    class TestMyGateway(GatewayContract):
        vendor = MyVendor()

Needs pytest with pytest-asyncio in auto mode. `tests/gateways/` holds the two of the box.
"""

from kashop.plugins.kit.contract import GatewayContract
from kashop.plugins.kit.stage import FixedClock, MemoryStore, Mouth, Reply, Stage, open_stage
from kashop.plugins.kit.vendor import Claim, FormVendor, Vendor

__all__ = [
    "Claim",
    "FixedClock",
    "FormVendor",
    "GatewayContract",
    "MemoryStore",
    "Mouth",
    "Reply",
    "Stage",
    "Vendor",
    "open_stage",
]
