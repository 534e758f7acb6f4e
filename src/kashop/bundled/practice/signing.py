"""The practice dialect: HMAC-SHA256 with a key of each attempt, drawn from the account's key.

The attempt's key stands in the cashier's address: who may open the cashier may let it pay, and nothing
else. So the account's key itself never leaves the shop's seal.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode


def attempt_key(account_key: str, attempt_no: str) -> str:
    """The key of one attempt."""
    return _mac(account_key, f"attempt:{attempt_no}")


def merchant(account_key: str) -> str:
    """What the account calls itself in its callbacks."""
    return _mac(account_key, "merchant")[:16]


def sign(fields: Mapping[str, str], key: str) -> str:
    """The signature over all other fields, sorted by name and form-encoded."""
    return _mac(key, urlencode(sorted((k, v) for k, v in fields.items() if k != "sign")))


def digest(key: str) -> str:
    """What is kept of an attempt's key."""
    return hashlib.sha256(key.encode()).hexdigest()


def _mac(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
