"""A day of Stripe's balance transactions as statement lines (stripe.md §6).

Always true: only payments that carry our mark are listed, and the refunds of those; the rest of the Stripe account is not ours.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_stripe import units, words
from kashop.bundled.pay_stripe.client import StripeApi
from kashop.bundled.pay_stripe.events import Payments
from kashop.plugins.api import MINUTE, GatewayFailed, StatementLine

READY_AFTER = 15 * MINUTE
_KINDS = {"charge": "payment", "payment": "payment", "refund": "refund", "payment_refund": "refund"}


async def of_day(day: dt.date, api: StripeApi, payments: Payments, *, now: int) -> list[StatementLine] | None:
    """The lines of a day in UTC, oldest first; None before it is over. Raises GatewayFailed."""
    first = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
    if now < (first + 86_400) * 1000 + READY_AFTER:
        return None
    params = {"created[gte]": str(first), "created[lt]": str(first + 86_400), "expand[]": "data.source"}
    lines = []
    async for row in api.each("balance_transactions", params):
        kind = _KINDS.get(str(row.get("type")))
        source = row.get("source")
        if kind is None or not isinstance(source, Mapping):
            continue
        try:
            line = await _line(kind, row, source, payments)
        except ValueError:
            raise GatewayFailed("Stripe's statement holds a malformed line") from None
        lines += [line] if line else []
    return lines[::-1]  # Stripe lists the newest first


async def _line(kind: str, row: Mapping[str, Any], source: Mapping[str, Any], payments: Payments) -> StatementLine | None:
    """One line in the currency that the buyer paid in; the account's own currency, in which the fee is, may be another."""
    if source.get("payment_intent") is None:
        return None
    txn = words.id_of(source["payment_intent"])
    attempt_no = words.mark(source, words.ATTEMPT) or ("" if kind == "payment" else await payments.attempt_of(txn))
    if not attempt_no:
        return None
    amount, currency = units.told(source.get("amount"), source.get("currency"))
    is_same = row.get("currency") == source.get("currency")
    is_refund = kind == "refund"
    return StatementLine(
        kind=kind,
        gateway_txn=txn,
        amount_minor=amount,
        currency=currency,
        happened_at=int(str(row.get("created"))) * 1000,
        attempt_no=attempt_no,
        refund_no=words.mark(source, words.REFUND) if is_refund else "",
        gateway_refund=words.id_of(source) if is_refund else "",
        fee_minor=units.told(row.get("fee"), row.get("currency"))[0] if is_same and not is_refund else 0,
    )
