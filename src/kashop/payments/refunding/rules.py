"""What may go back of a receipt, what that counts for its order, and when a gateway is asked again. Pure."""

from collections.abc import Sequence

from kashop.lib.clock import DAY, HOUR, MINUTE, SECOND
from kashop.payments.rows import Receipt, Refund

BACK_OFF = (10 * SECOND, 20 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR)
"""How long after each asking the next one comes; after the last, every hour, and after three days every six."""

UNCLEAR_AFTER = DAY
"""A refund that is still open then is put on the desk. Its gateway is asked all the same."""


def live(refunds: Sequence[Refund]) -> list[Refund]:
    """Those that are done or may still be."""
    return [refund for refund in refunds if refund.status != "failed"]


def rest(receipt: Receipt, refunds: Sequence[Refund]) -> int:
    """What is left to go back of a receipt, given its refunds."""
    return receipt.amount_minor - sum(refund.amount_minor for refund in live(refunds))


def counted(receipt: Receipt, refunds: Sequence[Refund], amount_minor: int) -> int:
    """What so much of a receipt counts for its order: its share, rounded down; the last of it takes what is left."""
    left = receipt.counted_minor - sum(refund.counted_minor for refund in live(refunds))
    if amount_minor >= rest(receipt, refunds):
        return left
    return min(left, receipt.counted_minor * amount_minor // receipt.amount_minor)


def amount_of(receipt: Receipt, counted_minor: int) -> int:
    """The amount in a receipt's currency that counts as so much of its order: rounded down, so that never too much goes back."""
    return receipt.amount_minor * counted_minor // receipt.counted_minor if receipt.counted_minor else 0


def next_try(created_at: int, tries: int, now: int) -> int:
    """When to ask (again) about a refund whose gateway was asked so many times."""
    if now > created_at + 3 * DAY:
        return now + 6 * HOUR
    return now + BACK_OFF[min(max(tries, 1), len(BACK_OFF)) - 1]
