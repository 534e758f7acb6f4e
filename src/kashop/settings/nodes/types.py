"""What a server is called among others."""

from dataclasses import dataclass


@dataclass(slots=True)
class Leased:
    """A server's own number, and when it was leased last."""

    name: str
    number: int
    leased_at: int
