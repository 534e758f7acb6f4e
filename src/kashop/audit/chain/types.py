"""What the reading of the chain needs of its rows."""

import msgspec

from kashop.audit.types import Event


class Link(Event, frozen=True):
    """An event beside the personal values that it points at, if they are there."""

    salt: bytes | None
    value: str | None


class Erasure(msgspec.Struct, frozen=True):
    """The payload of `personal.erased`: values of all events up to this one were erased."""

    through: int


class Fact(msgspec.Struct, frozen=True):
    """An event's payload."""

    seq: int
    payload: str
