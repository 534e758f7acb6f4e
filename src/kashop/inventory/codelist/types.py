"""What is looked for, and what is found of a code without opening it."""

import msgspec

STATES = ("free", "held", "sold", "void")
ANY_DAY = ("", "9999-12-31T99")
"""From no expiry at all to the last moment that can be written: an expiry is a day, or a day with its time behind a T."""


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """Which codes. None and '' leave a thing open; `expires` bounds the expiry as text, '' for none."""

    product_id: int | None = None
    sku_id: int | None = None
    batch_id: int | None = None
    pool_id: int | None = None
    status: str = ""
    expires: tuple[str, str] = ANY_DAY


class CodeRow(msgspec.Struct, frozen=True):
    """A code as the shop knows it, still sealed. `size` is the length of its seal."""

    code_id: int
    product_id: int
    sku_id: int
    pool_id: int
    batch_id: int
    epoch: int
    status: str
    line_id: int | None
    cost_minor: int
    expires_on: str
    note: str
    changed_at: int
    replaces_code_id: int | None
    size: int


class SealedRow(msgspec.Struct, frozen=True):
    """What is needed to open a code, and no more."""

    code_id: int
    product_id: int
    sku_id: int
    batch_id: int
    epoch: int
    status: str
    cost_minor: int
    expires_on: str
    sealed: bytes

    def __repr__(self) -> str:
        return f"<SealedRow {self.code_id}>"
