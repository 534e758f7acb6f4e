"""What a code that was taken back is known by."""

from hashlib import blake2b

_PERSON = b"kashop undone"


def undone_fingerprint(fingerprint: bytes, code_id: int) -> bytes:
    """What stands for the fingerprint of a code that was taken back: unique by its row, equal to no code's (decision 0015)."""
    return blake2b(fingerprint, digest_size=32, key=code_id.to_bytes(8, "big"), person=_PERSON).digest()
