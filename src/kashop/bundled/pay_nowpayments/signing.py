"""The signature of a notification: HMAC-SHA512 over its JSON, names sorted, numbers as they were written (btcpay.md §2)."""

import hashlib
import hmac
import json
from collections.abc import Collection, Mapping
from typing import Any

from kashop.plugins.api import Number, is_same


def canonical(value: Any, only: Collection[str] | None = None, *, is_ascii: bool = False) -> str:
    """Compact JSON, names sorted at every depth, slashes as they are. `only` these names: an older sample drops the others."""
    if isinstance(value, Mapping):
        names = sorted(name for name in value if only is None or name in only)
        parts = [f"{json.dumps(name, ensure_ascii=is_ascii)}:{canonical(value[name], only, is_ascii=is_ascii)}" for name in names]
        return f"{{{','.join(parts)}}}"
    if isinstance(value, list):
        return f"[{','.join(canonical(item, only, is_ascii=is_ascii) for item in value)}]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=is_ascii)


def sign(text: str, secret: str) -> str:
    """In lower-case hex. The secret is never empty: `make` refuses that."""
    return hmac.new(secret.encode(), text.encode(errors="surrogatepass"), hashlib.sha512).hexdigest()


def is_signed(fields: Mapping[str, Any], told: str, secret: str) -> bool:
    """Whether a signature is right for one of the texts that senders are known to sign."""
    texts = {canonical(fields, only, is_ascii=is_ascii) for only in (None, tuple(fields)) for is_ascii in (False, True)}
    return any(is_same(told, sign(text, secret)) for text in texts)
