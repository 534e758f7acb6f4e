"""The audit's rows."""

import msgspec


class Event(msgspec.Struct, frozen=True):
    """One fact, as stored. `payload` is JSON."""

    seq: int
    at: int
    name: str
    actor_kind: str
    actor_ref: str
    session: str
    request_id: str
    object_kind: str
    object_id: int
    personal_id: int | None
    personal_hash: bytes | None
    reason: str
    payload: str
    prev_hash: bytes
    hash: bytes


class Head(msgspec.Struct, frozen=True):
    """The end of the chain."""

    seq: int
    hash: bytes


class Told(msgspec.Struct, frozen=True):
    """An event as people read it, with its personal values where they still exist."""

    seq: int
    at: int
    name: str
    actor_kind: str
    actor_ref: str
    reason: str
    payload: str
    personal: str | None
