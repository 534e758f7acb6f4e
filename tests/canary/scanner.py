"""Looks for secrets in bytes: raw, UTF-16, base64 in its three phases, hex, URL-encoded, JSON-escaped, reversed, and inside gzip
and zip members (promises, I-25). `tests/canary/test_scanner.py` shows that it finds each.
"""

import base64
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote_from_bytes

GZIP, ZIP = b"\x1f\x8b\x08", b"PK\x03\x04"
DEPTH = 3

Secrets = Mapping[str, str | bytes]
"""What must not be found, by what it is."""


def needles(secret: str | bytes) -> dict[str, bytes]:
    """Every disguise of one secret."""
    raw = secret.encode() if isinstance(secret, str) else secret
    found = {"raw": raw, "reversed": raw[::-1], "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode()}
    for phase in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            found[f"{name}/{phase}"] = _phase(encode(bytes(phase) + raw), phase, len(raw))
    found["percent"] = quote_from_bytes(raw, safe="").encode()
    found["percent, all"] = "".join(f"%{byte:02X}" for byte in raw).encode()
    if isinstance(secret, str):
        found |= {"utf-16-le": secret.encode("utf-16-le"), "utf-16-be": secret.encode("utf-16-be")}
        found["json"] = json.dumps(secret)[1:-1].encode()
        found["lines"] = secret.strip().splitlines()[-1].encode()
    return found


def _phase(encoded: bytes, phase: int, length: int) -> bytes:
    """The characters of a base64 text that stand for the secret alone, whatever is before and behind it."""
    return encoded[-(-phase * 8 // 6) : (phase + length) * 8 // 6]


class Scanner:
    """One set of secrets."""

    def __init__(self, secrets: Secrets):
        for name, secret in secrets.items():
            assert len(secret) >= 10, f"{name} is too short to be looked for"
        self._needles = [(name, kind, needle) for name, s in secrets.items() for kind, needle in needles(s).items()]

    def hits(self, data: bytes, where: str, depth: int = 0) -> Iterator[str]:
        """What was found, in words that do not repeat it."""
        for name, kind, needle in self._needles:
            if needle in data:
                yield f"{where}: {name} ({kind})"
        if depth < DEPTH:
            for inner, member in _members(data):
                yield from self.hits(member, f"{where}!{inner}", depth + 1)

    def files(self, *folders: Path) -> list[str]:
        """What was found in any file below these folders, and in the names of files."""
        found: list[str] = []
        for path in sorted(p for folder in folders for p in folder.rglob("*")):
            found += self.hits(str(path).encode(), f"the name of {path}")
            if path.is_file():
                found += self.hits(path.read_bytes(), str(path))
        return found

    def texts(self, texts: Iterable[tuple[str, bytes]]) -> list[str]:
        """What was found in (where, bytes)."""
        return [hit for where, data in texts for hit in self.hits(data, where)]


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = data.find(GZIP)
    while at >= 0:
        if inner := _inflated(data[at:], wbits=31):
            yield f"gzip@{at}", inner
        at = data.find(GZIP, at + 1)
    at = data.find(ZIP)
    if at >= 0:
        try:
            with zipfile.ZipFile(io.BytesIO(data[at:])) as archive:
                members = [(info.filename, archive.read(info)) for info in archive.infolist()]
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):
            return  # bytes that only look like an archive
        yield from members


def _inflated(data: bytes, wbits: int) -> bytes:
    try:
        return zlib.decompressobj(wbits).decompress(data, 64 << 20)
    except zlib.error:
        return b""
