"""Encodings are found or asked for, never read as mojibake; strange characters are bad rows or warnings."""

import codecs

import pytest

from kashop.inventory import stockfile
from kashop.inventory.stockfile import CODE_LIMIT, Row, Rules
from tests.inventory.stock_reading import good, read, refused

CHINESE = "账号甲乙丙----密码一二三\r\n会员月卡----无备注\r\n"


@pytest.mark.parametrize(
    ("encoding", "mark", "found"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", codecs.BOM_UTF8, "utf-8"),
        ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16-le"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "utf-16-be"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
        ("gbk", b"", "gbk"),
        ("gb18030", b"", "gbk"),
    ],
)
@pytest.mark.parametrize("text", [CHINESE, "AAAA-1111\nBBBB-2222\n" + CHINESE, "账号,密码\r\n甲,0012\r\n"])
def test_e01_encodings_are_detected(encoding: str, mark: bytes, found: str, text: str):
    data = mark + text.encode(encoding)
    assert stockfile.inspect(data, "a.txt", Rules()).encoding == found
    assert good(data) == good(text.encode())


def test_e01_a_character_outside_gbk():
    data = "卡号,密码\n0001,㐂\n0002,年卡\n".encode("gb18030")
    assert stockfile.inspect(data, "a.csv", Rules()).encoding == "gb18030"
    assert good(data) == ["0001----㐂", "0002----年卡"]


@pytest.mark.parametrize("text", ["帳號甲乙丙----密碼一二三\n會員月卡----無備註資料庫檔案\n", "檔案說明與授權條款內容介紹\n"])
def test_e01_big5_is_asked_about_and_read_when_asked_for(text: str):
    data = text.encode("big5")
    assert "Choose the encoding" in refused(data) or "choose another encoding" in refused(data)
    assert good(data, encoding="big5") == text.split()
    assert good(data, encoding="Big5") == text.split()


def test_e01_latin_1_is_not_chinese():
    assert "byte 3 " in refused("café naïve\n".encode("latin-1")).lower()


@pytest.mark.parametrize("asked", ["latin-1", "rot13", "no-such", "", "utf-7", "zip"])
def test_e01_an_encoding_that_is_not_read_is_named(asked: str):
    assert "utf-8, utf-16" in refused(b"AAAA\n", field="encoding", encoding=asked)


def test_e01_a_mark_contradicts_the_asked_encoding():
    assert "utf-8" in refused(codecs.BOM_UTF8 + b"AAAA\n", field="encoding", encoding="gbk")
    assert good(codecs.BOM_UTF16_BE + "甲\n".encode("utf-16-be"), encoding="utf-16") == ["甲"]


def test_e01_the_preview_shows_five_rows():
    shape = stockfile.inspect(b"".join(b"CODE-%04d\n" % i for i in range(900)), "a.txt", Rules())
    assert [row.code for row in shape.first] == [f"CODE-{i:04d}" for i in range(5)]
    assert len(shape.cells) == 5


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bad", [b"\xff", b"\x80", b"\xe9"])
def test_e02_a_bad_byte_is_named_by_row_and_offset(ending: bytes, bad: bytes):
    head = b"".join(b"CODE-%07d" % i + ending for i in range(100_000))
    message = refused(head + b"BAD-" + bad + ending + b"CODE-LAST" + ending)
    assert f"Byte {len(head) + 4} (row 100001" in message


def test_e02_damaged_utf8_is_not_read_as_gbk():
    # On its own the damaged line decodes as GBK: the file before it says that it must not.
    data = ("会员月卡----甲乙丙丁\n" * 50).encode() + b"\xc4\xea\xbf\xa8\n"
    assert f"Byte {len(data) - 5} (row 51, value 0xC4) is not utf-8" in refused(data)
    assert good(b"\xc4\xea\xbf\xa8\n") == ["年卡"]


def test_e02_with_an_asked_encoding_too():
    data = "甲\n乙\n".encode("utf-16-le") + b"\x00\xdc\n\x00"
    assert "Byte 8 (row 3" in refused(data, encoding="utf-16-le")
    assert "row 2" in refused("甲\n".encode("gbk") + b"\xff\n", encoding="gb18030")
    assert "row 2" in refused("甲甲甲甲\nA".encode("utf-16-le") + b"\x00", encoding="utf-16-le")


@pytest.mark.parametrize(
    ("code", "problem", "warning"),
    [
        ("AB\x00CD", "control_character", None),
        ("AB\x1bCD", "control_character", None),
        ("AB\x7fCD", "control_character", None),
        ("AB\x85CD", "control_character", None),
        ("AB\ufffdCD", "bad_unicode", None),
        ("AB\u200bCD", None, "invisible_character"),
        ("AB\ufeffCD", None, "invisible_character"),
        ("AB\u202eCD", None, "invisible_character"),
        ("ＡＢ１２", None, "full_width"),
        ("AB\tCD", None, None),
        ("ABCD㐂", None, None),
        ("x" * CODE_LIMIT, None, None),
        ("x" * (CODE_LIMIT + 1), "too_long", None),
        ("甲" * (CODE_LIMIT // 3 + 1), "too_long", None),
    ],
)
def test_e03_strange_characters(code: str, problem: str | None, warning: str | None):
    rows = read(f"FIRST-CODE-1\n{code}\nLAST-CODE-22\n".encode())
    assert rows[1] == Row(2, code, problem=problem, warning=warning)
    assert [rows[0].problem, rows[2].problem] == [None, None]


def test_e03_outer_blanks_and_mixed_line_ends():
    data = "\ufeff \tA-1 \u3000\r\n\r\n  \nB-2\rC-3\n\xa0D-4\r\r\n\n E-5".encode()
    rows = read(data)
    assert [(row.number, row.code) for row in rows] == [
        (1, "A-1"),
        (4, "B-2"),
        (5, "C-3"),
        (6, "D-4"),
        (9, "E-5"),
    ]


def test_e03_the_fingerprint_rule():
    assert stockfile.fingerprint_text("\ufeff Ab-1\u3000\n") == "Ab-1"
    assert stockfile.fingerprint_text("e\u0301") == "\xe9"
    assert stockfile.fingerprint_text("ab") != stockfile.fingerprint_text("AB")
    assert stockfile.fingerprint_text("A\u200bB") == "A\u200bB"
    assert stockfile.fingerprint_text("\x1fA") == "\x1fA"
