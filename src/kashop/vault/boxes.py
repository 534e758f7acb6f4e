"""What comes sealed and signed from outside: X25519 sealed boxes that anybody can close and one key opens, Ed25519 signatures.

A sealed box proves nothing about its sender (libsodium, "Sealed boxes"); only a signature does.
"""

import nacl.exceptions
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.signing import SigningKey, VerifyKey
from nacl.utils import random

from kashop.vault.keyring import Tampered

KEY_BYTES = 32
SIGNATURE_BYTES = 64
BOX_OVERHEAD = 48  # the ephemeral public key and the tag


def new_box_key() -> tuple[bytes, bytes]:
    """A fresh X25519 pair: the private half, the public half."""
    private = PrivateKey.generate()
    return bytes(private), bytes(private.public_key)


def close_box(public: bytes, plain: bytes) -> bytes:
    """Sealed for whoever holds the private half."""
    return SealedBox(PublicKey(public)).encrypt(plain)


def open_box(private: bytes, sealed: bytes) -> bytes:
    """The inverse of `close_box`. Raises Tampered."""
    try:
        return SealedBox(PrivateKey(private)).decrypt(sealed)
    except (nacl.exceptions.CryptoError, nacl.exceptions.TypeError, nacl.exceptions.ValueError):
        raise Tampered("sealed box") from None


def new_seed() -> bytes:
    """The secret of a fresh Ed25519 key."""
    return random(KEY_BYTES)


def public_of(seed: bytes) -> bytes:
    """The public half of a signing key."""
    return bytes(SigningKey(seed).verify_key)


def sign(seed: bytes, message: bytes) -> bytes:
    """An Ed25519 signature (RFC 8032), 64 bytes."""
    return SigningKey(seed).sign(message).signature


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the key's holder signed the message."""
    if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        VerifyKey(public).verify(message, signature)
    except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError):
        return False
    return True
