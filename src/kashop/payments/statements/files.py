"""Statement files of any vendor or bank: bytes in, lines out, by columns that were recognised or chosen; no database, no clock.

Always true: what a file is and its encoding are found out as for stock files (inventory/stockfile); a row is a line, left out for
a reason, or wrong with its number: none vanishes; a cell is text, and nothing in it is ever calculated.
"""

import datetime as dt
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import BinaryIO
from zoneinfo import ZoneInfo

import msgspec

from kashop.inventory.stockfile import Rules, cells, decode, sheets, tables
from kashop.inventory.stockfile.types import Record, Table
from kashop.lib.errors import Invalid
from kashop.lib.money import MAX_MINOR, places
from kashop.payments.statements import columns
from kashop.payments.statements.types import Line

SAMPLE_ROWS = 5
MOST_PROBLEMS = 20
MOST_ROWS = 500_000

_SEPARATORS = ("\t", ",", ";", "|")
_FORMULA = re.compile(r'^="(.*)"$', re.DOTALL)
_AMOUNT = re.compile(r"[+-]?(?:[0-9]{1,13}|[0-9]{1,3}(?:,[0-9]{3}){1,4})(?:\.[0-9]{1,8})?")
_MONEY = re.compile(r"[¥￥$€£元]|CNY|RMB|USD|EUR", re.IGNORECASE)
_DIGITS14 = re.compile(r"[0-9]{14}")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?|([0-9]{6})")
_LOST = re.compile(r"[0-9](?:\.[0-9]+)?E\+?[0-9]{2}", re.IGNORECASE)
_REFUND = ("退款", "退回", "refund", "chargeback")
_OUT = ("支出", "借", "付款", "转出", "debit", "out", "withdrawal", "dr")
_NOT_DONE = (
    "关闭",
    "失败",
    "未支付",
    "未付款",
    "待支付",
    "待付款",
    "等待",
    "处理中",
    "取消",
    "closed",
    "failed",
    "pending",
    "unpaid",
    "canceled",
    "cancelled",
)
_NO_MOVE = ("提现", "服务费", "手续费", "利息", "结息", "withdraw", "payout", "interest")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a file: the header's names, which column is what (from 1), and its first rows."""

    encoding: str
    names: tuple[str, ...]
    chosen: dict[str, int]
    first: tuple[tuple[str, ...], ...]
    width: int


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A file as lines; what was left out by reason, and the first rows that are wrong."""

    lines: list[Line]
    left_out: dict[str, int]
    wrong: tuple[tuple[int, str], ...]


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is read: the account's zone and currency, an encoding, columns from 1 that were chosen (0: none)."""

    zone: str
    currency: str
    encoding: str | None = None
    chosen: Mapping[str, int] = {}


def inspect(file: BinaryIO, name: str, way: Way) -> Shape:
    """What a file is. Raises Invalid by `file` or `encoding` when it is no table."""
    table, head = _open(file, name, way)
    at = columns.header_row(head)
    names = tuple(head[at]) if at is not None else ()
    found = {**columns.guessed(names), **way.chosen}
    rows = head[(at + 1 if at is not None else 0) :]
    width = max(len(row) for row in head)
    return Shape(
        encoding=table.encoding or "",
        names=names,
        chosen={field: column for field, column in found.items() if 0 < column <= width},
        first=tuple(tuple(row) for row in rows[:SAMPLE_ROWS]),
        width=width,
    )


def read(file: BinaryIO, name: str, way: Way) -> Reading:
    """The lines of a file. Raises Invalid by `file` or by the column that is missing."""
    shape = inspect(file, name, way)
    missing = problem_of(shape.chosen)
    if missing is not None:
        raise missing
    table, head = _open(file, name, way)
    reader, left_out = _Rows(shape.chosen, way), Counter[str]()
    lines: list[Line] = []
    wrong: list[tuple[int, str]] = []
    for record in _below_header(table, columns.header_row(head)):
        if record.number > MOST_ROWS:
            raise Invalid.of("file", "The file has more than {most} rows: split it by days.", most=MOST_ROWS)
        found = reader.line(record, len(lines) + 1)
        if isinstance(found, Line):
            lines.append(found)
        else:
            left_out[found] += 1
            if found not in _FINE and len(wrong) < MOST_PROBLEMS:
                wrong.append((record.number, found))
    return Reading(lines=lines, left_out=dict(left_out), wrong=tuple(wrong))


_FINE = ("not_done", "no_move", "no_amount", "total")
"""Reasons to leave a row out with which nothing is wrong."""


def problem_of(chosen: Mapping[str, int]) -> Invalid | None:
    """What has to be chosen before a file can be read."""
    if not chosen.get("time"):
        return Invalid.of("time", "Choose the column of the time.")
    if not (chosen.get("amount") or chosen.get("income") or chosen.get("outgoing")):
        return Invalid.of("amount", "Choose the column of the amount.")
    if not (chosen.get("txn") or chosen.get("order") or chosen.get("reference")):
        return Invalid.of("txn", "Choose the column of the transaction number, the order number or the reference.")
    return None


def _open(file: BinaryIO, name: str, way: Way) -> tuple[Table, list[list[str]]]:
    """The table with the most named columns among those that its separators make, and its first rows as text."""
    if decode.is_zip(file):
        table = sheets.open_sheet(file, Rules(header=False))
        return table, _texts(table)
    encoding = decode.detect(file, way.encoding)
    best: tuple[int, Table, list[list[str]]] | None = None
    refused: Invalid | None = None
    for separator in _SEPARATORS:
        try:
            table = tables.open_text(file, name, encoding, Rules(format="csv", separator=separator, header=False))
        except Invalid as error:
            refused = error
            continue
        head = _texts(table)
        score = max(10 * sum(bool(columns.named(cell)) for cell in row) + min(len(row), 9) for row in head)
        if best is None or score > best[0]:
            best = (score, table, head)
    if best is None:
        raise refused or Invalid.of("file", "The file has no rows, only blanks.")
    return best[1], best[2]


def _texts(table: Table) -> list[list[str]]:
    return [[_text(cell) for cell in record.cells] for record in table.head]


def _below_header(table: Table, header: int | None) -> Iterator[Record]:
    records = table.open()
    for _ in range(0 if header is None else header + 1):
        next(records)
    return records


def _text(cell: object) -> str:
    """A cell as text, out of what Excel and vendors wrap numbers in: `="420…"`, a backtick, a tab."""
    text = cells.plain_text(cell).strip(cells.OUTER + "`'")  # type: ignore[arg-type]
    wrapped = _FORMULA.match(text)
    return (wrapped[1] if wrapped else text).strip(cells.OUTER)


class _Rows:
    """Reads rows by chosen columns."""

    def __init__(self, chosen: Mapping[str, int], way: Way):
        self._chosen, self._way, self._zone = chosen, way, ZoneInfo(way.zone)

    def line(self, record: Record, number: int) -> Line | str:
        """A row as a line, or the word for why it is none."""
        row = [_text(cell) for cell in record.cells]
        if self._is_total(row):
            return "total"
        kind, state = self._at(row, "kind").casefold(), self._at(row, "state").casefold()
        if any(word in state for word in _NOT_DONE):
            return "not_done"
        if any(word in kind for word in _NO_MOVE):
            return "no_move"
        currency = self._at(row, "currency").upper() or self._way.currency
        currency = {"人民币": "CNY", "RMB": "CNY"}.get(currency, currency)
        minor = self._amount(row, currency)
        if isinstance(minor, str):
            return minor
        at = self._time(row)
        if at is None:
            return "bad_time"
        names = {field: self._at(row, field) for field in ("txn", "order", "refund")}
        if any(_LOST.fullmatch(name) for name in names.values()):
            return "lost_digits"
        is_back = minor < 0 or any(word in kind + state for word in _REFUND) or kind in _OUT
        return Line(
            number=number,
            kind="refund" if is_back else "payment",
            gateway_txn=names["txn"][:200],
            attempt_no=names["order"][:200],
            refund_no=names["refund"][:200] if is_back else "",
            gateway_refund="",
            amount_minor=abs(minor),
            currency=currency,
            fee_minor=self._fee(row, currency),
            happened_at=at,
            reference=self._at(row, "reference")[:500],
        )

    def _at(self, row: Sequence[str], field: str) -> str:
        column = self._chosen.get(field, 0)
        return row[column - 1] if 0 < column <= len(row) else ""

    def _is_total(self, row: Sequence[str]) -> bool:
        first = next((cell for cell in row if cell), "")
        return (
            first.startswith(("#", "--"))
            or any(word in first for word in ("合计", "总计", "小计", "总笔数", "总交易"))
            or not any(row)
        )

    def _amount(self, row: Sequence[str], currency: str) -> int | str:
        """Positive what came in, negative what went out."""
        for field, sign in (("amount", 1), ("income", 1), ("outgoing", -1)):
            text = self._at(row, field)
            if not text or text in ("-", "--", "/"):
                continue
            minor = _minor(text, currency)
            if minor is None:
                return "bad_amount"
            if minor:
                return minor if field == "amount" else sign * abs(minor)
        return "no_amount"

    def _fee(self, row: Sequence[str], currency: str) -> int:
        return abs(_minor(self._at(row, "fee"), currency) or 0)

    def _time(self, row: Sequence[str]) -> int | None:
        text = self._at(row, "time")
        if _DIGITS14.fullmatch(text):
            text = f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:12]}:{text[12:]}"
        iso, problem = cells.expiry_text(text)
        if iso is None or problem:
            return None
        at = dt.datetime.fromisoformat(iso)
        clock = _CLOCK.fullmatch(self._at(row, "clock"))
        if clock is not None:
            hour, minute, second = (
                (clock[1], clock[2], clock[3] or "0") if clock[1] else (clock[4][:2], clock[4][2:4], clock[4][4:])
            )
            if int(hour) > 23 or int(minute) > 59 or int(second) > 59:
                return None
            at = at.replace(hour=int(hour), minute=int(minute), second=int(second))
        return int((at if at.tzinfo else at.replace(tzinfo=self._zone)).timestamp() * 1000)


def _minor(text: str, currency: str) -> int | None:
    """An amount as vendors write it, in minor units: with a sign, a currency, thousands; None when it is none."""
    bare = _MONEY.sub("", unicodedata.normalize("NFKC", text)).replace(" ", "").replace("−", "-")
    if not _AMOUNT.fullmatch(bare):
        return None
    value = Decimal(bare.replace(",", "")).scaleb(places(currency))
    return int(value) if value == value.to_integral_value() and abs(value) <= MAX_MINOR else None
