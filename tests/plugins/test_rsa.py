"""Keys as consoles show them, and signatures in one spelling only."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kashop.plugins.api import is_rsa_signed, rsa_private_key, rsa_public_key, rsa_sign, x509_certificates
from tests.gateways import testkeys

TEXT = "a=1&b=测试"


@pytest.mark.parametrize("is_old", [False, True])
def test_a_key_is_read_in_every_spelling(is_old: bool) -> None:
    pem = testkeys.private_pem("merchant", pkcs1=is_old)
    line = testkeys.private_line("merchant", pkcs1=is_old)
    known = testkeys.private_key("merchant").private_numbers()
    for text in (pem, line, f"  {line}\n", pem.replace("\n", " "), pem.replace("\n", "\r\n"), pem.replace("\n", "")):
        assert rsa_private_key(text).private_numbers() == known


def test_a_public_key_is_read_in_every_spelling() -> None:
    pem, line = testkeys.public_pem("platform"), testkeys.public_line("platform")
    key = testkeys.private_key("platform").public_key()
    old = key.public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
    for text in (pem, line, pem.replace("\n", ""), old):
        assert rsa_public_key(text).public_numbers() == key.public_numbers()


def test_what_is_no_strong_rsa_key_is_refused_and_not_quoted() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    curve = ec.generate_private_key(ec.SECP256R1())
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    bad = ["", "   ", "abcd", "测试", "-----BEGIN PRIVATE KEY-----", testkeys.public_line("merchant"), "A" * 200_000]
    for text in [*bad, weak.private_bytes(*form).decode(), curve.private_bytes(*form).decode()]:
        with pytest.raises(ValueError) as caught:
            rsa_private_key(text)
        assert len(str(caught.value)) < 60
        assert caught.value.__cause__ is None
    seen = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = testkeys.private_line("merchant")
    for text in [
        "",
        "abcd",
        private,
        weak.public_key().public_bytes(*seen).decode(),
        curve.public_key().public_bytes(*seen).decode(),
    ]:
        with pytest.raises(ValueError):
            rsa_public_key(text)
    for text in ("", "-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----", testkeys.public_pem("merchant")):
        with pytest.raises(ValueError):
            x509_certificates(text)


def test_a_signature_has_one_spelling() -> None:
    private, public = rsa_private_key(testkeys.private_line("platform")), rsa_public_key(testkeys.public_line("platform"))
    signature = rsa_sign(private, TEXT)
    assert is_rsa_signed(public, signature, TEXT)
    other = rsa_sign(rsa_private_key(testkeys.private_line("merchant")), TEXT)
    last = signature[-3]
    twin = chr(ord(last) + 1) if last not in "Zz9/" else "A"
    for wrong in ("", "é", other, signature + "\n", f" {signature}", signature.rstrip("="), f"{signature[:-3]}{twin}==", "AAAA"):
        assert not is_rsa_signed(public, wrong, TEXT)
    assert not is_rsa_signed(public, signature, TEXT + " ")
