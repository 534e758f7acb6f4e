"""The two questions about a stock file: what is it, and which rows does it hold."""

import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from kashop.inventory.stockfile import cells, columns, decode, sheets, tables
from kashop.inventory.stockfile.types import (
    FORMATS,
    SAMPLE_ROWS,
    Cell,
    Choice,
    Record,
    Row,
    Rules,
    Shape,
    Table,
)
from kashop.lib.errors import Invalid

_NOTHING = (None, None)


def inspect(data: bytes | BinaryIO, name: str, rules: Rules) -> Shape:
    """What the file is and how it would be read.

    Sets `question` where the merchant has to choose. Raises Invalid when it is no stock file.
    """
    table, width, choice = _look(data, name, rules)
    labels = tuple(name or str(i + 1) for i, name in enumerate(table.names or [""] * width))
    used = {*choice.columns, choice.cost, choice.expires, choice.note}
    first = () if choice.question else tuple(_good_start(table, width, choice, rules.joiner))
    return Shape(
        format=table.format,
        encoding=table.encoding,
        separator=table.separator,
        header=table.names,
        width=width,
        columns=tuple(labels[i] for i in choice.columns),
        joiner=rules.joiner,
        cost_column=_label(labels, choice.cost),
        expiry_column=_label(labels, choice.expires),
        note_column=_label(labels, choice.note),
        ignored=tuple(label for i, label in enumerate(labels) if i not in used),
        sheets=table.sheets,
        sheet=table.sheet,
        cells=tuple(tuple(map(cells.plain_text, record.cells)) for record in table.head[:SAMPLE_ROWS]),
        first=first,
        question=choice.question,
    )


def rows(data: bytes | BinaryIO, name: str, rules: Rules) -> Iterator[Row]:
    """Every row that is not blank, good or bad, in the file's order, as a stream.

    The file must stay open and unmoved meanwhile.

    Raises Invalid at the call when the file cannot be read as a whole, or while reading when a quote is
    not closed or a row is over the limits: so store nothing for good before the last row.
    """
    table, width, choice = _look(data, name, rules)
    if choice.question:
        raise Invalid("Please correct the marked fields.", fields=[choice.question])
    return _rows(table, width, choice, rules.joiner)


def rows_of(codes: Iterable[str]) -> Iterator[Row]:
    """Rows of codes that are in memory, one each, numbered from 1 and judged like the lines of a plain text file."""
    for number, code in enumerate(codes, 1):
        text = code.strip(cells.OUTER)
        if text:
            yield _row(Record(number, [text]), 1, Choice((0,)), "")


def _look(data: bytes | BinaryIO, name: str, rules: Rules) -> tuple[Table, int, Choice]:
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    if rules.format is not None and rules.format not in FORMATS:
        raise Invalid.of(
            "format",
            "“{asked}” is not a format we read. Choose one of {known}.",
            asked=rules.format,
            known=", ".join(FORMATS),
        )
    if decode.is_zip(file):
        if rules.format not in (None, "xlsx"):
            raise Invalid.of("format", "This file is an archive, as .xlsx files are, and not {asked}.", asked=rules.format)
        table = sheets.open_sheet(file, rules)
    elif rules.format == "xlsx":
        raise Invalid.of("format", "This file is not an .xlsx spreadsheet.")
    else:
        table = tables.open_text(file, name, decode.detect(file, rules.encoding, is_lenient=rules.is_lenient), rules)
    width = len(table.names) or max(len(record.cells) for record in table.head)
    # A spreadsheet often begins in column B: columns with neither a name nor a value are no columns.
    blank = {i for i, name in enumerate(table.names) if not name and not any(_at(r.cells, i) for r in table.head)}
    return table, width, columns.choose(table.names, width, rules, blank=blank)


def _label(labels: tuple[str, ...], index: int | None) -> str | None:
    return None if index is None else labels[index]


def _good_start(table: Table, width: int, choice: Choice, joiner: str) -> list[Row]:
    head = table.head[1:] if table.header else table.head
    return [_row(record, width, choice, joiner) for record in head[:SAMPLE_ROWS]]


def _rows(table: Table, width: int, choice: Choice, joiner: str) -> Iterator[Row]:
    records = table.open()
    if table.header:
        next(records)
    for record in records:
        yield _row(record, width, choice, joiner)


def _row(record: Record, width: int, choice: Choice, joiner: str) -> Row:
    if record.problem:
        return Row(record.number, cells.plain_text(record.cells[0]), problem=record.problem)
    here = record.cells
    code, problem, warning = _code(here, choice.columns, joiner)
    if not problem and len(here) > width and any(map(cells.plain_text, here[width:])):
        # An unquoted separator inside a value: what stands in the code's columns may be half of it.
        problem = "extra_column"
    cost, bad_cost = cells.cost_text(_at(here, choice.cost)) if choice.cost is not None else _NOTHING
    expires, bad_expiry = cells.expiry_text(_at(here, choice.expires)) if choice.expires is not None else _NOTHING
    note = cells.plain_text(_at(here, choice.note)).strip(cells.OUTER) or None
    problem = problem or bad_cost or bad_expiry
    return Row(record.number, code, cost, expires, note, problem, None if problem else warning)


def _code(here: list[Cell], chosen: tuple[int, ...], joiner: str) -> tuple[str, str | None, str | None]:
    parts, problem, warning = [], None, None
    for index in chosen:
        cell = _at(here, index)
        text, bad, doubt = cells.cell_text(cell)
        parts.append(text)
        if cell is None:
            bad = "missing_column"
        problem, warning = problem or bad, warning or doubt
    if not any(part.strip(cells.OUTER) for part in parts):
        return "", "missing_column" if problem == "missing_column" else "empty", None
    if len(parts) > 1 and not all(part.strip(cells.OUTER) for part in parts):
        problem = "missing_column"
    code = joiner.join(parts)
    problem = problem or cells.code_problem(code)
    return code, problem, None if problem else warning or cells.code_warning(code)


def _at(here: list[Cell], index: int | None) -> Cell:
    return here[index] if index is not None and index < len(here) else None
