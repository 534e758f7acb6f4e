"""Codes on their way from one key to the next."""

import msgspec


class StaleCode(msgspec.Struct, frozen=True):
    """A code that is not under its product's newest key. `home_id` is its batch's product; `newest` None: there is no key."""

    code_id: int
    product_id: int
    home_id: int
    epoch: int
    newest: int | None
    sealed: bytes


class Stretch(msgspec.Struct, frozen=True):
    """What a walk over the codes met up to `end`; `end` None: there are no more."""

    end: int | None
    codes: list[StaleCode]


class Resealed(msgspec.Struct, frozen=True):
    """A code sealed anew: `was` is the blob that was opened for it."""

    code_id: int
    epoch: int
    was: bytes
    newest: int
    sealed: bytes
