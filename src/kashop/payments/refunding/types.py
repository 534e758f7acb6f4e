"""What refunds are made of before they are rows."""

import msgspec


class RefundDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Money about to go back: so much of a receipt, in its currency. `reference` says of a recorded one how it went."""

    amount_minor: int
    reason: str
    way: str = "gateway"
    reference: str = ""
    approval_id: int | None = None


class Ahead(msgspec.Struct, frozen=True):
    """A refund made elsewhere of a payment that has not arrived yet; `amount_minor` is 0 when the vendor did not say."""

    attempt_id: int
    gateway_refund: str
    amount_minor: int
