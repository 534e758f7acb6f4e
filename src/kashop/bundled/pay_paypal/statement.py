"""A day of PayPal's transaction report as statement lines (paypal.md §7).

Always true: only payments with an attempt's number as their custom field are listed, and the refunds of those.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from kashop.bundled.pay_paypal import words
from kashop.bundled.pay_paypal.client import PayPalApi
from kashop.bundled.pay_paypal.events import Captures
from kashop.plugins.api import HOUR, GatewayFailed, StatementLine

READY_AFTER = 3 * HOUR
PAGE, MOST_PAGES, MOST_BYTES = 500, 200, 4 * 1024 * 1024
REFUND = "T1107"


async def of_day(day: dt.date, api: PayPalApi, captures: Captures, *, now: int) -> list[StatementLine] | None:
    """The lines of a day in UTC, as PayPal lists them; None while its report may still grow. Raises GatewayFailed."""
    begin = dt.datetime.combine(day, dt.time(), dt.UTC)
    end = begin + dt.timedelta(days=1)
    if now < int(end.timestamp() * 1000) + READY_AFTER:
        return None
    params = {
        "start_date": begin.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "end_date": (end - dt.timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "fields": "transaction_info",
        "page_size": str(PAGE),
    }
    lines: list[StatementLine] = []
    for page in range(1, MOST_PAGES + 1):
        said = await api.get("/v1/reporting/transactions", {**params, "page": str(page)}, limit=MOST_BYTES)
        try:
            if _at(said.get("last_refreshed_datetime") or params["end_date"]) < _at(params["end_date"]):
                return None
            lines += [line for row in _rows(said) if (line := await _line(row, captures))]
            pages = int(str(said.get("total_pages")))
        except ValueError:
            raise GatewayFailed("PayPal's report is malformed", is_unclear=True) from None
        if page >= pages:
            return lines
    raise GatewayFailed("PayPal's report has no end", is_unclear=True)


def _rows(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = said.get("transaction_details")
    if not isinstance(details, list):
        raise ValueError("malformed")
    infos = [detail.get("transaction_info") for detail in details if isinstance(detail, Mapping)]
    return [info for info in infos if isinstance(info, Mapping)]


async def _line(info: Mapping[str, Any], captures: Captures) -> StatementLine | None:
    code, is_done = str(info.get("transaction_event_code")), info.get("transaction_status") == "S"
    is_refund = code == REFUND
    if not is_done or not (is_refund or code.startswith("T00")):
        return None
    txn = words.id_of(info.get("paypal_reference_id" if is_refund else "transaction_id"))
    attempt_no = _ours(info) or (await captures.attempt_of(txn) if is_refund else "")
    amount, currency = words.amount_told(_positive(info.get("transaction_amount")))
    if not attempt_no or (not is_refund and _is_negative(info.get("transaction_amount"))):
        return None
    number = str(info.get("invoice_id") or "")
    return StatementLine(
        kind="refund" if is_refund else "payment",
        gateway_txn=txn,
        amount_minor=amount,
        currency=currency,
        happened_at=_at(info.get("transaction_initiation_date")),
        attempt_no=attempt_no,
        refund_no=words.number(number) if is_refund and number and number != attempt_no else "",
        gateway_refund=words.id_of(info.get("transaction_id")) if is_refund else "",
        fee_minor=_fee(info, currency) if not is_refund else 0,
    )


def _ours(info: Mapping[str, Any]) -> str:
    try:
        return words.number(info.get("custom_field"))
    except ValueError:  # another business of the merchant's wrote it
        return ""


def _fee(info: Mapping[str, Any], currency: str) -> int:
    fee = info.get("fee_amount")
    if fee is None or not isinstance(fee, Mapping) or str(fee.get("value")).strip("-0.") == "":
        return 0
    minor, told = words.amount_told(_positive(fee))
    return minor if told == currency else 0


def _positive(amount: object) -> object:
    return {**amount, "value": str(amount.get("value")).removeprefix("-")} if isinstance(amount, Mapping) else amount


def _is_negative(amount: object) -> bool:
    return isinstance(amount, Mapping) and str(amount.get("value")).startswith("-")


def _at(text: object) -> int:
    """Milliseconds UTC of a time such as 2026-11-01T04:00:00+0000 or …Z. Raises ValueError."""
    return int(dt.datetime.fromisoformat(str(text)).timestamp() * 1000)
