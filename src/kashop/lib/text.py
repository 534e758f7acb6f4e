"""Small questions about texts that people type."""

import re

_EMAIL = re.compile(r"[^\s@\"<>(),:;\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\.[A-Za-z0-9-]{2,63}")
_PHONE = re.compile(r"\+?[0-9][0-9 -]{5,18}[0-9]", re.ASCII)
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_QQ = re.compile(r"[1-9][0-9]{4,11}", re.ASCII)


def is_email(text: str) -> bool:
    """Whether mail could be sent there; not whether it arrives."""
    return len(text) <= 254 and bool(_EMAIL.fullmatch(text)) and ".." not in text


def is_phone(text: str) -> bool:
    """Whether it reads like a phone number."""
    return bool(_PHONE.fullmatch(text))


def contact_key(text: str) -> str:
    """A contact as it is stored and looked for: an e-mail address in small letters, anything else as typed."""
    text = text.strip()
    return text.lower() if "@" in text else text


def is_qq(text: str) -> bool:
    """Whether it reads like a QQ number."""
    return bool(_QQ.fullmatch(text))


def is_plain(text: str) -> bool:
    """No control characters, lone surrogates or direction overrides; line ends and tabs are none."""
    return not _ODD.search(text)
