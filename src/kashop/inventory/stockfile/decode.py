"""What a file is made of: a spreadsheet or text, and in which encoding.

Always true: the whole file has been decoded once, strictly, before the first row of it is read; so a bad
byte refuses the file with its row and offset, and nothing of it is stored. Big5 and other encodings that
cannot be told from GB18030 by their bytes are only read when asked for.
"""

import codecs
import io
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, NoReturn

from kashop.inventory.stockfile.types import ENCODINGS, LINE_LIMIT
from kashop.lib.errors import Invalid

_CHUNK = 256 * 1024
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_UTF32 = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_BINARY = (
    b"\x7fELF", b"%PDF-", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"Rar!\x1a", b"7z\xbc\xaf",
    b"BZh9", b"\xfd7zXZ", b"SQLite format 3\x00", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe",
)  # fmt: skip
_OLE = b"\xd0\xcf\x11\xe0"
_MARKUP = re.compile(r"\s*<(?:!doctype|html|head|body|meta|table|script|\?xml|!--)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_MULTIBYTE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]{1,3}")
_GB_CHARACTER = re.compile(rb"[\x81-\xfe](?:[\x30-\x39][\x81-\xfe][\x30-\x39]|[\x40-\xfe])")
_GB_COMMON = re.compile(rb"[\xa1-\xa9\xb0-\xf7][\xa1-\xfe]|[\x81-\xfe][\x30-\x39]..", re.DOTALL)


class Encoding(NamedTuple):
    """A codec, how many bytes of mark stand before the text, and what becomes of bytes that are none: see `open`."""

    name: str
    skip: int = 0
    errors: str = "strict"


class Undecodable(Invalid):
    """Some bytes are not text in the encoding: another may be asked for, or such rows left out."""


def is_zip(file: BinaryIO) -> bool:
    """Whether the file is a zip archive, as every .xlsx is; other kinds that hold no text are refused."""
    file.seek(0)
    head = file.read(1024)
    if not head:
        raise Invalid.of("file", "The file is empty.")
    if head.startswith(_OLE):
        raise Invalid.of(
            "file",
            "This is an old Excel file, or one with a password. Save it as .xlsx without one, or as CSV.",
        )
    if head.startswith(_BINARY) or (head.startswith(b"MZ") and b"\x00" in head):
        raise Invalid.of("file", "This is a program, a picture or an archive, not a list of codes.")
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def detect(file: BinaryIO, asked: str | None, *, is_lenient: bool = False) -> Encoding:
    """The encoding that decodes every byte of the file.

    Refuses the file when none does or when it cannot be told (Undecodable); lenient, it takes the likeliest.
    """
    file.seek(0)
    head = file.read(_CHUNK)
    if head.startswith(_UTF32):
        raise Invalid.of("file", "UTF-32 is not supported. Save the file as UTF-8.")
    marked = next((Encoding(name, len(bom)) for bom, name in _BOMS if head.startswith(bom)), None)
    found = marked or _utf16(head) if asked is None else _asked(asked, marked, head)
    if is_lenient:
        found = (found or _likeliest(file))._replace(errors="replace")
    else:
        found = found or _utf8_or_chinese(file)
        fault = _first_fault(file, found)
        if fault is not None:
            _refuse_byte(file, found, fault)
    _refuse_not_text(file, found)
    return found


def lines(file: BinaryIO, encoding: Encoding, newline: str | None) -> Iterator[str]:
    """The lines of a file that `detect` has passed, with `newline` as in `open`.

    One that is too long refuses the file.
    """
    file.seek(encoding.skip)
    text = io.TextIOWrapper(file, encoding=encoding.name, errors=encoding.errors, newline=newline)
    number = 0
    try:
        while line := text.readline(LINE_LIMIT + 1):
            number += 1
            if len(line) > LINE_LIMIT:
                raise Invalid.of("file", "Row {row} is longer than {limit} characters.", row=number, limit=LINE_LIMIT)
            yield line
    finally:
        # Without this the wrapper would close the caller's file when it is collected.
        if not file.closed:
            text.detach()


def _asked(asked: str, marked: Encoding | None, head: bytes) -> Encoding:
    try:
        name = codecs.lookup(asked).name
    except (LookupError, ValueError):
        name = ""
    name = {"utf-8-sig": "utf-8", "gb2312": "gb18030", "cp950": "big5"}.get(name, name)
    if name not in ENCODINGS:
        raise Invalid.of(
            "encoding",
            "“{asked}” is not an encoding we read. Choose one of {known}.",
            asked=asked,
            known=", ".join(ENCODINGS),
        )
    if marked is None:
        return (_utf16(head) or Encoding("utf-16-le")) if name == "utf-16" else Encoding(name)
    if not marked.name.startswith(name):
        raise Invalid.of(
            "encoding",
            "The file begins with the mark of {found}, so it is not {asked}.",
            found=marked.name,
            asked=name,
        )
    return marked


def _utf16(head: bytes) -> Encoding | None:
    """UTF-16 without a mark shows as zero bytes on one side of most characters, which no other text has."""
    units = len(head) // 2
    if not units:
        return None
    high, low = head[0 : units * 2 : 2].count(0), head[1 : units * 2 : 2].count(0)
    zeros, others = max(high, low), min(high, low)
    # Chinese lines without a mark: few zero bytes, but then the bytes are not UTF-8 either.
    enough = units // 2 if _decodes(head, "utf-8") else units // 50
    if zeros <= max(enough, 2 * others):
        return None
    name = "utf-16-be" if high > low else "utf-16-le"
    return Encoding(name) if _decodes(head, name) else None


def _decodes(head: bytes, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    try:
        decoder.decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _utf8_or_chinese(file: BinaryIO) -> Encoding:
    utf8 = Encoding("utf-8")
    fault = _first_fault(file, utf8)
    if fault is None:
        return utf8
    chinese = next((Encoding(name) for name in ("gbk", "gb18030") if _first_fault(file, Encoding(name)) is None), None)
    before, after = _around(file, fault)
    # Text in another encoding is never UTF-8 for long: a file that was, and has one bad byte, is damaged
    # UTF-8.
    if len(_MULTIBYTE.findall(before)) >= 4:
        _refuse_byte(file, utf8, fault)
    if chinese is None:
        later = _first_fault(file, Encoding("gb18030")) or 0
        worst = (utf8, fault) if fault >= later else (Encoding("gb18030"), later)
        _refuse_byte(file, *worst)
    elif _reads_like_chinese(after):
        return chinese
    raise Undecodable.of(
        "file",
        "Byte {offset} (row {row}) is not UTF-8, and the text is hardly GB18030. Choose the encoding.",
        offset=fault,
        row=_row_at(file, utf8, fault),
    )


def _likeliest(file: BinaryIO) -> Encoding:
    try:
        return _utf8_or_chinese(file)
    except Undecodable:
        file.seek(0)
        before = file.read(_CHUNK)
        is_chinese = not _MULTIBYTE.search(before) and _reads_like_chinese(before)
        return Encoding("gb18030" if is_chinese else "utf-8")


def _around(file: BinaryIO, offset: int) -> tuple[bytes, bytes]:
    """Some bytes before the place, and some from the beginning of its line on."""
    file.seek(max(0, offset - _CHUNK))
    before = file.read(min(offset, _CHUNK))
    begin = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
    file.seek(offset - len(before) + begin)
    return before, file.read(_CHUNK)


def _reads_like_chinese(sample: bytes) -> bool:
    """Four in five characters are of the common set (GB2312, or four bytes long).

    Big5, Latin-1 and damaged UTF-8 are not.
    """
    found = _GB_CHARACTER.findall(sample)
    common = sum(1 for character in found if _GB_COMMON.fullmatch(character))
    return bool(found) and common * 5 >= len(found) * 4


def _first_fault(file: BinaryIO, encoding: Encoding) -> int | None:
    """The offset of the first byte that does not decode."""
    decoder = codecs.getincrementaldecoder(encoding.name)()
    file.seek(encoding.skip)
    position = encoding.skip
    while True:
        chunk = file.read(_CHUNK)
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            return position - held + error.start
        if not chunk:
            return None
        position += len(chunk)


def _refuse_byte(file: BinaryIO, encoding: Encoding, offset: int) -> NoReturn:
    raise Undecodable.of(
        "file",
        "Byte {offset} (row {row}, value {byte}) is not {encoding}. Correct it or choose another encoding.",
        offset=offset,
        row=_row_at(file, encoding, offset),
        byte=f"0x{_byte_at(file, offset):02X}",
        encoding=encoding.name,
    )


def _byte_at(file: BinaryIO, offset: int) -> int:
    file.seek(offset)
    return (file.read(1) or b"\x00")[0]


def _row_at(file: BinaryIO, encoding: Encoding, offset: int) -> int:
    """The line, from 1, in which the byte at `offset` stands; all before it decodes."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding.name)(), translate=True)
    file.seek(encoding.skip)
    left, row = offset - encoding.skip, 1
    while left > 0 and (chunk := file.read(min(_CHUNK, left))):
        left -= len(chunk)
        row += decoder.decode(chunk, final=left == 0).count("\n")
    return row


def _refuse_not_text(file: BinaryIO, encoding: Encoding) -> None:
    file.seek(encoding.skip)
    head = codecs.getincrementaldecoder(encoding.name)(encoding.errors).decode(file.read(4096))
    if _MARKUP.match(head):
        raise Invalid.of("file", "This is a web page or XML, not a list of codes. Save it as CSV or .xlsx.")
    if len(_CONTROL.findall(head)) * 10 > len(head) * 3:
        raise Invalid.of("file", "This is not text: it is full of control characters.")
