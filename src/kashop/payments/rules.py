"""Whether a notice may settle an attempt, and when a gateway is asked again. Pure."""

from kashop.lib.clock import HOUR, MINUTE, SECOND
from kashop.payments.rows import Attempt
from kashop.payments.types import Notice

FIRST_QUERY = 20 * SECOND
QUERY_FOR = 26 * HOUR
"""Vendors repeat a callback for a day; after that the statement is the place to look."""


def flaw(attempt: Attempt, notice: Notice) -> str:
    """Why the money of a proved notice may not be counted towards its attempt's order: a stable word, or nothing.

    The gateway account and the merchant were bound before: the attempt is looked up within the account that proved the notice.
    """
    if notice.currency != attempt.currency:
        return "currency"
    if notice.method and attempt.method and notice.method != attempt.method:
        return "method"
    return ""


def next_query(attempt: Attempt, now: int) -> int | None:
    """When to ask the gateway again: doubling from 20 s to 5 min while the order lives, once at its deadline, then every hour.

    None after a day.
    """
    if now >= attempt.created_at + QUERY_FOR:
        return None
    if now >= attempt.expires_at:
        return now + HOUR if now > attempt.expires_at + 30 * MINUTE else now + 5 * MINUTE
    later = now + min(FIRST_QUERY << min(attempt.queries, 10), 5 * MINUTE)
    return min(later, attempt.expires_at)
