"""How an event becomes bytes and a hash (promises, "Audit log")."""

import hashlib

import msgspec

from kashop.audit.types import Event

GENESIS = bytes(32)

_encode = msgspec.json.Encoder().encode


def chained(event: Event) -> bytes:
    """The hash of an event, over everything in it but itself."""
    return hashed(
        event.prev_hash,
        event.seq,
        event.at,
        event.name,
        event.actor_kind,
        event.actor_ref,
        event.session,
        event.request_id,
        event.object_kind,
        event.object_id,
        None if event.personal_hash is None else event.personal_hash.hex(),
        event.reason,
        event.payload,
    )


def hashed(prev_hash: bytes, *content: int | str | None) -> bytes:
    """The same of what an event holds, in the order of `chained`."""
    return hashlib.blake2b(b"kashop/audit/v1" + prev_hash + _encode(content), digest_size=32).digest()


def commitment(salt: bytes, value: str) -> bytes:
    """What stands in the chain for personal values."""
    return hashlib.blake2b(salt + value.encode(), digest_size=32).digest()
