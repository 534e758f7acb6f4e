"""Challenges and what solves them, in ALTCHA's second format (PBKDF2/SHA-256, the counter drawn beforehand).

The counter is drawn evenly from twice the wanted mean, so that the work has no long tail: nobody waits more than twice as long as
is usual. Answers are checked by the key's signature, without deriving a key.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

import altcha

from kashop.plugins.api import SECOND, Context, Proof, Task

ALGORITHM = "PBKDF2/SHA-256"
COST = 2000
"""Rounds for one try: a millisecond, beside which what a browser adds to each try is small."""
TRIES_A_SECOND = 900
"""Tries of one core in a second, by measurement."""
MOST_TRIES = 2**31
MOST_ANSWER = 8 * 1024


class Altcha:
    """One shop's ALTCHA."""

    def __init__(self, secret: bytes, ctx: Context):
        self._ctx = ctx
        self._sign = hmac.digest(secret, b"altcha challenge", hashlib.sha256)
        self._sign_key = hmac.digest(secret, b"altcha key", hashlib.sha256)

    def __repr__(self) -> str:
        return "<Altcha>"

    async def challenge(self, task: Task) -> Mapping[str, Any]:
        """A new one, for `altcha.solve_challenge` or the widget's worker."""
        made: Mapping[str, Any] = await asyncio.to_thread(self._challenge, task)
        return made

    async def proof(self, answer: str) -> Proof | None:
        """What an answer proves."""
        if not answer or len(answer) > MOST_ANSWER:
            return None
        try:
            payload = altcha.Payload.from_base64(answer)
            found = altcha.verify_solution(payload, self._sign, hmac_key_secret=self._sign_key)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        told = payload.challenge.parameters
        if not found.verified or told.key_signature is None:
            return None
        task = Task(subject=str(told.data["for"]), work=float(told.data["work"]), until=int(told.data["until"]))
        if task.until <= self._ctx.clock.now():
            return None
        return Proof(task=task, mark=bytes.fromhex(told.nonce + told.salt))

    def _challenge(self, task: Task) -> Mapping[str, Any]:
        tries = max(2, min(MOST_TRIES, int(2 * task.work * TRIES_A_SECOND)))
        made = altcha.create_challenge(
            ALGORITHM,
            COST,
            counter=secrets.randbelow(tries),
            # not as `expires_at`, which the library holds against the machine's clock and not the shop's
            data={"for": task.subject, "work": f"{task.work:.3f}", "until": str(task.until // SECOND * SECOND)},
            hmac_secret=self._sign,
            hmac_key_secret=self._sign_key,
        )
        told: Mapping[str, Any] = made.to_dict()
        return told
