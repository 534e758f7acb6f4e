"""A drawn page as bytes that stand ready, squeezed too, with a gap where each sending puts a key of its own.

A form's key makes one order of one form however often it is sent, so no two guests may be given the same one (decision 0030).
All else of a guest's page is the same for all.

Always true: what is sent squeezed opens to exactly what is sent plain; a page with a gap is called unchanged only to a browser
whose script makes keys itself, since it would show the old one again.
"""

import secrets
import zlib
from collections.abc import Sequence
from hashlib import blake2b

from kashop.web.answers import Headers, has, takes_gzip
from kashop.web.errors import Answer

GAP = secrets.token_urlsafe(18)
"""What a page is drawn with where its form's key goes: as long as a key, and nobody's."""

OWN_KEYS = b"kashop_keys=1"
"""The cookie by which the theme's script says that it makes the keys of forms itself."""

CONTENT_TYPE = (b"content-type", b"text/html; charset=utf-8")
REVALIDATED = (b"cache-control", b"private, no-cache")

_LEVEL = 6
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_STORED = b"\x00" + len(GAP).to_bytes(2, "little") + (len(GAP) ^ 0xFFFF).to_bytes(2, "little")
_HOLE = bytes(range(1, len(GAP) + 1))
"""Stands for a key while a page is squeezed: characters that are on no page, so that nothing after them refers back to them."""


def new_key() -> str:
    """A key for one form."""
    return secrets.token_urlsafe(18)


class Drawn:
    """One page. `is_shareable`: the theme left the key whole, so that all may be given it. `size` is what it takes of memory."""

    __slots__ = ("_packed", "_parts", "_plain_head", "_told", "_zip_head", "etag", "is_shareable", "size")

    def __init__(self, text: str, *, vary: str):
        whole = text.encode()
        gap = GAP.encode()
        self._parts = whole.split(gap)
        self.is_shareable = not any(gap[:8] in part or gap[-8:] in part for part in self._parts)
        self._packed = _packed(self._parts)
        self.etag = blake2b(b"\0".join(self._parts), digest_size=16).hexdigest().encode()
        filled = len(whole)
        squeezed = sum(map(len, self._packed)) + len(gap) * (len(self._parts) - 1) + len(_HEAD) + 8
        self.size = filled + squeezed
        self._told = [REVALIDATED, (b"etag", b'W/"%s"' % self.etag), (b"vary", vary.encode())]
        self._plain_head = [CONTENT_TYPE, (b"content-length", b"%d" % filled), *self._told]
        self._zip_head = [CONTENT_TYPE, (b"content-length", b"%d" % squeezed), (b"content-encoding", b"gzip"), *self._told]

    def answer(self, headers: Headers) -> Answer:
        """What to send to a guest whose request has these headers."""
        has_gap = len(self._parts) > 1
        if has(headers, self.etag) and (not has_gap or OWN_KEYS in headers.get(b"cookie", b"")):
            return 304, list(self._told), b""
        key = new_key().encode() if has_gap else b""
        if takes_gzip(headers.get(b"accept-encoding", b"")):
            return 200, list(self._zip_head), self._squeezed(key)
        return 200, list(self._plain_head), key.join(self._parts)

    def _squeezed(self, key: bytes) -> bytes:
        crc, size = 0, len(key) * (len(self._parts) - 1)
        for n, part in enumerate(self._parts):
            crc, size = zlib.crc32(part, zlib.crc32(key, crc) if n else crc), size + len(part)
        return b"".join((_HEAD, key.join(self._packed), crc.to_bytes(4, "little"), (size & 0xFFFFFFFF).to_bytes(4, "little")))


def _packed(parts: Sequence[bytes]) -> list[bytes]:
    """Deflate in pieces between which a stored block of a key's length stands (RFC 1951 §3.2.4), its head at each piece's end."""
    packer = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
    pieces = []
    for part in parts[:-1]:
        pieces.append(packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) + _STORED)
        packer.compress(_HOLE)
        packer.flush(zlib.Z_SYNC_FLUSH)
    return [*pieces, packer.compress(parts[-1]) + packer.flush()]
