"""What a look across the rooms finds."""

import msgspec


class Witness(msgspec.Struct, frozen=True):
    """The first row that breaks an invariant: which one, and how."""

    subject: str
    problem: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem}"


class Sealed(msgspec.Struct, frozen=True):
    """A code as the vault keeps it, with the kind of its batch."""

    code_id: int
    product_id: int
    epoch: int
    sealed: bytes
    fingerprint: bytes
    kind: str


class Undone(msgspec.Struct, frozen=True):
    """A code that was taken back."""

    code_id: int
    fingerprint: bytes
    released_fingerprint: bytes


class Fact(msgspec.Struct, frozen=True):
    """An event of the river, as far as a history is told by it."""

    seq: int
    name: str
    object_id: int
    payload: str


class PricedLine(msgspec.Struct, frozen=True):
    """A line with the price list that its price was taken from."""

    line_id: int
    order_no: str
    quantity: int
    total_minor: int
    prices: str


class Delivery(msgspec.Struct, frozen=True):
    """The payload of `line.delivered`."""

    line: int
    codes: tuple[int, ...]


class SoldCode(msgspec.Struct, frozen=True):
    """Whose a sold code is."""

    code_id: int
    line_id: int | None


class Ending(msgspec.Struct, frozen=True):
    """An order and where it stands."""

    order_id: int
    order_no: str
    status: str


class CodePlace(msgspec.Struct, frozen=True):
    """A code's way through the shop: the batch it came in with, and the order it went to."""

    code_id: int
    product_id: int
    product: str
    sku_code: str
    batch_id: int
    batch: str
    kind: str
    created_at: int
    created_by: str
    status: str
    changed_at: int
    replaces_code_id: int | None
    line_id: int | None
    order_id: int | None
    order_no: str | None
