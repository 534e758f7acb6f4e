"""The signature of webhooks: HMAC-SHA256 over the time and the raw body, with the endpoint's whole secret (stripe.md §4)."""

import hashlib
import hmac
import re

from kashop.plugins.api import MINUTE, Rejected, is_same

TOLERANCE = 5 * MINUTE
MOST_SIGNATURES = 20
_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)


def sign(time: str, body: bytes, secret: str) -> str:
    """The signature of scheme v1 in lower-case hex; `time` is Unix seconds as sent."""
    return hmac.new(secret.encode(), time.encode() + b"." + body, hashlib.sha256).hexdigest()


def prove(header: str, body: bytes, secret: str, *, now: int) -> None:
    """Nothing, when one of the header's signatures is right and it is not older than five minutes at `now`. Raises Rejected.

    While an endpoint's secret is rolled over Stripe signs with both, so that any may match.
    """
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"]
    if not all(equals for _, equals, _ in parts):
        raise Rejected("signature")
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not 0 < len(signatures) <= MOST_SIGNATURES:
        raise Rejected("signature")
    expected = sign(times[0], body, secret)
    if not any(is_same(told, expected) for told in signatures):
        raise Rejected("signature")
    if int(times[0]) * 1000 < now - TOLERANCE:
        raise Rejected("stale")
