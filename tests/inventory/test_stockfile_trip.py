"""What is written in any format and encoding comes out the same; and a long file costs no memory."""

import csv
import io
import json
import tracemalloc

import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from kashop.inventory import stockfile
from kashop.inventory.stockfile import Rules
from kashop.lib.errors import Invalid

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030")
_OUTER = "\t\n\r \x0b\x0c\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
CHARACTERS = st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co"), exclude_characters="\ufffd\ufeff")
INSIDE = st.text(CHARACTERS | st.sampled_from("=+-@'\",;|\t0㐂卡密"), min_size=1, max_size=40)
LINE = INSIDE.filter(lambda code: code == code.strip(_OUTER))
MULTILINE = st.lists(INSIDE, min_size=1, max_size=3).map("\n".join).filter(lambda code: code.strip(_OUTER))


def read(data: bytes, **rules: object) -> list[str]:
    rows = list(stockfile.rows(data, "file", Rules(**rules)))  # type: ignore[arg-type]
    assert [row for row in rows if row.problem] == []
    return [row.code for row in rows]


@settings(max_examples=60, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=30), st.sampled_from(ENCODINGS), st.sampled_from(["\n", "\r\n", "\r"]))
def test_lines(codes: list[str], encoding: str, ending: str):
    data = (ending.join(codes) + ending).encode(encoding)
    assert read(data, format="txt", header=False, encoding=encoding) == codes


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(MULTILINE, MULTILINE), min_size=1, max_size=20),
    st.sampled_from(ENCODINGS),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_tables(pairs: list[tuple[str, str]], encoding: str, separator: str):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(["密码", "卡号"])
    writer.writerows(pairs)
    data = text.getvalue().encode(encoding)
    assert read(data, encoding=encoding, joiner="\n") == [f"{b}\n{a}" for a, b in pairs]


@settings(max_examples=60, deadline=None)
@given(st.lists(MULTILINE, min_size=1, max_size=20), st.sampled_from(ENCODINGS), st.booleans())
def test_json(codes: list[str], encoding: str, ascii_only: bool):
    lines = [json.dumps({"sku": "x", "code": code}, ensure_ascii=ascii_only) for code in codes]
    assert read("\n".join(lines).encode(encoding), encoding=encoding) == codes


@settings(max_examples=30, deadline=None)
@given(st.lists(MULTILINE, min_size=1, max_size=20))
def test_spreadsheets(codes: list[str]):
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet()
    for row, code in enumerate(["卡密", *codes]):
        sheet.write_string(row, 0, code)
    book.close()
    assert read(made.getvalue()) == codes


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["a.txt", "a.csv", "a.jsonl", "a.xlsx"]))
def test_any_bytes_are_rows_or_a_refusal(data: bytes, name: str):
    try:
        stockfile.inspect(data, name, Rules())
        for row in stockfile.rows(data, name, Rules()):
            assert row.problem or row.code.encode()
    except Invalid as refusal:
        said = [complaint.text() for complaint in refusal.fields]
    else:
        said = ["read"]
    assert all(said)
    assert len(said) == 1


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(["卡密", "code", "ABC-1", "a", '"', ",", "\n", "\r", "\t", "{", "}", "[", ":", "é", " "]), max_size=40
    )
)
def test_any_text_is_rows_or_a_refusal(words: list[str]):
    test_any_bytes_are_rows_or_a_refusal.hypothesis.inner_test("".join(words).encode(), "a.csv")


class Endless(io.RawIOBase):
    """A file that is never in memory: its lines are made when they are read."""

    def __init__(self, line: bytes, count: int):
        self._line, self._size, self._at = line, len(line) * count, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = {0: 0, 1: self._at, 2: self._size}[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        size = min(len(buffer), self._size - self._at)
        width = len(self._line)
        first = self._at % width
        made = (self._line * ((first + size) // width + 1))[first : first + size]
        buffer[:size] = made
        self._at += size
        return size


LONG = [
    ("a.txt", 200_000, b"ABCDE-FGHIJ-KLMNO-PQRST-UVWXY\r\n"),
    ("a.csv", 20_000, "780319,㐂 年卡,50,190,2027-12-24,note\r\n".encode("gb18030")),
    ("a.jsonl", 20_000, b'{"sku": "node", "code": "[peer]\\nkey=ABCEF\\n", "expires": "2027-01-31"}\n'),
]


@pytest.mark.parametrize(("name", "count", "line"), LONG)
def test_long_files_are_a_stream(name: str, count: int, line: bytes):
    file = io.BufferedReader(Endless(line, count))
    rules = Rules(columns=(1, 2)) if name == "a.csv" else Rules()

    tracemalloc.start()
    try:
        assert sum(1 for row in stockfile.rows(file, name, rules) if row.problem is None) == count
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()
