"""What each kind of setting takes: pure checks, a value in and the value to store out.

What depends on the shop (which networks it may reach, where its data is) is asked in `flows/settings.py`.
"""

import binascii
from base64 import b64decode
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import PurePosixPath
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from babel.numbers import list_currencies

from kashop.lib import addresses
from kashop.lib.errors import Invalid
from kashop.lib.text import is_email
from kashop.settings.types import Setting

Value = str | int | bool
_MOST_URL, _MOST_PATH = 1000, 500


def _text(setting: Setting, value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not isinstance(value, str) or "\0" in text:
        raise Invalid.of(setting.name, "Write text.")
    if len(text) > setting.most:
        raise Invalid.of(setting.name, "Use {most} characters at most.", most=setting.most)
    if len(text) < setting.least:
        raise Invalid.of(setting.name, "This is needed.")
    return text


def _line(setting: Setting, value: object) -> str:
    """Text that ends up in a header, an address or a path: a line end in it would begin another."""
    text = _text(setting, value)
    if not text.isprintable():
        raise Invalid.of(setting.name, "This must be one line without control characters.")
    return text


def _number(setting: Setting, value: object) -> int:
    try:
        number = int(str(value)) if not isinstance(value, bool) and str(value).isascii() else None
    except ValueError:
        number = None
    if number is None or not setting.least <= number <= setting.most:
        raise Invalid.of(setting.name, "Write a number from {least} to {most}.", least=setting.least, most=setting.most)
    return number


def _flag(setting: Setting, value: object) -> bool:
    if value in (True, "1", "true", "on"):
        return True
    if value in (False, "0", "false", "", "off"):
        return False
    raise Invalid.of(setting.name, "Choose yes or no.")


def _one_of(choices: Callable[[Setting], object]) -> Callable[[Setting, object], str]:
    def check(setting: Setting, value: object) -> str:
        if not isinstance(value, str) or value not in choices(setting):  # type: ignore[operator]
            raise Invalid.of(setting.name, "Choose one of the values on offer.")
        return value

    return check


def _email(setting: Setting, value: object) -> str:
    text = _line(setting, value)
    if text and not is_email(text):
        raise Invalid.of(setting.name, "This is not an e-mail address.")
    return text


def _host(setting: Setting, value: object) -> str:
    text = _line(setting, value)
    if text and not addresses.is_plain_literal(text) and (addresses.literal(text) or not addresses.is_host_name(text)):
        raise Invalid.of(setting.name, "Write a name such as smtp.example.com, without https:// and port.")
    return text


def _url(setting: Setting, value: object) -> str:
    text = _line(setting, value)
    if not text:
        return ""
    try:
        url = urlsplit(text)
        host, _port = url.hostname or "", url.port
    except ValueError:
        raise Invalid.of(setting.name, "This is not a web address.") from None
    if url.scheme not in ("https", "http") or not host or len(text) > _MOST_URL or " " in text or not text.isascii():
        raise Invalid.of(setting.name, "Write a web address that begins with https://.")
    if "@" in url.netloc:
        raise Invalid.of(setting.name, "Leave user name and password out of the address.")
    if not addresses.is_plain_literal(host) and (addresses.literal(host) or not addresses.is_host_name(host)):
        raise Invalid.of(setting.name, "This is not a web address.")
    return text


def _path(setting: Setting, value: object) -> str:
    text = _line(setting, value)
    if not text:
        return ""
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or text.endswith("/") or len(text) > _MOST_PATH:
        raise Invalid.of(setting.name, "Write the whole path of a file, beginning with a slash.")
    return text


def _secret(setting: Setting, value: object) -> str:
    if not isinstance(value, str) or "\0" in value or "\n" in value or "\r" in value:
        raise Invalid.of(setting.name, "This must be one line without control characters.")
    if len(value) > setting.most:
        raise Invalid.of(setting.name, "Use {most} characters at most.", most=setting.most)
    return value


def _webhook_key(setting: Setting, value: object) -> str:
    """`whsec_` and 24 to 64 bytes in base64 (Standard Webhooks)."""
    text = _secret(setting, value).strip()
    try:
        raw = b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if text and (not text.startswith("whsec_") or not 24 <= len(raw) <= 64):
        raise Invalid.of(setting.name, "A webhook key is whsec_ and 24 to 64 bytes in base64.")
    return text


def _networks(setting: Setting, value: object) -> str:
    """Addresses and networks, separated by commas or blanks, as they are read back."""
    text = _line(setting, value)
    try:
        networks = [ip_network(part, strict=False) for part in text.replace(",", " ").split()]
    except ValueError:
        raise Invalid.of(setting.name, "Write addresses or networks such as 203.0.113.7, 10.0.0.0/8.") from None
    if any(network.prefixlen == 0 for network in networks):
        raise Invalid.of(setting.name, "This is everybody's address.")
    return ", ".join(str(network) for network in networks)


CHECKS: dict[str, Callable[[Setting, object], Value]] = {
    "text": _text,
    "longtext": _text,
    "line": _line,
    "number": _number,
    "flag": _flag,
    "choice": _one_of(lambda s: s.choices),
    "currency": _one_of(lambda s: list_currencies()),
    "timezone": _one_of(lambda s: available_timezones()),
    "email": _email,
    "host": _host,
    "url": _url,
    "path": _path,
    "secret": _secret,
}
BY_NAME: dict[str, Callable[[Setting, object], Value]] = {
    "notices.webhook_key": _webhook_key,
    "risk.free_networks": _networks,
}
"""Settings that ask for more than their kind does."""
