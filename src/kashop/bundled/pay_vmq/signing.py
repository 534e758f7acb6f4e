"""The signature of V免签: values set side by side without separators, with MD5 or HMAC-SHA256.

Without separators one signature fits many readings (`12.5` and `12.51` are also `12.51` and `2.51`). So the parts are of kinds
that cannot flow into one another: our number has no small letters, PARAM has nothing else, the type is one digit, and what really
has to be paid is never further from the price than MOST_OFFSET.
"""

import hashlib
import hmac

PARAM = "kashop"
MOST_OFFSET = 100
"""In minor units: the odd cents by which the vendor tells payments apart."""

MD5, HMAC_SHA256 = "MD5", "HMAC_SHA256"
SIGN_TYPES = (MD5, HMAC_SHA256)


def sign(sign_type: str, key: str, *values: str) -> str:
    """The signature over values in their order, in lower-case hex. The key is never empty: `make` refuses that."""
    text = "".join(values)
    if sign_type == HMAC_SHA256:
        return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
    return hashlib.md5(f"{text}{key}".encode(), usedforsecurity=False).hexdigest()
