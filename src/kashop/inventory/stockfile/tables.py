"""Text as rows: plain lines, separated values, one JSON object a line; and telling which of them a text is.

Always true: reading is a stream, a row costs its own length; blank rows are nobody's business and vanish;
a quote that is never closed refuses the file, because all that follows would be one value.
"""

import csv
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, BinaryIO

from kashop.inventory.stockfile.cells import OUTER, plain_text
from kashop.inventory.stockfile.columns import is_header, matches, names_code, role_of
from kashop.inventory.stockfile.decode import Encoding, lines
from kashop.inventory.stockfile.types import COLUMN_LIMIT, HEAD_ROWS, Cell, Column, Record, Rules, Table
from kashop.lib.errors import Invalid

_SEPARATORS = ("\t", ",", ";", "|")
_DASHES = "----"  # between the fields of account lists
_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


def open_text(file: BinaryIO, name: str, encoding: Encoding, rules: Rules) -> Table:
    """The table in a text file; its format is the asked one, else what the text looks like."""
    first = take(lambda: _plain(file, encoding))
    if not first:
        raise Invalid.of("file", "The file has no rows, only blanks.")
    texts = [plain_text(record.cells[0]) for record in first]
    if rules.format == "jsonl" or (rules.format is None and rules.separator is None and _is_jsonl(texts)):
        return _json_table(file, encoding)
    asked = _NAMED.get(rules.separator or "", rules.separator)
    separator = asked or _find_separator(file, name, encoding, rules)
    if separator is None:
        header = rules.header if rules.header is not None else _is_heading(texts[0])
        names = (texts[0],) if header else ()
        return Table("txt", lambda: _plain(file, encoding), first, names, header, encoding.name)
    return _separated(file, encoding, separator, rules)


def header_of(head: list[Record], rules: Rules) -> tuple[str, ...]:
    """The header's names, or nothing when the first row is already stock."""
    cells = [plain_text(cell).strip(OUTER) for cell in head[0].cells]
    wanted: list[Column] = [*(rules.columns or ())]
    wanted += [c for c in (rules.cost_column, rules.expiry_column, rules.note_column) if c is not None]
    header = rules.header if rules.header is not None else is_header(cells) or matches(cells, wanted)
    return tuple(cells) if header else ()


def take(begin: Callable[[], Iterator[Record]]) -> list[Record]:
    """The first rows; the reader is closed before another may use the file."""
    reader = begin()
    with closing(reader):  # type: ignore[type-var]  # all readers are generators
        return list(itertools.islice(reader, HEAD_ROWS))


def _plain(file: BinaryIO, encoding: Encoding) -> Iterator[Record]:
    for number, line in enumerate(lines(file, encoding, None), 1):
        text = line.strip(OUTER)
        if text:
            yield Record(number, [text])


def _separated(file: BinaryIO, encoding: Encoding, separator: str, rules: Rules) -> Table:
    def begin() -> Iterator[Record]:
        if len(separator) == 1:
            return _csv(file, encoding, separator)
        return _split(file, encoding, separator)

    head = take(begin)
    if not head:
        raise Invalid.of("file", "The file has no rows, only blanks.")
    kind = "tsv" if separator == "\t" else "csv" if len(separator) == 1 else "txt"
    names = header_of(head, rules)
    return Table(kind, begin, head, names, bool(names), encoding.name, separator)


def _csv(file: BinaryIO, encoding: Encoding, separator: str) -> Iterator[Record]:
    reader = csv.reader(lines(file, encoding, ""), delimiter=separator, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            complaint = str(error)
            break
        yield from _row(number, cells)
    if "expected after" in complaint:
        raise Invalid.of(
            "file",
            "Row {row}: text stands behind a closing quote. Double the quotes inside a value.",
            row=number,
        )
    raise Invalid.of("file", "Row {row}: a quote is opened and never closed.", row=number)


def _split(file: BinaryIO, encoding: Encoding, separator: str) -> Iterator[Record]:
    for number, line in enumerate(lines(file, encoding, None), 1):
        yield from _row(number, line.strip(OUTER).split(separator))


def _row(number: int, cells: list[str]) -> Iterator[Record]:
    if len(cells) > COLUMN_LIMIT:
        raise Invalid.of("file", "Row {row} has more than {limit} columns.", row=number, limit=COLUMN_LIMIT)
    if any(cell and cell.strip(OUTER) for cell in cells):
        yield Record(number, [*cells])


def _find_separator(file: BinaryIO, name: str, encoding: Encoding, rules: Rules) -> str | None:
    """A separator is believed when it makes a known header.

    Else the file has to be called .csv or .tsv, or columns must have been asked for.
    """
    if rules.format in ("txt", "tsv"):
        return "\t" if rules.format == "tsv" else None
    heads = {separator: _try_csv(file, encoding, separator) for separator in _SEPARATORS}
    named = [s for s, head in heads.items() if head and _is_named(head[0], rules)]
    if named:
        return max(named, key=lambda s: len(heads[s][0]))
    suffix = name.lower().rpartition(".")[2]
    is_table = rules.format == "csv" or suffix in ("csv", "tsv")
    if not is_table and not rules.columns:
        return None
    even = [s for s, head in heads.items() if head and _width(head) > 1]
    if even:
        return max(even, key=lambda s: _width(heads[s]))
    if is_table:
        return "\t" if suffix == "tsv" else ","
    lines_of_text = take(lambda: _plain(file, encoding))
    return _DASHES if all(_DASHES in plain_text(record.cells[0]) for record in lines_of_text) else None


def _is_named(cells: list[str], rules: Rules) -> bool:
    return len(cells) > 1 and (names_code(cells) or matches(cells, rules.columns or ()))


def _try_csv(file: BinaryIO, encoding: Encoding, separator: str) -> list[list[str]]:
    rows: list[list[str]] = []
    reader = _csv(file, encoding, separator)
    with closing(reader):  # type: ignore[type-var]  # a generator
        try:
            for record in itertools.islice(reader, HEAD_ROWS):
                rows.append([plain_text(cell) for cell in record.cells])
        except Invalid:
            # A table with a broken row further down is still a table: reading it will say so, with the row.
            return rows[:1]
    return rows


def _width(head: list[list[str]]) -> int:
    """The columns that at least nine in ten rows have, else 0."""
    width, times = Counter(len(cells) for cells in head).most_common(1)[0]
    return width if times * 10 >= len(head) * 9 else 0


def _is_heading(line: str) -> bool:
    """Whether a plain line names codes and is none: 卡密, or 账号----密码----备注."""
    return names_code([line]) or all(map(role_of, line.split(_DASHES)))


def _is_jsonl(texts: list[str]) -> bool:
    if texts[0] == "[" or (texts[0].startswith("[{") and texts[-1].endswith("]")):
        raise Invalid.of(
            "file",
            "This is one JSON list. Put one object on each line, without brackets and commas around them.",
        )
    return texts[0].startswith("{") and any(_object(text) is not None for text in texts)


def _json_table(file: BinaryIO, encoding: Encoding) -> Table:
    objects = [found for record in take(lambda: _plain(file, encoding)) if (found := _object(plain_text(record.cells[0])))]
    names = tuple(dict.fromkeys(name for found in objects for name in found))
    if not names:
        raise Invalid.of("file", "No row at the beginning of the file is a JSON object.")

    def begin() -> Iterator[Record]:
        for record in _plain(file, encoding):
            text = plain_text(record.cells[0])
            found = _object(text)
            if found is None:
                yield Record(record.number, [text], "bad_json")
            else:
                yield Record(record.number, [found.get(name) for name in names])

    return Table("jsonl", begin, take(begin), names, False, encoding.name)


def _object(line: str) -> dict[str, Cell] | None:
    """One JSON object; numbers keep their very digits. None when it is none, or says a name twice."""
    try:
        found = json.loads(line, object_pairs_hook=_pairs, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name occurs twice")
    return made
