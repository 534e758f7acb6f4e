"""Certificate mode: the serial numbers that Alipay calls certificates by, and whether one is Alipay's (alipay.md §9)."""

import datetime as dt
import hashlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.x509 import BasicConstraints, ExtensionNotFound

from kashop.plugins.api import Certificate

_RSA_SIGNATURES = "1.2.840.113549.1.1"
_LONGEST_CHAIN = 6


def serial_of(certificate: Certificate) -> str:
    """Alipay's own serial number of a certificate: MD5 over its issuer, most special name first, and its decimal number."""
    issuer = ",".join(f"{part.rfc4514_attribute_name}={part.value!s}" for part in reversed(list(certificate.issuer)))
    return hashlib.md5(f"{issuer}{certificate.serial_number}".encode(), usedforsecurity=False).hexdigest()


def root_serial(bundle: Sequence[Certificate]) -> str:
    """The serial number of the root bundle: of those of its certificates that are signed by RSA."""
    kept = [c for c in bundle if c.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES)]
    return "_".join(serial_of(c) for c in kept)


def is_trusted(chain: Sequence[Certificate], roots: Sequence[Certificate], now: int) -> bool:
    """Whether the first certificate of a chain leads to one of the roots, everything on the way in force at `now`."""
    at = dt.datetime.fromtimestamp(now / 1000, dt.UTC)
    certificate = chain[0]
    for _step in range(_LONGEST_CHAIN):
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            return False
        if certificate in roots:
            return True
        issuer = next((c for c in (*roots, *chain[1:]) if _is_issued(certificate, c)), None)
        if issuer is None:
            return False
        certificate = issuer
    return False


def _is_issued(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        return issuer.extensions.get_extension_for_class(BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, ExtensionNotFound):
        return False
