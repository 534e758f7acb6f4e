"""What PayPal signs: ids, time, our webhook and a checksum of the body, by the key of its certificate (paypal.md §6, way B)."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from kashop.plugins.api import DAY, MINUTE, Rejected

ALGORITHM = "SHA256withRSA"
OLDEST, AHEAD = DAY, 5 * MINUTE
"""Repeats keep the time of the first sending: what is older is found by asking."""
_ID = re.compile(r"[A-Za-z0-9-]{1,100}", re.ASCII)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sending:
    """What the headers of a webhook say."""

    id: str
    time: str
    signature: str
    certificate_url: str

    def content(self, webhook_id: str, body: bytes) -> str:
        """What is signed."""
        return f"{self.id}|{self.time}|{webhook_id}|{zlib.crc32(body)}"


def sending(headers: Mapping[str, str], *, now: int) -> Sending:
    """The headers of a webhook that is recent at `now`. Raises Rejected."""
    said = Sending(
        headers.get("paypal-transmission-id", ""),
        headers.get("paypal-transmission-time", ""),
        headers.get("paypal-transmission-sig", ""),
        headers.get("paypal-cert-url", ""),
    )
    if headers.get("paypal-auth-algo") != ALGORITHM or not said.signature:
        raise Rejected("signature")
    if not _ID.fullmatch(said.id) or not _TIME.fullmatch(said.time):
        raise Rejected("malformed")
    try:
        sent = int(datetime.fromisoformat(said.time).timestamp() * 1000)
    except ValueError:
        raise Rejected("malformed") from None
    if not now - OLDEST <= sent <= now + AHEAD:
        raise Rejected("stale")
    return said
