"""What the reader of stock files takes and gives."""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from kashop.lib.errors import FieldError

FORMATS = ("txt", "csv", "tsv", "xlsx", "jsonl")
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "gbk", "gb18030", "big5")

CODE_LIMIT = 8 * 1024  # bytes of UTF-8 in one code
LINE_LIMIT = 256 * 1024  # characters in one line
COLUMN_LIMIT = 256
HEAD_ROWS = 50  # rows looked at before the shape is decided
SAMPLE_ROWS = 5

Column = str | int
Cell = str | int | float | bool | dt.date | dt.time | dt.timedelta | None


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What the merchant says about the file.

    None means: find out. Columns are header names or numbers from 1. A file with a byte that is not text is refused, unless it
    `is_lenient`: then such rows are bad rows (`bad_unicode`), and the others are read.
    """

    format: str | None = None
    encoding: str | None = None
    separator: str | None = None
    columns: tuple[Column, ...] | None = None
    joiner: str = "----"
    header: bool | None = None
    sheet: str | None = None
    cost_column: Column | None = None
    expiry_column: Column | None = None
    note_column: Column | None = None
    is_lenient: bool = False


class Row(msgspec.Struct, frozen=True):
    """One row that holds a code, or should.

    `number` is the line (or sheet row) it begins on, from 1. `cost` is a plain decimal, `expires` an ISO
    date or date and time. `problem` is None for a good row, else why it cannot be stock: empty,
    missing_column, extra_column, control_character, bad_unicode, too_long, bad_json, not_text,
    bad_cost, bad_expiry. `warning` marks a good row worth a look: invisible_character, full_width,
    outer_space, number_cell.
    """

    number: int
    code: str
    cost: str | None = None
    expires: str | None = None
    note: str | None = None
    problem: str | None = None
    warning: str | None = None

    def __repr__(self) -> str:
        return f"Row(number={self.number}, problem={self.problem!r}, warning={self.warning!r})"


class Shape(msgspec.Struct, frozen=True):
    """What was found out about a file, for the preview.

    `columns` make up the code, `ignored` are read by nobody. While `question` is set the file cannot be
    read: the merchant has to choose. `cells` and `first` hold codes in the clear: mask them before they
    are shown.
    """

    format: str
    encoding: str | None
    separator: str | None
    header: tuple[str, ...]
    width: int
    columns: tuple[str, ...]
    joiner: str
    cost_column: str | None
    expiry_column: str | None
    note_column: str | None
    ignored: tuple[str, ...]
    sheets: tuple[str, ...]
    sheet: str | None
    cells: tuple[tuple[str, ...], ...]
    first: tuple[Row, ...]
    question: FieldError | None

    def __repr__(self) -> str:
        return f"Shape(format={self.format!r}, encoding={self.encoding!r}, columns={self.columns!r})"


class Record(NamedTuple):
    """One row as its format gives it."""

    number: int
    cells: list[Cell]
    problem: str | None = None


class Choice(NamedTuple):
    """Which columns, from 0, mean what."""

    columns: tuple[int, ...]
    cost: int | None = None
    expires: int | None = None
    note: int | None = None
    question: FieldError | None = None


class Table(NamedTuple):
    """A file opened as rows; `names` is empty when there is no header.

    `open` begins anew at the first row, the header included.
    """

    format: str
    open: Callable[[], Iterator[Record]]
    head: list[Record]
    names: tuple[str, ...]
    header: bool
    encoding: str | None = None
    separator: str | None = None
    sheets: tuple[str, ...] = ()
    sheet: str | None = None
