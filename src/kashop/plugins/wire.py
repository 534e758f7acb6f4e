"""Reading what a vendor sends: amounts, forms and JSON, strictly, so that two readers can never disagree about
what was signed; and the addresses at which vendors are found.
"""

import hmac
import ipaddress
import json
import re
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from kashop.lib.errors import Invalid
from kashop.lib.money import parse, places
from kashop.payments.types import Rejected

MOST_FORM_BYTES = 16 * 1024
MOST_FIELDS = 64

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,14})(?:\.([0-9]+))?", re.ASCII)
_URL = re.compile(r"[A-Za-z0-9:/._~%\[\]@!$&'()*+,;=?#-]+", re.ASCII)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def _(message: str) -> str:
    """Marks an English text for translation where it is shown."""
    return message


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
    fields = {_decoded(name): _decoded(value) for name, _mark, value in pairs}
    if len(pairs) > MOST_FIELDS or len(fields) != len(pairs):
        raise Rejected("malformed")
    if any(not name.isprintable() or "[" in name for name in fields):
        raise Rejected("malformed")
    return fields


def _decoded(raw: bytes) -> str:
    if b"%" in raw or b"+" in raw:
        if _BAD_ESCAPE.search(raw):
            raise Rejected("malformed")
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Rejected("malformed") from None
    if "\0" in text:
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


class Number(str):
    """A number of a JSON text, as it was written: `12.50` stays `12.50`."""

    __slots__ = ()


def json_object(raw: bytes) -> dict[str, Any]:
    """A JSON object, its numbers as Number. Raises Rejected("malformed").

    Refused: a name twice, at any depth; NaN and Infinity; numbers that nobody writes; NUL; too deep or too much of it; anything
    but UTF-8.
    """
    if len(raw) > MOST_FORM_BYTES:
        raise Rejected("malformed")
    try:
        value = json.loads(
            raw.decode(), parse_int=_number, parse_float=_number, parse_constant=_no_number, object_pairs_hook=_each_once
        )
    except (ValueError, RecursionError):
        raise Rejected("malformed") from None
    if not isinstance(value, dict) or len(value) > MOST_FIELDS:
        raise Rejected("malformed")
    return value


def _number(text: str) -> Number:
    if len(text) > 40 or abs(int(text.lower().partition("e")[2] or 0)) > 40:
        raise ValueError("a number beyond reason")
    return Number(text)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs) or any("\0" in name or (isinstance(value, str) and "\0" in value) for name, value in pairs):
        raise ValueError("a name twice, or NUL")
    return found


def vendor_base(url: str, *, may_be_http: bool) -> str:
    """A vendor's address as an account names it, with one slash at its end. Raises ValueError, whose text is a msgid.

    Unencrypted only to this machine, or where the account allows it.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host or not _URL.fullmatch(url):
        raise ValueError(_("Write an address that begins with https://"))
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(_("Write the address without a user name, a question mark or a hash mark."))
    if parts.scheme == "http" and not may_be_http and not is_loopback(host):
        raise ValueError(_("Use https, or allow an unencrypted gateway in your own network."))
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"


def is_line_trusted(base: str) -> bool:
    """Whether nobody on the way can speak for the vendor at an address: by https, or on this machine."""
    parts = urlsplit(base)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_web_address(url: Any) -> bool:
    """Whether a buyer may be sent to an address that a vendor gave: a web page, never a script."""
    if not isinstance(url, str) or len(url) > 4096 or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
