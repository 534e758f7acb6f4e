"""What is looked for in the river, and what is found."""

import msgspec

ALWAYS = 2**62


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Which events. What is empty leaves open; `names` are whole names; `since` ≤ at < `until`."""

    names: tuple[str, ...] = ()
    actor_kind: str = ""
    actor_ref: str = ""
    object_kind: str = ""
    object_id: int = 0
    since: int = 0
    until: int = ALWAYS


class Found(msgspec.Struct, frozen=True):
    """An event on a page: who did what to which thing. `personal` is JSON, None where there is none or it was erased."""

    seq: int
    at: int
    name: str
    actor_kind: str
    actor_ref: str
    object_kind: str
    object_id: int
    reason: str
    payload: str
    personal: str | None
