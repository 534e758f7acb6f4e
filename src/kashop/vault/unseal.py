"""The secrets that unseal: a key file, a passphrase, a recovery code. Each becomes 32 bytes that wrap the root key.

The key file holds 32 random bytes outside the data directory, readable by its owner alone. A passphrase is stretched by argon2id
over 256 MiB, with its own salt and the costs kept beside its copy (RFC 9106). A recovery code carries 160 random bits itself.
"""

import binascii
import fcntl
import os
import unicodedata
from base64 import b32decode, b32encode, b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec
from argon2.low_level import Type, hash_secret_raw
from nacl.utils import random

from kashop.lib.errors import Conflict, Invalid, Unavailable
from kashop.vault.keyring import KEY_BYTES

LEAST_PASSPHRASE, MOST_PASSPHRASE = 12, 1024
_RECOVERY_BYTES = 20
_GROUP = 4
_LOOKALIKES = str.maketrans("018", "OIB")
"""What base32 leaves out, read as the letter it looks like (RFC 4648 §6)."""


class Stretch(msgspec.Struct, frozen=True):
    """How a passphrase becomes a key: salt in base64, memory in KiB, passes, lanes."""

    salt: str
    memory: int = 256 * 1024
    passes: int = 3
    lanes: int = 1


def create_key_file(path: Path) -> bool:
    """Write a fresh key unless one is there; whether it was written. Whoever sees the file sees all of it, after a crash too."""
    if path.exists():
        return False  # and its folder may be nobody's to write in: a container's secrets
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.") as draft:
        draft.write(random(KEY_BYTES))
        draft.flush()
        os.fchmod(draft.fileno(), 0o400)
        os.fsync(draft.fileno())
        try:
            os.link(draft.name, path)
        except FileExistsError:
            return False
    _sync_folder(path)
    return True


def read_key_file(path: Path) -> bytes:
    """The key. Raises Unavailable with what to do."""
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        raise Unavailable(
            "The unseal key file {path} is missing: put it back, name it with KASHOP_UNSEAL_KEY_FILE, or make a new one with"
            " `kashop vault recover` and a passphrase or recovery code.",
            path=path,
        ) from None
    except PermissionError:
        raise Unavailable("The unseal key file {path} is not readable by this user.", path=path) from None
    if len(secret) != KEY_BYTES:
        raise Unavailable("The unseal key file {path} does not hold 32 bytes: it is not a kashop key.", path=path)
    return secret


def next_key_file(path: Path) -> Path:
    """Where a new key stands until the database knows it."""
    return path.with_name(path.name + ".new")


@contextmanager
def changing_key_file(path: Path) -> Iterator[None]:
    """One at a time, of all processes, makes a new key file. Raises Conflict for the other."""
    fd = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict("Another rekey is under way. Please wait until it is done.", code="rekeying") from None
    finally:
        os.close(fd)


def settle_key_file(path: Path, opens: Callable[[bytes], bool]) -> None:
    """End what a rekey left that died between the database and the file: the new key is the only one that opens it then."""
    newer = next_key_file(path)
    if newer.exists() and opens(read_key_file(newer)) and not (path.exists() and opens(read_key_file(path))):
        take_next_key_file(path)


def take_next_key_file(path: Path) -> None:
    """The new key becomes the key; the old one is gone."""
    next_key_file(path).replace(path)
    _sync_folder(path)


def new_stretch() -> str:
    """Fresh parameters of a passphrase, as JSON."""
    return msgspec.json.encode(Stretch(b64encode(random(16)).decode())).decode()


def passphrase_key(passphrase: str, params: str) -> bytes:
    """The key that a passphrase becomes. Takes a second or two and 256 MiB: call it off the event loop."""
    how = msgspec.json.decode(params, type=Stretch)
    return hash_secret_raw(
        unicodedata.normalize("NFC", passphrase).encode(),
        b64decode(how.salt),
        time_cost=how.passes,
        memory_cost=how.memory,
        parallelism=how.lanes,
        hash_len=KEY_BYTES,
        type=Type.ID,
    )


def checked_passphrase(passphrase: str, *, field: str = "passphrase") -> str:
    """A passphrase that may be set. Raises Invalid for `field`."""
    if not LEAST_PASSPHRASE <= len(passphrase) <= MOST_PASSPHRASE:
        least, most = LEAST_PASSPHRASE, MOST_PASSPHRASE
        raise Invalid.of(field, "From {least} to {most} characters.", least=least, most=most)
    if len(set(passphrase)) < 6:
        raise Invalid.of(field, "Too easy to guess: avoid names, repetition and well-known passwords.")
    return passphrase


def new_recovery_code() -> str:
    """A fresh recovery code: 160 random bits and a check, in groups of four letters and digits."""
    raw = random(_RECOVERY_BYTES)
    text = b32encode(raw + _check(raw)).decode().rstrip("=")
    return "-".join(text[i : i + _GROUP] for i in range(0, len(text), _GROUP))


def recovery_key(code: str) -> bytes:
    """The key that a recovery code becomes; case, blanks and dashes do not matter. Raises Invalid for a mistyped one."""
    text = "".join(code.split()).replace("-", "").upper().translate(_LOOKALIKES)
    try:
        raw = b32decode(text) if len(text) < 100 else b""
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _RECOVERY_BYTES + 5 or _check(raw[:_RECOVERY_BYTES]) != raw[_RECOVERY_BYTES:]:
        raise Invalid.of("recovery", "This is not a recovery code as it was printed: compare it group by group.")
    return blake2b(raw[:_RECOVERY_BYTES], digest_size=KEY_BYTES, person=b"kashop recovery").digest()


def _check(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=5, person=b"kashop check").digest()


def _sync_folder(path: Path) -> None:
    fd = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
