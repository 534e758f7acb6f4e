"""Reads WeChat Pay's trade bill: lines whose every value wears a back-tick, amounts in yuan (wechatpay.md §7).

Pure. Always true: what is read is bounded; what is no bill is a ValueError.
"""

import datetime as dt
import re
import zlib
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from kashop.plugins.api import StatementLine, minor_units

MOST_BYTES = 64 * 1024 * 1024
CURRENCY = "CNY"
_BEIJING = dt.timezone(dt.timedelta(hours=8))
_NEEDED = ("交易时间", "微信订单号", "商户订单号", "交易状态")
_NUMBER = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_REFUND_NO = re.compile(r"[A-Z][A-Z0-9]{5,31}", re.ASCII)
_TXN = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_MADE = ("SUCCESS", "PROCESSING")
"""A refund stands in the bill of the day it was asked for, and in no later one."""


def unpacked(content: bytes) -> bytes:
    """The bill as plain text: unpacked if it is a gzip file. Raises ValueError."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        opener = zlib.decompressobj(31)
        plain = opener.decompress(content, MOST_BYTES + 1)
    except zlib.error:
        raise ValueError("not a gzip file") from None
    if len(plain) > MOST_BYTES or not opener.eof:
        raise ValueError("too large, or cut off")
    return plain


def read(content: bytes) -> list[StatementLine]:
    """Every payment and refund of a bill. Raises ValueError."""
    plain = unpacked(content)
    if len(plain) > MOST_BYTES:
        raise ValueError("too large")
    try:
        rows = plain.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        rows = plain.decode("gb18030").splitlines()
    head = [name.strip().lstrip("`") for name in rows[0].split(",")] if rows else []
    if missing := [name for name in _NEEDED if name not in head]:
        raise ValueError(f"no column {missing[0]}")
    lines = []
    for row in rows[1:]:
        if row.startswith("总交易单数"):
            break
        if row.strip():
            lines.append(_line(dict(zip(head, _cells(row), strict=True))))
    return [line for line in lines if line is not None]


def _cells(row: str) -> list[str]:
    """A comma parts two values only before a back-tick: a name may hold one."""
    if not row.startswith("`"):
        raise ValueError("a value without its mark")
    return [cell.strip() for cell in row[1:].rstrip("\r\n").split(",`")]


def _line(fields: dict[str, str]) -> StatementLine | None:
    state = fields["交易状态"]
    is_refund = state == "REFUND"
    if state not in ("SUCCESS", "REFUND") or (is_refund and fields.get("退款状态") not in _MADE):
        return None
    txn, attempt_no, number = fields["微信订单号"], fields["商户订单号"], fields.get("商户退款单号", "")
    if not _TXN.fullmatch(txn):
        raise ValueError("not a transaction number")
    asked = ("申请退款金额", "退款金额") if is_refund else ("订单金额", "应结订单金额", "总金额")
    return StatementLine(
        kind="refund" if is_refund else "payment",
        gateway_txn=txn,
        amount_minor=_amount(next((fields[name] for name in asked if fields.get(name)), "")),
        currency=fields.get("货币种类") or CURRENCY,
        happened_at=_time(fields["交易时间"]),
        attempt_no=attempt_no if _NUMBER.fullmatch(attempt_no) else "",
        refund_no=number if is_refund and _REFUND_NO.fullmatch(number) else "",
        gateway_refund=fields.get("微信退款单号", "")[:64] if is_refund else "",
        fee_minor=0 if is_refund else _fee(fields.get("手续费", "") or "0"),
    )


def _amount(text: str) -> int:
    return minor_units(text.lstrip("-"), CURRENCY)


def _fee(text: str) -> int:
    """Fees have five places; they are told in fen, halves up."""
    try:
        value = Decimal(text)
        return abs(int((value * 100).to_integral_value(ROUND_HALF_UP)))
    except (InvalidOperation, OverflowError):
        raise ValueError("not a fee") from None


def _time(text: str) -> int:
    return int(dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_BEIJING).timestamp() * 1000)
