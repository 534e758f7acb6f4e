"""What a captcha is to the shop: a task that is set, and the proof that it was done. Plugins bring them.

Always true: what a task is for (whose order, of what, until when, how hard) is inside what its provider signs, so that a proof
serves nobody else and nothing else; that it serves once is the shop's part.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be proved. `subject` says what for and by whom; `work` is in seconds of one core, on the average; `until` in
    milliseconds UTC."""

    subject: str
    work: float
    until: int


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A task that was done. `mark` is the same for one task however its proof is written, and for no two tasks."""

    task: Task
    mark: bytes


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a request to order brings besides the order: the browser's own number, the answer to a challenge, a place in the line,
    and whether its sender asks for such a place."""

    browser: str = ""
    answer: str = ""
    ticket: str = ""
    asks_turn: bool = False


class Captcha(Protocol):
    """One provider, ready to work."""

    async def challenge(self, task: Task) -> Mapping[str, Any]:
        """What the buyer's program is given: JSON, at most 4 KiB."""
        ...

    async def proof(self, answer: str) -> Proof | None:
        """What an answer proves; None for one that is wrong, altered, lapsed or not ours."""
        ...


class CaptchaType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of captcha that a plugin brings. `make(secret, ctx)` gives a Captcha; `secret` is 32 bytes of the shop's own.

    `script` is a page of the plugin that works through a challenge in the buyer's browser: it finds the form `[data-proof]`, does
    what `data-challenge` asks, and posts the form with the answer in its field `proof`.
    """

    name: str
    label: str
    make: Any
    script: str
