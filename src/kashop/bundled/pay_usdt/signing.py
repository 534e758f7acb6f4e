"""The signature of the whole family: MD5 over the sorted fields and the secret (usdt.md), and how each writes its numbers.

Always true: a value that is empty or null is not signed; `false` and 0 are.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from kashop.plugins.api import Number, is_same

SIGNATURES = ("signature", "Signature")
Form = Callable[[str], str]
"""How a dialect writes a number, given as it stands in the JSON text."""


def literal(number: str) -> str:
    """As it stands in the JSON text."""
    return number


def plain(number: str) -> str:
    """The shortest decimal form without an exponent: `100.00` is `100`, `1.50` is `1.5`."""
    text = format(Decimal(number), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def go(number: str) -> str:
    """As Go's `%v` writes a float64: an exponent of two digits from 1e6 upward and below 1e-4."""
    value = float(number)
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)  # JSON knows no Infinity
    power = len(digits) - 1 + exponent
    if -4 <= power < 6:
        return plain(repr(value))
    head, tail = str(digits[0]), "".join(map(str, digits[1:]))
    return f"{'-' * sign}{head}{f'.{tail}' if tail else ''}e{'-' if power < 0 else '+'}{abs(power):02}"


def content(fields: Mapping[str, Any], form: Form = literal) -> str:
    """What is signed."""
    texts = {name: _text(value, form) for name, value in fields.items() if name not in SIGNATURES}
    return "&".join(f"{name}={text}" for name, text in sorted(texts.items()) if text)


def sign(fields: Mapping[str, Any], key: str, form: Form = literal) -> str:
    """The signature in lower-case hex. The key is never empty: `make` refuses that."""
    return hashlib.md5(f"{content(fields, form)}{key}".encode(), usedforsecurity=False).hexdigest()


def is_signed(fields: Mapping[str, Any], told: Any, key: str, forms: Iterable[Form]) -> bool:
    """Whether a signature is right in one of the forms in which its sender may have written its numbers."""
    matches = [is_same(told if isinstance(told, str) else "", sign(fields, key, form)) for form in forms]
    return any(matches)


def written(fields: Mapping[str, Any]) -> bytes:
    """A JSON body whose numbers stand as they were signed, or at least mean the same."""
    parts = [f"{json.dumps(name)}:{value if isinstance(value, Number) else json.dumps(value)}" for name, value in fields.items()]
    return f"{{{','.join(parts)}}}".encode()


def _text(value: Any, form: Form) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return form(value) if isinstance(value, Number) else str(value)
