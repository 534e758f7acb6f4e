"""The RSA keys of the protocol sheets, derived from their names, so that no key file lies about.

`merchant` is our side, which signs what is asked; `platform` is the vendor's, which signs what it says. Both are public by their
making: nothing but a test may trust them.
"""

import hashlib
from base64 import b64encode
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

EXPONENT = 65537
_FIRST = {"merchant-p": 246, "merchant-q": 2174, "platform-p": 418, "platform-q": 558}
"""How far behind their name's number the primes of the sheets lie: looking for them took a second of every run."""

_BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """The 2048-bit key of a name (`merchant`, `platform`, or any other)."""
    p, q = sorted((_prime(f"{name}-p"), _prime(f"{name}-q")), reverse=True)
    d = pow(EXPONENT, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(EXPONENT, p * q),
    ).private_key()


def private_der(name: str, *, pkcs1: bool = False) -> bytes:
    """The private key in DER: PKCS#8, or PKCS#1 (the "traditional" form)."""
    form = PrivateFormat.TraditionalOpenSSL if pkcs1 else PrivateFormat.PKCS8
    return private_key(name).private_bytes(Encoding.DER, form, NoEncryption())


def private_pem(name: str, *, pkcs1: bool = False) -> str:
    """The private key in PEM: PKCS#8, or PKCS#1 (the "traditional" form)."""
    form = PrivateFormat.TraditionalOpenSSL if pkcs1 else PrivateFormat.PKCS8
    return private_key(name).private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def private_line(name: str, *, pkcs1: bool = False) -> str:
    """The private key as vendors show it: one line of base64, without armour."""
    return b64encode(private_der(name, pkcs1=pkcs1)).decode()


def public_der(name: str) -> bytes:
    """The public key in DER (SubjectPublicKeyInfo)."""
    return private_key(name).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_pem(name: str) -> str:
    """The public key in PEM (SubjectPublicKeyInfo)."""
    return private_key(name).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_line(name: str) -> str:
    """The public key as vendors show it: one line of base64, without armour."""
    return b64encode(public_der(name)).decode()


def _prime(label: str) -> int:
    parts = [hashlib.sha512(f"kashop-test-{label}|{i}".encode()).digest() for i in range(2)]
    number = (int.from_bytes(b"".join(parts), "big") | (3 << 1022) | 1) + _FIRST.get(label, 0)
    while not (_is_prime(number) and (number - 1) % EXPONENT):
        number += 2
    return number


def _is_prime(number: int) -> bool:
    """Miller and Rabin, with the first twenty primes."""
    if any(number % base == 0 for base in _BASES):
        return number in _BASES
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_is_witnessed(number, pow(base, odd, number), twos) for base in _BASES)


def _is_witnessed(number: int, power: int, twos: int) -> bool:
    if power in (1, number - 1):
        return True
    for _round in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False
