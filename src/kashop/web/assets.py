"""The files that pages refer to: a theme's, the panel's.

Always true: an asset's address holds a digest of its content, so that it may be kept for ever; it is read, squeezed and given
its headers once, at start; only plain files of known kinds within their folder are served.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kashop.web.answers import Headers, has, takes_gzip
from kashop.web.errors import Answer

ASSET_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
"""The only kinds of file that a theme serves."""

MAX_ASSET = 2 * 1024 * 1024
FOR_EVER = "public, max-age=31536000, immutable"

_WORTH_GZIP = {".css", ".js", ".svg"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a theme, ready to send."""

    body: bytes
    gzipped: bytes | None
    content_type: str
    digest: str

    def answer(self, headers: Headers, *, is_current: bool) -> Answer:
        """The file, or that it is known. At an address of another version it is not to be kept."""
        takes = self.gzipped is not None and takes_gzip(headers.get(b"accept-encoding", b""))
        body = self.gzipped if takes and self.gzipped is not None else self.body
        tag = self.digest.encode()
        told = [
            (b"cache-control", FOR_EVER.encode() if is_current else b"no-cache"),
            (b"etag", b'"%s.gz"' % tag if takes else b'"%s"' % tag),
            (b"vary", b"Accept-Encoding"),
        ]
        if has(headers, tag):
            return 304, told, b""
        told += [(b"content-type", self.content_type.encode()), (b"content-length", b"%d" % len(body))]
        if takes:
            told.append((b"content-encoding", b"gzip"))
        return 200, told, body


class Assets:
    """The files that a theme, or the panel, serves: `url('app.css')` → `/t/default/1a2b3c4d/app.css`."""

    def __init__(self, prefix: str, files: Mapping[str, Asset]):
        self._prefix = prefix
        self.files = files

    @classmethod
    def read(cls, prefix: str, folders: list[Path]) -> "Assets":
        """Every servable file of the folders; the first folder that has a path wins."""
        files: dict[str, Asset] = {}
        for folder in reversed(folders):
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(folder)
                if path.suffix in ASSET_TYPES and path.is_file() and _is_plain(path, folder):
                    files[PurePosixPath(name).as_posix()] = _read_asset(path)
        return cls(prefix, files)

    def url(self, path: str) -> str:
        """The address of an asset, for ever the same content."""
        asset = self.files.get(path)
        if asset is None:
            raise LookupError(f"no asset {path!r}")
        return f"{self._prefix}/{asset.digest}/{path}"

    def find(self, address: str, headers: Headers) -> Answer | None:
        """The answer at an address; None when no file of this name is here. An older version's address gets today's content."""
        digest, _, path = address.removeprefix(self._prefix + "/").partition("/")
        asset = self.files.get(path) if address.startswith(self._prefix + "/") else None
        return asset.answer(headers, is_current=digest == asset.digest) if asset else None


def _is_plain(path: Path, folder: Path) -> bool:
    return not path.is_symlink() and path.resolve().is_relative_to(folder.resolve()) and path.stat().st_size <= MAX_ASSET


def _read_asset(path: Path) -> Asset:
    body = path.read_bytes()
    squeezed = gzip.compress(body, 9, mtime=0) if path.suffix in _WORTH_GZIP else None
    digest = hashlib.blake2b(body, digest_size=4).hexdigest()
    return Asset(body, squeezed if squeezed and len(squeezed) < len(body) else None, ASSET_TYPES[path.suffix], digest)
