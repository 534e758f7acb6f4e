"""An export as its receiver opens it: decrypted, then read by another library than the one that wrote it."""

import io

import msoffcrypto
from python_calamine import CalamineWorkbook


def opened(data: bytes, passphrase: str) -> list[list[str]]:
    """Every row below the header. Raises for a wrong passphrase and for a file that was changed."""
    locked, plain = msoffcrypto.OfficeFile(io.BytesIO(data)), io.BytesIO()
    locked.load_key(password=passphrase, verify_password=True)
    locked.decrypt(plain, verify_integrity=True)
    book = CalamineWorkbook.from_filelike(io.BytesIO(plain.getvalue()))
    return [[str(cell) for cell in row] for row in book.get_sheet_by_index(0).to_python(skip_empty_area=False)][1:]


def codes(data: bytes, passphrase: str) -> list[str]:
    """The codes of an export, in its order."""
    return [row[-1] for row in opened(data, passphrase)]
