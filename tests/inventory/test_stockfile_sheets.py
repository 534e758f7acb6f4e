"""Spreadsheets: exact text, honest warnings about numbers, the right sheet; and archives that are traps are refused."""

import datetime as dt
import io
import re
import resource
import struct
import zipfile
from collections.abc import Callable

import pytest
import xlsxwriter

from kashop.inventory import stockfile
from kashop.inventory.stockfile import Row, Rules
from kashop.lib.errors import Invalid

Cells = list[list[object]]


def workbook(*sheets: tuple[str, Cells], hidden: tuple[str, ...] = ()) -> bytes:
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False})
    date = book.add_format({"num_format": "yyyy-mm-dd"})
    for name, rows in sheets:
        sheet = book.add_worksheet(name)
        if name in hidden:
            sheet.hide()
        for r, cells in enumerate(rows):
            for c, cell in enumerate(cells):
                if isinstance(cell, dt.date):
                    sheet.write_datetime(r, c, dt.datetime.combine(cell, dt.time()), date)
                elif cell is not None:
                    sheet.write(r, c, cell)
    book.worksheets()[-1].activate()
    book.close()
    return made.getvalue()


def read(data: bytes, **rules: object) -> list[Row]:
    return list(stockfile.rows(data, "a.xlsx", Rules(**rules)))  # type: ignore[arg-type]


def refused(data: bytes, field: str = "file", **rules: object) -> str:
    with pytest.raises(Invalid) as caught:
        read(data, **rules)
    assert [error.field for error in caught.value.fields] == [field]
    return caught.value.fields[0].text()


def parts_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes], change: Callable[[zipfile.ZipFile], None] | None = None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
        if change:
            change(archive)
    return made.getvalue()


PLAIN = workbook(("Stock", [["code"], ["A-1"], ["B-2"]]))


def test_texts_are_exact():
    codes = [
        "=HYPERLINK(1)",
        "+1",
        "-1",
        "@x",
        "0007",
        " lead",
        "a\nb",
        "a\r\nb",
        "㐂",
        "<&>\"'",
        "_x000D_",
        "1e5",
        "TRUE",
        "12345678901234567890",
    ]
    rows = read(workbook(("S", [["卡密"], *[[code] for code in codes]])))
    assert [(row.code, row.problem) for row in rows] == [(code, None) for code in codes]
    assert [row.number for row in rows] == list(range(2, len(codes) + 2))


def test_numbers_are_read_but_doubted_and_lost_digits_are_bad():
    sheet: Cells = [["code", "cost", "expires"], [123, 4.5, dt.date(2027, 1, 31)], [0.5, "4.50", "2027/1/31"]]
    sheet += [[999999999999999, 4, None], [1e15, None, None], [dt.date(2027, 1, 2), None, None], [True, None, None]]
    rows = read(workbook(("S", sheet)))
    assert rows[:3] == [
        Row(2, "123", "4.5", "2027-01-31", warning="number_cell"),
        Row(3, "0.5", "4.50", "2027-01-31", warning="number_cell"),
        Row(4, "999999999999999", "4", warning="number_cell"),
    ]
    assert [(row.number, row.problem) for row in rows[3:]] == [(5, "not_text"), (6, "not_text"), (7, "not_text")]


def test_columns_are_counted_from_a_and_rows_from_1():
    sheet: Cells = [[], [], [None, None, "密码", "卡号"], [], [None, None, "p", "0001"]]
    data = workbook(("S", sheet))
    assert [(row.number, row.code) for row in read(data)] == [(5, "0001----p")]
    assert [row.code for row in read(data, columns=(4,))] == ["0001"]
    assert [row.code for row in read(data, columns=("密码",))] == ["p"]


def test_the_first_visible_sheet_that_can_be_stock():
    stock: Cells = [["code"], ["A-1"]]
    other: Cells = [["foo", "bar"], ["1", "2"]]
    assert [row.code for row in read(workbook(("说明", [["read me"]]), ("X", other), ("S", stock)))] == ["A-1"]
    hiding = workbook(("Old", stock), ("X", other), ("S", [["code"], ["B-2"]]), hidden=("Old",))
    assert [row.code for row in read(hiding)] == ["B-2"]
    assert [row.code for row in read(hiding, sheet="Old")] == ["A-1"]
    assert stockfile.inspect(hiding, "a", Rules()).sheets == ("X", "S")
    assert "X, S" in refused(hiding, "sheet", sheet="nope")
    assert "foo, bar" in refused(workbook(("X", other)), "columns", header=True)
    assert "2 columns" in refused(workbook(("X", other)), "columns")
    assert "blanks" in refused(workbook(("X", []), ("Y", [])))


def test_it_is_a_spreadsheet_whatever_its_name():
    for name in ("a.csv", "a.txt", "a"):
        assert [row.code for row in stockfile.rows(PLAIN, name, Rules())] == ["A-1", "B-2"]
    assert refused(PLAIN, "format", format="csv")


def link(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("xl/link.xml")
    entry.external_attr = 0o120777 << 16
    archive.writestr(entry, "/etc/passwd")


def many(archive: zipfile.ZipFile) -> None:
    for number in range(10_000):
        archive.writestr(f"xl/x{number}.xml", "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.writestr("../x.xml", "x"), "paths"),
        (lambda a: a.writestr("/etc/x.xml", "x"), "paths"),
        (lambda a: a.writestr("xl\\..\\x.xml", "x"), "paths"),
        (lambda a: a.writestr("c:/x.xml", "x"), "paths"),
        (lambda a: a.writestr("xl/media/inner.zip", PLAIN), "other archives"),
        (lambda a: a.writestr("xl/media/image1.png", PLAIN), "other archives"),
        (lambda a: a.writestr("xl/x.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"), "no spreadsheet has"),
        (link, "links"),
        (many, "more than 1000 files"),
        (lambda a: a.writestr("xl/big.xml", bytes(40_000_000)), "far more than its size"),
        (lambda a: a.writestr("xl/media/big.bin", bytes(40_000_000)), "far more than its size"),
    ],
)
def test_e07_traps(change: Callable[[zipfile.ZipFile], None], said: str):
    assert said in refused(packed(parts_of(PLAIN), change))


def test_e07_the_same_archive_without_a_trap_is_read():
    made = packed(parts_of(PLAIN), lambda a: a.writestr("xl/media/image1.png", b"\x89PNG"))
    assert [row.code for row in read(made)] == ["A-1", "B-2"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_e07_a_part_that_is_there_twice():
    part = "xl/worksheets/sheet1.xml"
    assert "no spreadsheet has" in refused(packed(parts_of(PLAIN), lambda a: a.writestr(part, parts_of(PLAIN)[part])))


def test_e07_an_archive_that_is_no_spreadsheet():
    inner = packed({"a.txt": b"code\nA\n"})
    assert "not an .xlsx" in refused(inner)
    assert "not an .xlsx" in refused(packed({f"lib {i}.zip": inner for i in range(16)}))
    assert "not an .xlsx" in refused(packed({"xl/workbook.bin": b"", "[Content_Types].xml": b"<a/>"}))
    assert refused(packed({}))


def test_e07_encrypted():
    made = bytearray(PLAIN)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(re.escape(mark), PLAIN):
            made[found.start() + at] |= 1
    assert "encrypted" in refused(bytes(made))


def test_e07_a_directory_that_lies_about_the_size():
    parts = parts_of(PLAIN)
    parts["xl/worksheets/sheet1.xml"] += b" " * 50_000_000
    honest = packed(parts)
    made = bytearray(honest)
    lie = struct.pack("<I", 2000)
    with zipfile.ZipFile(io.BytesIO(honest)) as archive:
        true = struct.pack("<I", archive.getinfo("xl/worksheets/sheet1.xml").file_size)
    assert honest.count(true) == 2
    assert "far more" in refused(honest)
    for found in re.finditer(re.escape(true), honest):
        made[found.start() : found.start() + 4] = lie
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refused(bytes(made))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def sheet_with(cells: str) -> bytes:
    parts = parts_of(PLAIN)
    name = "xl/worksheets/sheet1.xml"
    rows = f"<sheetData>{cells}</sheetData>".encode()
    parts[name] = re.sub(rb"<sheetData>.*</sheetData>", rows.replace(b"\\", b"\\\\"), parts[name], flags=re.DOTALL)
    return packed(parts)


CELL = '<c r="{}" t="inlineStr"><is><t>x</t></is></c>'


@pytest.mark.parametrize(
    "cells",
    [
        f'<row r="1">{CELL.format("A1")}</row><row r="1048576">{CELL.format("IV1048576")}</row>',
        f"<row r='1'>{CELL.format('A1')}</row><row r = '1048576'>{CELL.format('IV1048576').replace('r=', 'r = ')}</row>",
        f'<row r="1">{CELL.format("A1")}</row><row r="1048576">' + CELL.format("").replace(' r=""', "") * 200 + "</row>",
        f'<row r="1">{CELL.format("A1")}</row><row r="1">{CELL.format("XFD1")}</row>',
    ],
)
def test_e07_a_small_sheet_of_a_huge_area(cells: str):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refused(sheet_with(cells))
    assert "too large" in message or "256 columns" in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_e07_one_long_text_in_many_cells():
    rows = "".join(f'<row r="{i}"><c r="A{i}" t="s"><v>0</v></c></row>' for i in range(1, 30_001))
    parts = parts_of(sheet_with(rows))
    text = parts["xl/sharedStrings.xml"]
    parts["xl/sharedStrings.xml"] = text.replace(b"<t>code</t>", b"<t>" + b"A0b1C2d3" * 60_000 + b"</t>")
    assert parts["xl/sharedStrings.xml"] != text
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refused(packed(parts))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_cells_without_addresses_are_read():
    cells = "".join(f'<row><c t="inlineStr"><is><t>C-{i:03d}</t></is></c></row>' for i in range(300))
    assert [row.code for row in read(sheet_with(cells))] == [f"C-{i:03d}" for i in range(300)]


@pytest.mark.parametrize("length", [4, 30, 200, 1000, 3000])
def test_a_cut_archive_is_damaged(length: int):
    assert "damaged" in refused(PLAIN[:length]) or length < 30


@pytest.mark.parametrize(
    "name", ["[Content_Types].xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/worksheets/sheet1.xml"]
)
def test_broken_xml_is_no_bug(name: str):
    parts = parts_of(PLAIN)
    half = {name: parts[name][: len(parts[name]) // 2]}
    if name == "[Content_Types].xml":
        # Nothing in it says where the sheets are, so nobody reads it.
        assert [row.code for row in read(packed(parts | half))] == ["A-1", "B-2"]
    else:
        assert "cannot be read" in refused(packed(parts | half))
