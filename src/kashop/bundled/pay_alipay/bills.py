"""Reads Alipay's trade bill 业务明细: a zip of GBK tables, or one table that was unpacked by hand (alipay.md §8).

Pure. Always true: what is read is bounded, whatever a zip claims of itself; what is no bill is a ValueError.
"""

import csv
import datetime as dt
import io
import re
import zipfile
from collections.abc import Iterator

from kashop.plugins.api import StatementLine, minor_units

MOST_FILES = 20
MOST_BYTES = 64 * 1024 * 1024
CURRENCY = "CNY"
_BEIJING = dt.timezone(dt.timedelta(hours=8))
_NEEDED = ("支付宝交易号", "商户订单号", "业务类型", "创建时间", "完成时间", "订单金额")
_TIME = re.compile(r"\d{4}-\d\d-\d\d ", re.ASCII)
_NUMBER = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_TXN = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)


def read(content: bytes) -> list[StatementLine]:
    """Every payment and refund of a bill. Raises ValueError."""
    lines, is_bill = [], False
    for text in _texts(content):
        rows = _rows(text)
        head = next((row for row in rows if "支付宝交易号" in row and "业务类型" in row), None)
        if head is None:
            continue  # the summary that lies beside the details
        if missing := [name for name in _NEEDED if name not in head]:
            raise ValueError(f"no column {missing[0]}")
        is_bill = True
        lines += [line for row in rows if (line := _line(_fields(head, row))) is not None]
    if not is_bill:
        raise ValueError("no trade bill")
    return lines


def _texts(content: bytes) -> Iterator[str]:
    if not content.startswith(b"PK"):
        yield _text(content[: MOST_BYTES + 1])
        return
    left = MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if len(packed.infolist()) > MOST_FILES:
                raise ValueError("too many files")
            for entry in packed.infolist():
                with packed.open(entry) as file:
                    raw = file.read(left + 1)
                left -= len(raw)
                yield _text(raw if left >= 0 else b"")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zipfile.LargeZipFile) as error:
        raise ValueError("not a zip file") from error


def _text(raw: bytes) -> str:
    if not raw or len(raw) > MOST_BYTES:
        raise ValueError("empty or too large")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("gb18030")


def _rows(text: str) -> Iterator[list[str]]:
    """Its rows, cells without the padding; comments and blanks left out."""
    try:
        for row in csv.reader(io.StringIO(text, newline="")):
            cells = [re.sub(r"[（(]元[）)]$", "", cell.strip(" \t\r\n`")) for cell in row]
            if any(cells) and not cells[0].startswith("#"):
                yield cells
    except csv.Error as error:
        raise ValueError("not a table") from error


def _fields(head: list[str], row: list[str]) -> dict[str, str]:
    """By column. A comma within the goods' name, which stands before the times, has moved all that follow."""
    first = head.index("创建时间")
    moved = next((at for at, cell in enumerate(row) if at >= first and _TIME.match(cell)), first) - first
    if moved and "商品名称" in head:
        name = head.index("商品名称")
        row = [*row[:name], ",".join(row[name : name + moved + 1]), *row[name + moved + 1 :]]
    return dict(zip(head, row, strict=False))


def _line(fields: dict[str, str]) -> StatementLine | None:
    """A payment or refund; None for anything else."""
    kind = {"交易": "payment", "退款": "refund"}.get(fields.get("业务类型", ""))
    if kind is None:
        return None
    txn, number = fields["支付宝交易号"], fields.get("退款批次号/请求号", "")
    if not _TXN.fullmatch(txn):
        raise ValueError("not a transaction number")
    is_refund = kind == "refund"
    is_ours = bool(_NUMBER.fullmatch(number))
    attempt_no = fields.get("商户订单号", "")
    return StatementLine(
        kind=kind,
        gateway_txn=txn,
        amount_minor=_amount(fields.get("订单金额", "")),
        currency=CURRENCY,
        happened_at=_time(fields.get("完成时间") or fields.get("创建时间", "")),
        attempt_no=attempt_no if _NUMBER.fullmatch(attempt_no) else "",
        refund_no=number if is_refund and is_ours else "",
        gateway_refund=number[:64] if is_refund and not is_ours else "",
        fee_minor=0 if is_refund else _amount(fields.get("服务费", "") or "0"),
    )


def _amount(text: str) -> int:
    return minor_units(text.lstrip("+-"), CURRENCY)


def _time(text: str) -> int:
    return int(dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=_BEIJING).timestamp() * 1000)
