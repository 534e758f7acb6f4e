"""A day's payments out of the merchant's list of orders, which is the only statement that Epay has.

Always true: the list is walked from its newest order back to one day before the day in question, so that an order which was paid
late stands in it too; a list that cannot be walked so is a failure, never an empty day. When an order was refunded it does not
say, so refunds are left out.
"""

import datetime as dt
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from kashop.bundled.pay_epay.reading import CURRENCY, amount_of, is_attempt_no, number_of
from kashop.plugins.api import MINUTE, GatewayFailed, StatementLine

ZONE = dt.timezone(dt.timedelta(hours=8))
"""Epay's times are Beijing's."""

PAGE = 50
MOST_PAGES = 400
REPLY_BYTES = 512 * 1024
REST = 10 * MINUTE
"""How long after its end a day is still written to."""

_PAID = ("1", "2")
"""Paid, and paid but refunded since. What the platform froze (3) is missing on purpose: the difference is worth a look."""

Rows = Sequence[Mapping[str, Any]]


async def payments_of(day: dt.date, fetch: Callable[[int, int], Awaitable[Rows]], *, now: int) -> list[StatementLine] | None:
    """The payments of a day; None before it is over. `fetch` gives the rows behind so many, as a page of a number from 1 on.

    Raises GatewayFailed.
    """
    begin = _ms(dt.datetime.combine(day, dt.time(), ZONE))
    end = _ms(dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), ZONE))
    if now < end + REST:
        return None
    oldest = begin - (end - begin)
    lines: dict[str, StatementLine] = {}
    seen: set[str] = set()
    for page in range(1, MOST_PAGES + 1):
        rows = await fetch(len(seen), page)
        fresh = [row for row in rows if number_of(row, "trade_no") not in seen]
        added = [_time(row, "addtime") for row in rows]
        if rows and not fresh:
            raise GatewayFailed("the gateway gives the same page of its orders again and again")
        if added and added[0] < added[-1]:
            raise GatewayFailed("the gateway does not list its newest orders first")
        seen.update(number_of(row, "trade_no") for row in fresh)
        lines |= {line.gateway_txn: line for line in _lines(fresh) if begin <= line.happened_at < end}
        if not rows or added[-1] < oldest:
            return sorted(lines.values(), key=lambda line: (line.happened_at, line.gateway_txn))
    raise GatewayFailed(f"the gateway lists more than {MOST_PAGES * PAGE} orders since then")


def _lines(rows: Rows) -> Iterator[StatementLine]:
    for row in rows:
        if str(row.get("status")) not in _PAID:
            continue
        attempt_no = str(row.get("out_trade_no"))
        try:
            amount = amount_of(row.get("money"))
        except ValueError:
            raise _malformed("amount") from None
        yield StatementLine(
            kind="payment",
            gateway_txn=number_of(row, "trade_no"),
            amount_minor=amount,
            currency=CURRENCY,
            happened_at=_time(row, "endtime"),
            attempt_no=attempt_no if is_attempt_no(attempt_no) else "",
        )


def _time(row: Mapping[str, Any], name: str) -> int:
    try:
        if not number_of(row, "trade_no"):
            raise ValueError("transaction")
        return _ms(dt.datetime.strptime(str(row.get(name)), "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE))
    except ValueError:
        raise _malformed("time") from None


def _malformed(what: str) -> GatewayFailed:
    return GatewayFailed(f"the gateway lists an order with a malformed {what}")


def _ms(at: dt.datetime) -> int:
    return int(at.timestamp()) * 1000
