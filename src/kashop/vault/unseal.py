"""The unseal key file: 32 random bytes outside the data directory, readable by its owner alone."""

import os
from pathlib import Path

from nacl.utils import random

from kashop.lib.errors import Unavailable
from kashop.vault.keyring import KEY_BYTES


def create_key_file(path: Path) -> bool:
    """Write a fresh key unless one is there; whether it was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    except FileExistsError:
        return False
    with os.fdopen(fd, "wb") as file:
        file.write(random(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return True


def read_key_file(path: Path) -> bytes:
    """The key. Raises Unavailable with what to do."""
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        raise Unavailable(
            "The unseal key file {path} is missing: put it back, or name it with KASHOP_UNSEAL_KEY_FILE.",
            path=path,
        ) from None
    except PermissionError:
        raise Unavailable("The unseal key file {path} is not readable by this user.", path=path) from None
    if len(secret) != KEY_BYTES:
        raise Unavailable("The unseal key file {path} does not hold 32 bytes: it is not a kashop key.", path=path)
    return secret
