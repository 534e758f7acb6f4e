"""RSA as payment vendors use it: keys as their consoles show them, and SHA-256 signatures (RSASSA-PKCS1-v1_5) in base64.

Always true: what is no key, or a short one, is refused before it signs or proves anything; no error here quotes a key.
"""

import re
from base64 import b64decode, b64encode

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

RsaPrivateKey = rsa.RSAPrivateKey
RsaPublicKey = rsa.RSAPublicKey
Certificate = x509.Certificate

LEAST_BITS = 2048
MOST_TEXT = 64 * 1024
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.+?)-----END \1-----", re.DOTALL)


def rsa_private_key(text: str) -> RsaPrivateKey:
    """A private key: PKCS#8 or PKCS#1, in PEM (line ends may be lost) or as one line of base64. Raises ValueError."""
    try:
        key = serialization.load_der_private_key(_der(text), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("not a private key") from None
    if not isinstance(key, RsaPrivateKey) or key.key_size < LEAST_BITS:
        raise ValueError("not an RSA key of 2048 bits or more")
    return key


def rsa_public_key(text: str) -> RsaPublicKey:
    """A public key: alone or of a certificate, in PEM (line ends may be lost) or as one line of base64. Raises ValueError."""
    if "BEGIN CERTIFICATE" in text:
        return rsa_key_of(x509_certificates(text)[0])
    try:
        key = serialization.load_der_public_key(_der(text))
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("not a public key") from None
    return _strong(key)


def x509_certificates(text: str) -> list[Certificate]:
    """The certificates in a PEM text, at least one; line ends may be lost. Raises ValueError."""
    blocks = [body for kind, body in _BLOCK.findall(text[:MOST_TEXT]) if kind == "CERTIFICATE"]
    try:
        found = [x509.load_der_x509_certificate(_bytes(body)) for body in blocks]
    except ValueError:
        raise ValueError("not a certificate") from None
    if not found:
        raise ValueError("not a certificate")
    return found


def rsa_key_of(certificate: Certificate) -> RsaPublicKey:
    """The key that a certificate speaks for. Raises ValueError."""
    try:
        return _strong(certificate.public_key())
    except (UnsupportedAlgorithm, TypeError):
        raise ValueError("not an RSA key of 2048 bits or more") from None


def rsa_sign(key: RsaPrivateKey, text: str) -> str:
    """The signature of a text."""
    return b64encode(key.sign(text.encode(), padding.PKCS1v15(), SHA256())).decode()


def is_rsa_signed(key: RsaPublicKey, signature: str, text: str) -> bool:
    """Whether a signature, in exactly one spelling of base64, is that of a text."""
    try:
        raw = b64decode(signature, validate=True)
        if b64encode(raw).decode() != signature:
            return False
        key.verify(raw, text.encode(), padding.PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature):  # UnicodeError and binascii.Error are ValueErrors
        return False
    return True


def _strong(key: object) -> RsaPublicKey:
    if not isinstance(key, RsaPublicKey) or key.key_size < LEAST_BITS:
        raise ValueError("not an RSA key of 2048 bits or more")
    return key


def _der(text: str) -> bytes:
    block = _BLOCK.search(text[:MOST_TEXT])
    return _bytes(block[2] if block else text)


def _bytes(text: str) -> bytes:
    try:
        return b64decode("".join(text[:MOST_TEXT].split()), validate=True)
    except ValueError:
        raise ValueError("not base64") from None
