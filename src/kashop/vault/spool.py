"""Files of codes on their way in: on disk only as ciphertext, under a key that is in memory alone.

Always true: a spool has no name on the disk, so that nothing of it outlives the process, whatever ends it; its key is random,
never written down, and gone with it. Chunks of 64 KiB are sealed one by one (XChaCha20-Poly1305, the chunk's number as nonce
under a key of this file's own, and whether it is the last as associated data), so that a reader may begin anywhere.
"""

import io
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

import nacl.exceptions
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_ABYTES,
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
)
from nacl.utils import random

from kashop.vault.keyring import KEY_BYTES, Tampered

CHUNK = 64 * 1024
_SEALED = CHUNK + crypto_aead_xchacha20poly1305_ietf_ABYTES
_NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES


class Spool:
    """One file: written once from its beginning, `finish`ed, then read by as many readers as like. Raises OSError of the disk."""

    def __init__(self, folder: Path):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - `close` ends it
        self._key = random(KEY_BYTES)
        self._pending = bytearray()
        self._chunks = 0
        self._is_finished = False
        self.size = 0

    def __repr__(self) -> str:
        return f"<Spool {self.size} bytes>"

    def write(self, data: bytes | bytearray) -> None:
        """Append."""
        self._pending += data
        self.size += len(data)
        while len(self._pending) > CHUNK:  # the last chunk is sealed by `finish`, which alone knows that it is the last
            self._append(bytes(self._pending[:CHUNK]), is_last=False)
            del self._pending[:CHUNK]

    def finish(self) -> None:
        """Nothing more comes."""
        self._append(bytes(self._pending), is_last=True)
        self._pending.clear()
        self._is_finished = True

    def open(self) -> BinaryIO:
        """A reader with a place of its own."""
        if not self._is_finished:
            raise ValueError("a spool is read when it is finished")
        return cast(BinaryIO, io.BufferedReader(_Reader(self), CHUNK))

    def close(self) -> None:
        """Let the bytes and the key go. Again: nothing."""
        self._key = b""
        self._file.close()

    def chunk(self, number: int) -> bytes:
        """The plain bytes of one chunk; none beyond the end. Raises Tampered."""
        if number >= self._chunks:
            return b""
        sealed = os.pread(self._file.fileno(), _SEALED, number * _SEALED)
        try:
            return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, self._mark(number), _nonce(number), self._key)
        except nacl.exceptions.CryptoError:
            raise Tampered(f"spool chunk {number}") from None

    def _append(self, plain: bytes, *, is_last: bool) -> None:
        mark = b"last" if is_last else b"more"
        left = memoryview(crypto_aead_xchacha20poly1305_ietf_encrypt(plain, mark, _nonce(self._chunks), self._key))
        while left:
            left = left[self._file.write(left) or 0 :]
        self._chunks += 1

    def _mark(self, number: int) -> bytes:
        return b"last" if number == self._chunks - 1 else b"more"


class _Reader(io.RawIOBase):
    """Reads and seeks in a finished spool; keeps the chunk at hand."""

    def __init__(self, spool: Spool):
        self._spool = spool
        self._at = 0
        self._number, self._plain = -1, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._spool.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # any buffer of the io module
        number, skip = divmod(self._at, CHUNK)
        if number != self._number:
            self._number, self._plain = number, self._spool.chunk(number)
        part = self._plain[skip : skip + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE, "big")
