"""Spreadsheets: the .xlsx archive is searched for traps, then python-calamine reads it.

Always true: calamine only sees an archive that we wrote ourselves from parts whose unpacked size we
counted, because the sizes in an archive's directory are claims, and calamine believes them; and a sheet's
area is known before calamine makes room for all of it.
"""

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from kashop.inventory.stockfile.cells import OUTER, plain_text
from kashop.inventory.stockfile.columns import names_code
from kashop.inventory.stockfile.tables import header_of, take
from kashop.inventory.stockfile.types import COLUMN_LIMIT, Cell, Record, Rules, Table
from kashop.lib.errors import Invalid

_ENTRIES = 1000
_DIRECTORY = 1024 * 1024  # bytes of the archive's directory: bounds what zipfile reads before we can count
_UNPACKED = 100 * 1024 * 1024
_RATIO, _RATIO_FROM = 100, 1024 * 1024
_AREA = 500_000  # cells; calamine takes 32 bytes for each, empty ones included, and some 150 for a text
_TEXT = 100 * 1024 * 1024  # the longest shared text times the cells: calamine copies a shared text into every cell that names it
_CHUNK = 256 * 1024

_END = b"PK\x05\x06"
_NESTED = (".zip", ".xlsx", ".xlsm", ".xls", ".docx", ".rar", ".7z", ".gz", ".jar")
_CELL = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?(c|si)[\s/>]")
_ADDRESS = re.compile(rb"""\br\s*=\s*["']\s*([A-Za-z]{0,8})([0-9]{1,12})\s*["']""")


def open_sheet(file: BinaryIO, rules: Rules) -> Table:
    """The stock sheet of a workbook: the asked one, else the first visible one with a known code column.

    When no sheet has such a column, the first with rows.
    """
    try:
        book = CalamineWorkbook.from_filelike(_repack(file))
        shown = [
            sheet.name
            for sheet in book.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet and (sheet.visible == SheetVisibleEnum.Visible or sheet.name == rules.sheet)
        ]
        if rules.sheet is not None and rules.sheet not in shown:
            raise Invalid.of(
                "sheet",
                "There is no sheet “{sheet}”. The sheets are: {known}.",
                sheet=rules.sheet,
                known=", ".join(shown),
            )
        return _find(book, shown, rules)
    except CalamineError:
        pass
    raise Invalid.of("file", "This spreadsheet cannot be read. Save it again as .xlsx, or as CSV.")


def _find(book: CalamineWorkbook, shown: list[str], rules: Rules) -> Table:
    fallback: Table | None = None
    for name in shown if rules.sheet is None else [rules.sheet]:
        table = _table(book.get_sheet_by_name(name), tuple(shown), rules)
        if table is None:
            continue
        if rules.sheet is not None or names_code([plain_text(cell) for cell in table.head[0].cells]):
            return table
        fallback = fallback or table
    if fallback is None:
        raise Invalid.of("file", "The file has no rows, only blanks.")
    return fallback


def _table(sheet: CalamineSheet, shown: tuple[str, ...], rules: Rules) -> Table | None:
    head = take(lambda: _records(sheet))
    if not head:
        return None
    names = header_of(head, rules)
    return Table("xlsx", lambda: _records(sheet), head, names, bool(names), sheets=shown, sheet=sheet.name)


def _records(sheet: CalamineSheet) -> Iterator[Record]:
    # calamine's rows begin at row 1 but at the first column in use; a merchant counts columns from A.
    left: list[Cell] = [""] * (sheet.start[1] if sheet.start else 0)
    for number, cells in enumerate(sheet.iter_rows(), 1):
        if any(cell.strip(OUTER) if isinstance(cell, str) else True for cell in cells):
            yield Record(number, left + cast(list[Cell], cells))


def _repack(file: BinaryIO) -> io.BytesIO:
    """The XML parts of a workbook in a new archive whose directory tells the truth.

    Refuses whatever no spreadsheet program writes.
    """
    _check_end(file)
    clean = io.BytesIO()
    try:
        with (
            zipfile.ZipFile(file) as archive,
            zipfile.ZipFile(clean, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out,
        ):
            parts = archive.infolist()
            _check_parts(parts)
            size = _Size()
            for part in parts:
                _copy(archive, part, out, size)
        clean.seek(0)
        return clean
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
        UnicodeDecodeError,
    ):
        pass
    raise Invalid.of("file", "This archive is damaged, and no spreadsheet can be read from it.")


def _check_end(file: BinaryIO) -> None:
    """The directory's size before it is read: zipfile would make an object for each of a million entries."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - 42))
    tail = file.read(42)
    record = tail[-22:]
    if not record.startswith(_END) or len(record) < 22 or tail.startswith(b"PK\x06\x07"):
        raise Invalid.of("file", "This archive is damaged, and no spreadsheet can be read from it.")
    entries, directory = int.from_bytes(record[10:12], "little"), int.from_bytes(record[12:16], "little")
    if entries > _ENTRIES or directory > _DIRECTORY:
        raise Invalid.of("file", "This archive holds more than {limit} files: it is no spreadsheet.", limit=_ENTRIES)


def _check_parts(parts: list[zipfile.ZipInfo]) -> None:
    names = [part.filename for part in parts]
    if len(parts) > _ENTRIES:
        raise Invalid.of("file", "This archive holds more than {limit} files: it is no spreadsheet.", limit=_ENTRIES)
    if "xl/workbook.xml" not in names or "[Content_Types].xml" not in names:
        raise Invalid.of(
            "file",
            "This is an archive, not an .xlsx spreadsheet. Unpack it, or save the spreadsheet as .xlsx.",
        )
    if any(part.flag_bits & 1 for part in parts):
        raise Invalid.of("file", "This archive is encrypted. Save it without a password.")
    if len(set(names)) != len(names) or any(_is_strange(part) for part in parts):
        raise Invalid.of("file", "This archive holds links, other archives or paths that no spreadsheet has.")
    if sum(part.file_size for part in parts) > _UNPACKED or any(_is_bomb(part) for part in parts):
        raise Invalid.of("file", "This archive unpacks to far more than its size. Save the sheet as CSV.")


def _is_strange(part: zipfile.ZipInfo) -> bool:
    name = part.orig_filename
    outside = name.startswith("/") or "\\" in name or ":" in name or "\x00" in name or ".." in name.split("/")
    return outside or stat.S_ISLNK(part.external_attr >> 16) or name.lower().endswith(_NESTED)


def _is_bomb(part: zipfile.ZipInfo) -> bool:
    return part.file_size > _RATIO_FROM and part.file_size > _RATIO * max(1, part.compress_size)


class _Size:
    """What the sheets will take when calamine has read them."""

    def __init__(self) -> None:
        self.cells = 0
        self.longest = 0

    def check(self) -> None:
        if self.cells > _AREA or self.cells * self.longest > _TEXT:
            raise Invalid.of("file", "This spreadsheet is too large (with its empty cells). Save the sheet as CSV.")


class _Area:
    """The area of one sheet, from the addresses of its cells."""

    def __init__(self) -> None:
        self.rows = self.columns = self.addressed = self.tags = self.text_at = self.longest = 0
        self.passed = 0

    def feed(self, xml: bytes) -> None:
        for found in _CELL.finditer(xml):
            if found[1] == b"c":
                self.tags += 1
            else:
                at = self.passed + found.start()
                self.longest, self.text_at = max(self.longest, at - self.text_at), at
        for found in _ADDRESS.finditer(xml):
            self.rows = max(self.rows, int(found[2]))
            if found[1]:
                self.addressed += 1
                self.columns = max(self.columns, _column(found[1]))
        self.passed += len(xml)

    def cells(self) -> int:
        # Cells without an address follow one another, at worst all in one row.
        bare = max(0, self.tags - self.addressed)
        return max(self.rows, 1) * (self.columns + bare) if self.tags else 0


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _copy(archive: zipfile.ZipFile, part: zipfile.ZipInfo, out: zipfile.ZipFile, size: _Size) -> None:
    is_xml = part.filename.lower().endswith((".xml", ".rels"))
    area, rest = _Area(), b""
    with archive.open(part) as source:
        if not is_xml:
            # Pictures and macros are left behind; only look whether one is an archive in disguise.
            if source.read(4) in (b"PK\x03\x04", b"Rar!"):
                raise Invalid.of("file", "This archive holds links, other archives or paths that no spreadsheet has.")
            return
        with out.open(zipfile.ZipInfo(part.filename, (1980, 1, 1, 0, 0, 0)), "w", force_zip64=False) as target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)
                rest = _feed(area, rest + chunk)
    area.feed(rest)
    if area.columns > COLUMN_LIMIT:
        raise Invalid.of("file", "The sheet has more than {limit} columns.", limit=COLUMN_LIMIT)
    size.cells += area.cells()
    size.longest = max(size.longest, area.longest)
    size.check()


def _feed(area: _Area, xml: bytes) -> bytes:
    """Count up to the last closed tag; what follows waits for the next chunk."""
    if b"<!DOCTYPE" in xml:
        raise Invalid.of("file", "This archive holds links, other archives or paths that no spreadsheet has.")
    cut = xml.rfind(b">") + 1
    if len(xml) - cut > 4 * _CHUNK:
        raise Invalid.of("file", "This spreadsheet is too large (with its empty cells). Save the sheet as CSV.")
    area.feed(xml[:cut])
    return xml[cut:]
