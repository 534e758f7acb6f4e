"""The rotation's rows."""

import msgspec


class Rotation(msgspec.Struct, frozen=True):
    """One rotation. `product_id` None: every product. `status` is running, done, or incomplete: some code did not open."""

    rotation_id: int
    product_id: int | None
    status: str
    sweep: int
    cursor: int
    found: int
    total: int
    done: int
    codes_before: int
    fingerprints_before: int
    keys_before: int
    codes_after: int | None
    fingerprints_after: int | None
    keys_after: int | None
    unreadable: int
    witness: str
    started_by: str
    started_at: int
    moved_at: int
    ended_at: int | None


class Counted(msgspec.Struct, frozen=True):
    """What a rotation must not change: how many codes there are, and how many different fingerprints."""

    codes: int
    fingerprints: int


class Unreadable(msgspec.Struct, frozen=True):
    """A code that did not open where it stands; `home_id` is the product of its batch."""

    code_id: int
    product_id: int
    home_id: int
    epoch: int
