"""The stock files of tests/stock read a second way, by the standard library alone: our readers prove nothing to themselves."""

import csv
import io
import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

STOCK = Path(__file__).parent.parent / "stock"
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def codes_of(slug: str) -> list[str]:
    """What a buyer of a product of products.csv must get, in order, each once."""
    return list(dict.fromkeys(_READERS[slug]()))


def _text(name: str, encoding: str) -> str:
    return (STOCK / name).read_bytes().decode(encoding)


def _steam() -> list[str]:
    return [line.strip() for line in _text("steam-keys.txt", "utf-8-sig").split("\n") if line.strip()]


def _video() -> list[str]:
    return [line.strip() for line in _text("video-accounts-gbk.txt", "gbk").split("\n") if line.strip()]


def _game() -> list[str]:
    """Number, password and remark, of the cards that have one: 㐂 among them."""
    rows = csv.DictReader(io.StringIO(_text("game-cards-gb18030.csv", "gb18030"), newline=""))
    return ["----".join((row["卡号"], row["密码"], row["备注"])) for row in rows if row["备注"]]


def _gift() -> list[str]:
    rows = [line.rstrip("\r").split("\t") for line in _text("gift-cards-utf16.txt", "utf-16").split("\n")]
    return ["----".join(row[:2]) for row in rows[1:] if row != [""]]


def _licences() -> list[str]:
    with zipfile.ZipFile(STOCK / "licences.xlsx") as book:
        strings = ET.fromstring(book.read("xl/sharedStrings.xml"))
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
    texts = ["".join(t.text or "" for t in item.iter(f"{_SHEET}t")) for item in strings.iter(f"{_SHEET}si")]
    cells = [cell for cell in sheet.iter(f"{_SHEET}c") if cell.get("r", "").startswith("A")]
    return [texts[int(cell.findtext(f"{_SHEET}v") or "-1")] for cell in cells[1:]]


def _nodes() -> list[str]:
    return [json.loads(line)["code"] for line in _text("vpn-configs.jsonl", "utf-8").split("\n") if line.strip()]


_READERS = {
    "steam-50": _steam,
    "video-month": _video,
    "game-100": _game,
    "gift-card": _gift,
    "licence-pro": _licences,
    "node-month": _nodes,
}
FILES = {
    "steam-50": "steam-keys.txt",
    "video-month": "video-accounts-gbk.txt",
    "game-100": "game-cards-gb18030.csv",
    "gift-card": "gift-cards-utf16.txt",
    "licence-pro": "licences.xlsx",
    "node-month": "vpn-configs.jsonl",
}
