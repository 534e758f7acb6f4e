"""The vault's rows."""

import msgspec


class RootCopy(msgspec.Struct, frozen=True):
    """The root key, wrapped for one way to unseal."""

    root_id: int
    method: str
    params: str
    wrapped: bytes


class DataKey(msgspec.Struct, frozen=True):
    """The key of one product and epoch, wrapped."""

    product_id: int
    epoch: int
    wrapped: bytes
