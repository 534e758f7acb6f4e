"""What can be asked for, who may, and for how long it holds."""

from array import array
from collections.abc import Collection
from sys import byteorder

import msgspec

from kashop.lib.clock import DAY

LIFETIME = DAY


class Kind(msgspec.Struct, frozen=True):
    """The permission that the act itself needs, and the one to approve it."""

    act: str
    approve: str


KINDS = {
    "codes.export": Kind("codes.export", "codes.approve"),
    "codes.reveal": Kind("codes.reveal", "codes.approve"),
    "orders.refund": Kind("orders.refund", "orders.refund"),
    "orders.confirm": Kind("orders.confirm", "orders.confirm"),
}


def decided_by(permissions: Collection[str]) -> list[str]:
    """The kinds that somebody with these permissions may approve."""
    return [name for name, kind in KINDS.items() if kind.approve in permissions]


def packed(items: list[int]) -> bytes:
    """Ids as they are kept: eight bytes each, the highest first."""
    made = array("q", items)
    if byteorder == "little":
        made.byteswap()
    return made.tobytes()


def unpacked(kept: bytes) -> list[int]:
    """The inverse of `packed`."""
    made = array("q", kept)
    if byteorder == "little":
        made.byteswap()
    return made.tolist()
