"""Refusals: every way in which the shop says no.

A refusal is expected, carries a stable `code` and a message in English that is also its msgid, and is mapped to a page, a
fragment or problem+json once, in `web/errors.py`. Any other exception is a bug.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One complaint about one field; `message` is a msgid, `params` fill its `{name}` places."""

    field: str
    message: str
    params: tuple[tuple[str, str], ...] = ()

    def text(self) -> str:
        """The English sentence."""
        return self.message.format(**dict(self.params))


class Refusal(Exception):
    """The base of all refusals. `status` is the HTTP class it maps to, `detail` fills the message's `{name}` places."""

    status: ClassVar[int] = 400
    code: str = "refused"

    def __init__(self, message: str, *, code: str | None = None, fields: Sequence[FieldError] = (), **detail: Any):
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.fields = tuple(fields)
        self.detail = detail

    def text(self) -> str:
        """The English sentence."""
        return self.message.format(**self.detail)

    __str__ = text


class Invalid(Refusal):
    """The input breaks a rule; `fields` names each complaint."""

    status = 422
    code = "invalid"

    @classmethod
    def of(cls, field: str, message: str, **params: object) -> "Invalid":
        """One complaint about one field."""
        error = FieldError(field, message, tuple((k, str(v)) for k, v in params.items()))
        return cls("Please correct the marked fields.", fields=[error])

    def text(self) -> str:
        """The sentence with its complaints, for a terminal."""
        said = "; ".join(f"{e.field}: {e.text()}" if e.field else e.text() for e in self.fields)
        return said or super().text()

    __str__ = text


class NotFound(Refusal):
    """There is no such thing, or not for you: the two are not told apart."""

    status = 404
    code = "not_found"


class Conflict(Refusal):
    """The thing is not in a state that allows this."""

    status = 409
    code = "conflict"


class SoldOut(Conflict):
    """Fewer codes are free than were asked for; nothing was taken."""

    code = "sold_out"


class PriceChanged(Conflict):
    """The buyer saw another price than the one that holds now."""

    code = "price_changed"


class Denied(Refusal):
    """Who asks may not do this."""

    status = 403
    code = "denied"


class TooMany(Refusal):
    """A limit is reached; `retry_after` in seconds says when to come back."""

    status = 429
    code = "too_many"

    def __init__(self, message: str, *, retry_after: int, **detail: Any):
        super().__init__(message, **detail)
        self.retry_after = retry_after


class Mismatch(Refusal):
    """Two things that must agree do not: a signature, an amount, a reused idempotency key."""

    status = 422
    code = "mismatch"


class Unavailable(Refusal):
    """The shop cannot do this now; trying again later is right, and nothing was changed."""

    status = 503
    code = "unavailable"


class Busy(Unavailable):
    """More is being asked than can be done soon; `retry_after` in seconds says when to come back."""

    code = "busy"

    def __init__(self, message: str, *, retry_after: int, **detail: Any):
        super().__init__(message, **detail)
        self.retry_after = retry_after


class UnknownOutcome(Unavailable):
    """A commit failed: the change may or may not have happened. Retry with the same key tells (promises V-4)."""

    code = "unknown_outcome"
