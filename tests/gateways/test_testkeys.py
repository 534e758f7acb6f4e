"""The derived keys are those of the protocol sheets: the vectors of every RSA vendor hang on them."""

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, load_pem_public_key

from tests.gateways import testkeys


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("merchant", "4cfe9d776127fc101e697e76b4b202ec2d44e1a00ae1705bb3d2092cff35b8aa"),
        ("platform", "005ef1279217da20388fcdafb8cdcc632ccdf7d9c6b5e1a7f00beaf972b1b3fd"),
    ],
)
def test_the_keys_are_those_of_the_sheets(name: str, digest: str) -> None:
    assert hashlib.sha256(testkeys.public_der(name)).hexdigest() == digest


def test_every_form_holds_the_same_key() -> None:
    key = testkeys.private_key("merchant")
    numbers = key.private_numbers()
    for pkcs1 in (False, True):
        pem = load_pem_private_key(testkeys.private_pem("merchant", pkcs1=pkcs1).encode(), None)
        der = load_der_private_key(testkeys.private_der("merchant", pkcs1=pkcs1), None)
        assert pem.private_numbers() == der.private_numbers() == numbers  # type: ignore[union-attr]
    assert load_pem_public_key(testkeys.public_pem("merchant").encode()).public_numbers() == numbers.public_numbers  # type: ignore[union-attr]
