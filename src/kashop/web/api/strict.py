"""JSON as it arrives, read so that there is one way to understand it (RFC 8259; the stricter half of RFC 7493).

Always true of what comes out: whole UTF-8 without lone surrogates, no name twice in an object, no NaN or
Infinity, nested at most MAX_DEPTH deep. Numbers written with a point or an exponent are floats, whatever
their value.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from kashop.web.errors import Problem, Stopped

MAX_DEPTH = 32

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""Strings whole, so that brackets in them do not count; the possessive `*+` keeps hostile quotes linear."""

_MOST_DIGITS = 20


def read_json(body: bytes) -> Any:
    """The value of a JSON text. Raises Stopped (400)."""
    try:
        text = body.decode("utf-8")
        if text.count("{") + text.count("[") > MAX_DEPTH:
            _check_depth(text)
        value = _decode(text)
        if "\\" in text:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate can be escaped, but is no text
    except (ValueError, RecursionError):
        raise Stopped(Problem(400, "malformed", "The content is not well-formed JSON.")) from None
    return value


def _check_depth(text: str) -> None:
    depth = 0
    for part in _TOKENS.findall(text):
        if part in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError("nested too deep")
        elif part in "]}":
            depth -= 1


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _integer(digits: str) -> int:
    """Exact up to 20 digits; a longer one is cut, since that is already beyond every range that we allow."""
    return int(digits[: _MOST_DIGITS + 1])


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("too large for a number")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_refuse).decode
"""Made once: making one costs more than reading an order with it."""
