"""One value at a time: what may be a code, a cost, a date.

And the text whose keyed hash is a code's fingerprint.
"""

import datetime as dt
import re
import unicodedata

from kashop.inventory.stockfile.types import CODE_LIMIT, Cell

# Unicode White_Space and the byte order mark. str.strip() would also take \x1c-\x1f, which are control
# characters to complain about.
OUTER = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)

# A line end inside a code is LF or CRLF; a lone CR is a control character like the others.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
_LOST = re.compile("[\ud800-\udfff\ufffd\ufffe\uffff]")
_INVISIBLE = re.compile("[\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_FULL_WIDTH = re.compile("[\uff01-\uff5e]")

_COST = re.compile(r"(?:[0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.[0-9]{1,8})?")
_CURRENCY = re.compile(r"^(?:¥|￥|\$|CNY|RMB|USD)\s*|\s*(?:元|CNY|RMB|USD)$", re.IGNORECASE)
_DATE = re.compile(
    r"([0-9]{4})(?:[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?|([0-9]{2})([0-9]{2}))"
    r"(?:[T ]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?)?"
)
_NEVER = {"永久", "长期", "长期有效", "永久有效", "无", "无限期", "never", "none", "n/a", "-", "/"}


def fingerprint_text(code: str) -> str:
    """The text whose keyed hash finds a code again.

    No byte order mark, no outer whitespace, NFC, case kept (promises.md, key hierarchy).
    """
    return unicodedata.normalize("NFC", code.strip(OUTER))


def code_problem(code: str) -> str | None:
    """Why this cannot be a code, or None."""
    if not code.strip(OUTER):
        return "empty"
    if code.isascii() and code.isprintable():
        return "too_long" if len(code) > CODE_LIMIT else None
    if _LOST.search(code):
        return "bad_unicode"
    if _CONTROL.search(code):
        return "control_character"
    if len(code.encode()) > CODE_LIMIT:
        return "too_long"
    return None


def code_warning(code: str) -> str | None:
    """What the merchant should look at before selling this, or None."""
    if code.isascii() and code[0] > " " and code[-1] > " ":
        return None
    if _INVISIBLE.search(code):
        return "invisible_character"
    if _FULL_WIDTH.search(code):
        return "full_width"
    # A last line end belongs to a code of several lines.
    if code.strip("\r\n") != code.strip(OUTER):
        return "outer_space"
    return None


def cell_text(cell: Cell) -> tuple[str, str | None, str | None]:
    """A code's cell as text, with its problem and its warning.

    A spreadsheet keeps 15 digits of a number and no leading zeros.
    """
    if isinstance(cell, str):
        return cell, None, None
    if isinstance(cell, bool) or cell is None:
        return plain_text(cell), "not_text", None
    if isinstance(cell, int | float):
        exact = abs(cell) < 10**15
        return plain_text(cell), None if exact else "not_text", "number_cell" if exact else None
    return plain_text(cell), "not_text", None


def plain_text(cell: Cell) -> str:
    """Any cell as a person would read it."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 10**15:
        return str(int(cell))
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return str(cell)


def cost_text(cell: Cell) -> tuple[str | None, str | None]:
    """A cost as a plain decimal (None when empty), and its problem."""
    text = plain_text(cell).strip(OUTER)
    if not text:
        return None, None
    bare = _CURRENCY.sub("", text)
    if not _COST.fullmatch(bare):
        return text, "bad_cost"
    return bare.replace(",", ""), None


def expiry_text(cell: Cell) -> tuple[str | None, str | None]:
    """A date as ISO 8601 (None when empty or never), and its problem.

    A time with an offset keeps it; others are the shop's own time.
    """
    text = plain_text(cell).strip(OUTER)
    if not text or text.casefold() in _NEVER:
        return None, None
    found = _DATE.fullmatch(text)
    try:
        if not found:
            return dt.datetime.fromisoformat(text).isoformat(), None
        year, month, day, month2, day2, hour, minute, second = found.groups()
        date = dt.date(int(year), int(month or month2), int(day or day2))
        if hour is None:
            return date.isoformat(), None
        return dt.datetime.combine(date, dt.time(int(hour), int(minute), int(second or 0))).isoformat(), None
    except ValueError:
        return text, "bad_expiry"
