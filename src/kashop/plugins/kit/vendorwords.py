"""What simulated vendors are asked and say, keep of a payment, and what can befall it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

MOODS = ("answers", "error", "html", "hangs", "cuts", "slow")
"""What the vendor's API does: answer; 500; a firewall's page; never answer; break off; answer after two seconds."""


@dataclass(frozen=True)
class Asked:
    """A request to the vendor. Header names are lower case; `params` are the path's named parts."""

    method: str
    path: str
    query_text: str
    headers: Mapping[str, str]
    body: bytes
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The path with its query, as it came."""
        return f"{self.path}?{self.query_text}" if self.query_text else self.path

    @property
    def query(self) -> dict[str, str]:
        """The fields of the query."""
        return dict(parse_qsl(self.query_text, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form body."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON, numbers as they were written."""
        return json.loads(self.body, parse_float=str) if self.body else {}


@dataclass(frozen=True)
class Answered:
    """What the vendor answers."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> "Answered":
        """A JSON value."""
        return cls(json.dumps(value, ensure_ascii=False).encode(), status, {"content-type": "application/json", **headers})

    @classmethod
    def html(cls, text: str, status: int = 200) -> "Answered":
        """A page."""
        return cls(text.encode(), status, {"content-type": "text/html; charset=utf-8"})

    @classmethod
    def redirect(cls, url: str) -> "Answered":
        """Send the browser on."""
        return cls(b"", 303, {"location": url})


@dataclass(frozen=True)
class Told:
    """A callback as the vendor sends it."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Heard:
    """What the shop answered to a callback; status 0 when nobody answered."""

    status: int
    body: str


@dataclass
class Refunded:
    """A refund as the vendor keeps it. `state` is done, pending or failed."""

    refund_no: str
    ref: str
    amount: str
    state: str = "done"


@dataclass
class Payment:
    """A payment as the vendor keeps it: amounts as text in the vendor's unit. `state` is open, paid or closed."""

    ref: str
    attempt_no: str
    amount: str
    currency: str
    notify_url: str
    return_url: str
    request: dict[str, Any]
    state: str = "open"
    txn: str = ""
    paid_amount: str = ""
    paid_at: float = 0.0
    refunds: list[Refunded] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)


@dataclass(frozen=True)
class How:
    """How a payment goes: what is sent (`amount`, empty: what was asked), which state the callback names, how often it comes,
    whether all at once, how late, whether it is lost on the way, and what in it is forged: signature, key, merchant or amount.
    """

    amount: str = ""
    state: str = "paid"
    txn: str = ""
    times: int = 1
    parallel: bool = False
    delay: float = 0.0
    lose: bool = False
    forge: str = ""


def scaled(amount: str, share: str) -> str:
    """So many times an amount, with the amount's own places, rounded down."""
    whole, _, part = amount.partition(".")
    units = int(float(share) * 1000) * int(whole + part) // 1000
    text = str(units).rjust(len(part) + 1, "0")
    return f"{text[: len(text) - len(part)]}.{text[len(text) - len(part) :]}" if part else text
