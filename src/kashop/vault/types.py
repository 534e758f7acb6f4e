"""The vault's rows."""

import msgspec

from kashop.lib.errors import Conflict

METHODS = ("keyfile", "passphrase", "recovery")
"""The ways to unseal. A fourth row, `service`, holds the keys that serve a sealed shop, wrapped under the key file."""


class RootCopy(msgspec.Struct, frozen=True):
    """The root key, wrapped for one way to unseal. `params` is JSON: salt and costs of a passphrase; `label` says whose it is."""

    root_id: int
    method: str
    params: str
    wrapped: bytes
    label: str
    created_at: int


class SealState(msgspec.Struct, frozen=True):
    """Whether deliveries wait for the vault: since when, why (start, asked, alarm) and by whom. `sealed_at` None: open."""

    sealed_at: int | None
    why: str
    sealed_by: str


class Door(msgspec.Struct, frozen=True):
    """A running server, by the public key that it made when it started."""

    door_id: int
    public_key: bytes


class Letter(msgspec.Struct, frozen=True):
    """The root key on its way to one running server."""

    letter_id: int
    box: bytes


class DataKey(msgspec.Struct, frozen=True):
    """The key of one product and epoch, wrapped."""

    product_id: int
    epoch: int
    wrapped: bytes


class OldEpoch(Conflict):
    """The product has a newer data key than these codes are sealed under: seal them again."""

    code = "old_epoch"

    def __init__(self) -> None:
        super().__init__("The keys were changed meanwhile. Please try again.")
