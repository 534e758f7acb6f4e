"""What Alipay signs, and where in a reply it stands (alipay.md §2, §3, §5)."""

import json
import re
from collections.abc import Mapping
from typing import Any

_BLANK = re.compile(r"[ \t\r\n]*")


def content(fields: Mapping[str, str], *, without: tuple[str, ...] = ("sign",)) -> str:
    """What is signed of fields: those that are not empty, sorted by name, their values as they are."""
    return "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if v and k not in without)


def members(text: str) -> dict[str, tuple[str, Any]]:
    """The members of a JSON object: each one's exact characters, which its signature covers, and its value, numbers as text.

    Raises ValueError for anything else, a member that stands there twice too.
    """
    at = _after(text, 0, "{")
    found: dict[str, tuple[str, Any]] = {}
    while True:
        at = _blank(text, at)
        if text[at : at + 1] != '"':
            raise ValueError("not a name")
        name, at = _value(text, at)
        begin = _blank(text, _after(text, at, ":"))
        value, end = _value(text, begin)
        if name in found:
            raise ValueError("the same name twice")
        found[name] = (text[begin:end], value)
        at = _blank(text, end)
        if text[at : at + 1] != ",":
            break
        at += 1
    if _blank(text, _after(text, at, "}")) != len(text):
        raise ValueError("more than one value")
    return found


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _JSON.raw_decode(text, _blank(text, at))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _after(text: str, at: int, mark: str) -> int:
    at = _blank(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"no {mark}")
    return at + 1


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _no_constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")


_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_constant)
