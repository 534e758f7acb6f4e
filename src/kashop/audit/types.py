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


class Touched(msgspec.Struct, frozen=True):
    """What an event was about."""

    seq: int
    object_kind: str
    object_id: int


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


class Signer(msgspec.Struct, frozen=True):
    """Who signs checkpoints; the seed is sealed."""

    name: str
    public_key: bytes
    sealed_seed: bytes

    def __repr__(self) -> str:
        return f"<Signer {self.name}>"


class Checkpoint(msgspec.Struct, frozen=True):
    """A signed note on the chain's first `seq` events, and whether something off the host has it."""

    seq: int
    hash: bytes
    at: int
    note: str
    pushed_at: int | None
    acknowledged_at: int | None
    acknowledged_by: str


class Flaw(msgspec.Struct, frozen=True):
    """The first thing wrong with a chain. `seq` is 0 when it stands beside the chain."""

    seq: int
    problem: str

    def __str__(self) -> str:
        return f"event {self.seq}: {self.problem}" if self.seq else self.problem


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What reading the whole chain showed. `signed_to` is the last event that a checkpoint stands for."""

    head: Head
    flaw: Flaw | None = None
    personal: int = 0
    erased: int = 0
    stored: int = 0
    outside: int = 0
    signed_to: int = 0


class Act(msgspec.Struct, frozen=True):
    """When somebody did something, and what the event says of it as JSON."""

    at: int
    payload: str
