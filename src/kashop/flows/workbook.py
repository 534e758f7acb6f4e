"""A workbook of codes that only its passphrase opens.

Always true: every cell is text, so that a spreadsheet program shows `=HYPERLINK(`, `+1`, `-1`, `@x` and `007` as they are and
calculates none (abuse case E10); nothing of it is written to a disk; sealed as ECMA-376 agile encryption (MS-OFFCRYPTO 2.3.4.10:
AES-256, SHA-512, 100,000 rounds), which Excel, LibreOffice and WPS open.
"""

import io

from kashop.lib import ids
from kashop.lib.errors import Invalid

LEAST_PASSPHRASE, MOST_PASSPHRASE = 12, 128
HEADER = ("id", "product", "sku", "batch", "expires", "code")
_WIDTHS = (20, 16, 16, 20, 12, 44)
_PLAIN = {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}


class Workbook:
    """One sheet, in memory. Write rows of HEADER's columns, then seal it once."""

    def __init__(self) -> None:
        from xlsxwriter import Workbook as Sheets  # two large libraries that a shop's start need not wait for (decision 0038)

        self._out = io.BytesIO()
        self._book = Sheets(self._out, _PLAIN)
        self._sheet = self._book.add_worksheet("codes")
        self._text = self._book.add_format({"num_format": "@"})  # so that a cell stays text when somebody edits it
        self._row = 0
        for column, width in enumerate(_WIDTHS):
            self._sheet.set_column(column, column, width)
        self._sheet.freeze_panes(1, 0)
        self.write(HEADER)

    def __repr__(self) -> str:
        return f"<Workbook {self._row} rows>"

    def write(self, cells: tuple[str, ...]) -> None:
        """Add a row of texts, each exactly as it is."""
        for column, text in enumerate(cells):
            if self._sheet.write_string(self._row, column, text, self._text) != 0:
                raise OverflowError("a cell does not fit into the sheet")  # 32,767 characters; a code has 8,192 at most
        self._row += 1

    def sealed(self, passphrase: str) -> bytes:
        """The whole file under a passphrase."""
        from msoffcrypto.format.ooxml import OOXMLFile

        self._book.close()
        self._out.seek(0)
        out = io.BytesIO()
        OOXMLFile(self._out).encrypt(passphrase, out)
        return out.getvalue()


def new_passphrase() -> str:
    """A hundred random bits to be read aloud: `4KQ7F-09XJM-WT2BA-PH6CE`."""
    text = ids.random_text(20)
    return "-".join(text[i : i + 5] for i in range(0, 20, 5))


def checked_passphrase(text: str) -> str:
    """A passphrase that a file may be sealed with. Raises Invalid for `passphrase`."""
    if not LEAST_PASSPHRASE <= len(text) <= MOST_PASSPHRASE:
        raise Invalid.of("passphrase", "From {least} to {most} characters.", least=LEAST_PASSPHRASE, most=MOST_PASSPHRASE)
    if len(set(text)) < 5:
        raise Invalid.of("passphrase", "Too easy to guess: avoid names, repetition and well-known passwords.")
    return text
