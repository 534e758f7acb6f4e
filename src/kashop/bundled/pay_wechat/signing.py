"""What WeChat Pay signs and seals (wechatpay.md §2 to §5)."""

import base64
import json
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kashop.plugins.api import RsaPrivateKey, rsa_sign

ALGORITHM = "AEAD_AES_256_GCM"


def asked(method: str, target: str, timestamp: str, nonce: str, body: str) -> str:
    """What is signed of a request; `target` is the path with its query."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n{body}\n"


def told(timestamp: str, nonce: str, body: str) -> str:
    """What is signed of a reply or a notification."""
    return f"{timestamp}\n{nonce}\n{body}\n"


def in_wechat(appid: str, timestamp: str, nonce: str, prepay_id: str) -> str:
    """What is signed of a payment that a page inside WeChat begins."""
    return f"{appid}\n{timestamp}\n{nonce}\nprepay_id={prepay_id}\n"


def sign(key: RsaPrivateKey, text: str) -> str:
    """The signature of a text."""
    return rsa_sign(key, text)


def opened(sealed: Any, api_v3_key: str) -> str:
    """The plain text of a sealed resource. Raises ValueError when it was not sealed by this key."""
    if not isinstance(sealed, dict) or sealed.get("algorithm", ALGORITHM) != ALGORITHM:
        raise ValueError("not a sealed resource")
    parts = [sealed.get(name) or "" for name in ("nonce", "ciphertext", "associated_data")]
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("not a sealed resource")
    nonce, ciphertext, beside = parts
    try:
        raw = base64.b64decode(ciphertext, validate=True)
        return AESGCM(api_v3_key.encode()).decrypt(nonce.encode(), raw, beside.encode()).decode()
    except (ValueError, InvalidTag):
        raise ValueError("not sealed by this key") from None


def parsed(text: str | bytes) -> dict[str, Any]:
    """A JSON object, numbers as the text that was sent. Raises ValueError."""
    try:
        value = json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_constant, object_pairs_hook=_distinct)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _no_constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the same name twice")
    return found
