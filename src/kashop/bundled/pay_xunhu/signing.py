"""The hash of 虎皮椒: MD5 over the sorted fields and the APPSECRET."""

import hashlib
from collections.abc import Mapping


def content(fields: Mapping[str, str]) -> str:
    """What is signed: the fields that are not empty, sorted by name, their values as they are."""
    return "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if k != "hash" and v != "")


def sign(fields: Mapping[str, str], secret: str) -> str:
    """The hash in lower-case hex. The secret is never empty: `make` refuses that."""
    return hashlib.md5(f"{content(fields)}{secret}".encode(), usedforsecurity=False).hexdigest()
