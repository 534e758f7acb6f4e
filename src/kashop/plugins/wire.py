"""Reading what a vendor sends: amounts and forms, strictly, so that two readers can never disagree about
what was signed.
"""

import hmac
import re
from urllib.parse import unquote_to_bytes

from kashop.lib.errors import Invalid
from kashop.lib.money import parse, places
from kashop.payments.types import Rejected

MOST_FORM_BYTES = 16 * 1024
MOST_FIELDS = 64

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,14})(?:\.([0-9]+))?", re.ASCII)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def minor_units(text: str, currency: str) -> int:
    """A vendor's decimal text in minor units: `12.5`, `12.50` and `12` are fine for CNY. Raises ValueError.

    Refused: sign, exponent, blanks, thousands marks, NaN, digits that are not ASCII, more places than the
    currency has.
    """
    found = _AMOUNT.fullmatch(text) if isinstance(text, str) else None
    if found is None or len(found[2] or "") > places(currency):
        raise ValueError(f"not an amount of {currency}")
    try:
        return parse(text, currency)
    except Invalid:
        raise ValueError(f"not an amount of {currency}") from None


def is_same(told: str, expected: str) -> bool:
    """Whether a signature or secret is the expected one, in constant time.

    Nothing equals an empty expectation.
    """
    return bool(expected) and hmac.compare_digest(_bytes(told), _bytes(expected))


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def form_fields(raw: bytes) -> dict[str, str]:
    """The fields of a query or form body, decoded (`+` and `%20` are blanks). Raises Rejected("malformed").

    Refused: a field twice, array fields, broken escapes, anything but UTF-8, control bytes in names, NUL,
    too much of it.
    """
    if len(raw) > MOST_FORM_BYTES:
        raise Rejected("malformed")
    pairs = [pair.partition(b"=") for pair in raw.split(b"&") if pair]
    fields = {_decoded(name): _decoded(value) for name, _, value in pairs}
    if len(pairs) > MOST_FIELDS or len(fields) != len(pairs):
        raise Rejected("malformed")
    if any(not name.isprintable() or "[" in name for name in fields):
        raise Rejected("malformed")
    return fields


def _decoded(raw: bytes) -> str:
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise Rejected("malformed") from None
    if _BAD_ESCAPE.search(raw) or "\0" in text:
        raise Rejected("malformed")
    return text


def scrubbed(text: object, *secrets: str) -> str:
    """A vendor's words fit for a log or a page: one printable line of at most 200 characters, without our
    secrets.
    """
    line = "".join(c if c.isprintable() else " " for c in str(text))
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        line = line.replace(secret, "***")
    return " ".join(line.split())[:200]
