"""What a gateway sent, as people can read it: whatever proves or opens something is blotted out, and bytes that are no text are
shown as such."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from kashop.payments.rows import Callback

MOST_SHOWN = 16_000
BLOT = "•••"
_SECRET = re.compile(r"(.*[_-])?(sign|signature|sig|hash|hmac|key|token|secret|password|ciphertext)", re.I)
_HEADER = re.compile(r"sig|hmac|token|secret|key|auth|cookie|password", re.I)
_MEMBER = re.compile(r'"([^"\\]{1,64})"\s*:\s*"(?:[^"\\]|\\.)*"?')
_ELEMENT = re.compile(r"<([A-Za-z][\w.-]*)>(?!\s*<[A-Za-z])(.*?)</\1>", re.S)


def readable(callback: Callback) -> str:
    """Query and body of a callback, a line for each field."""
    return "\n".join(text(raw) for raw in (callback.query, callback.body) if raw)


def text(raw: bytes) -> str:
    """Fields as `name = value`, JSON and XML in their own form, anything else as it is; what is no text as hexadecimal digits."""
    try:
        told = raw.decode("utf-8")
    except UnicodeDecodeError:
        return _hex(raw)
    if any(ord(c) < 32 and c not in "\t\r\n" for c in told):
        return _hex(raw)
    return _clear(told)[:MOST_SHOWN]


def headers(callback: Callback) -> list[tuple[str, str]]:
    """Names and values of its headers, in their order."""
    known = msgspec.json.decode(callback.headers, type=dict[str, str])
    return [(name, BLOT if _HEADER.search(name) else value[:500]) for name, value in known.items()]


def _clear(told: str) -> str:
    start = told.lstrip()[:1]
    if start in ("{", "["):
        try:
            return msgspec.json.format(msgspec.json.encode(_blotted(msgspec.json.decode(told))), indent=2).decode()
        except (msgspec.DecodeError, RecursionError):  # cut off, or no JSON after all
            return _MEMBER.sub(lambda m: f'"{m[1]}": "{BLOT}"' if _SECRET.fullmatch(m[1]) else m[0], told)
    if start == "<":
        return _ELEMENT.sub(lambda m: f"<{m[1]}>{BLOT}</{m[1]}>" if _SECRET.fullmatch(m[1]) else m[0], told)
    return _pairs(told)


def _blotted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: BLOT if _SECRET.fullmatch(str(k)) else _blotted(v) for k, v in value.items()}
    return [_blotted(each) for each in value] if isinstance(value, list) else value


def _pairs(told: str) -> str:
    pairs: Sequence[tuple[str, str]] = parse_qsl(told, keep_blank_values=True, max_num_fields=None)
    if not pairs or "=" not in told:
        return told
    return "\n".join(f"{name} = {BLOT if _SECRET.fullmatch(name) else value}" for name, value in pairs)


def _hex(raw: bytes) -> str:
    shown = raw[: MOST_SHOWN // 4]
    lines = [shown[at : at + 16].hex(" ") for at in range(0, len(shown), 16)]
    return "\n".join([*lines, "…"] if len(shown) < len(raw) else lines)
