"""The V1 signature: MD5 over the sorted fields and the merchant's key (epay.md §1.2)."""

import hashlib
from collections.abc import Mapping

_UNSIGNED = ("sign", "sign_type")
_BLANKS = " \t\n\r\0\x0b"
"""What the gateway's own trim takes away: an ideographic space, for one, stays and is signed."""


def content(fields: Mapping[str, str]) -> str:
    """What is signed: the fields that are not blank, sorted by name, their values as they are.

    `0` is not blank.
    """
    return "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if k not in _UNSIGNED and v.strip(_BLANKS))


def sign(fields: Mapping[str, str], key: str) -> str:
    """The signature in lower-case hex. The key is never empty: `make` refuses that."""
    return hashlib.md5(f"{content(fields)}{key}".encode(), usedforsecurity=False).hexdigest()
